package shardlog

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

// A snapshot file holds what the state machine wrote and what Raft wants to know
// about it.
//
//	+-----------------------------+-------+--------------------------------+
//	| crc | "LSN1" | length | meta | state | crc | "LSE1" | length | crc     |
//	+-----------------------------+-------+--------------------------------+
//	   4      4        4      JSON            4      4        8      4 (state)
//
// The first crc covers the length and meta, the second all that follows it. The
// file is written under a temporary name, so that one with its own name is whole.
const (
	snapSuffix     = ".snap"
	snapMagic      = 0x314e534c
	snapEndMagic   = 0x3145534c
	snapHeaderLen  = 12
	snapTrailerLen = 20
	snapBufferLen  = 256 << 10
)

// snapWriter writes the state of one snapshot.
type snapWriter struct {
	file vfs.File
	off  int64
	buf  []byte
	size int64 // of the state so far
	crc  uint32
}

func createSnapFile(fsys vfs.FS, path string, meta *raft.SnapshotMeta) (*snapWriter, error) {
	p, err := json.Marshal(meta)
	if err != nil {
		return nil, err
	}
	f, err := fsys.Create(path)
	if err != nil {
		return nil, err
	}
	head := make([]byte, snapHeaderLen, snapHeaderLen+len(p))
	binary.LittleEndian.PutUint32(head[4:], snapMagic)
	binary.LittleEndian.PutUint32(head[8:], uint32(len(p)))
	head = append(head, p...)
	binary.LittleEndian.PutUint32(head, crc32.Checksum(head[8:], castagnoli))
	return &snapWriter{file: f, buf: head}, nil
}

func (w *snapWriter) Write(p []byte) (int, error) {
	w.size += int64(len(p))
	w.crc = crc32.Update(w.crc, castagnoli, p)
	w.buf = append(w.buf, p...)
	if len(w.buf) < snapBufferLen {
		return len(p), nil
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *snapWriter) flush() error {
	n, err := w.file.WriteAt(w.buf, w.off)
	w.off += int64(n)
	w.buf = w.buf[:0]
	return err
}

// finish makes the file whole and durable and closes it.
func (w *snapWriter) finish() error {
	end := make([]byte, snapTrailerLen)
	le := binary.LittleEndian
	le.PutUint32(end[4:], snapEndMagic)
	le.PutUint64(end[8:], uint64(w.size))
	le.PutUint32(end[16:], w.crc)
	le.PutUint32(end, crc32.Checksum(end[4:], castagnoli))
	w.buf = append(w.buf, end...)
	err := w.flush()
	if err == nil {
		err = w.file.Sync()
	}
	return errors.Join(err, w.file.Close())
}

// snapInfo is a whole snapshot file.
type snapInfo struct {
	meta  raft.SnapshotMeta
	path  string
	state int64 // where it begins
	size  int64 // of the state
	crc   uint32
}

// readSnapInfo reads all but the state.
func readSnapInfo(fsys vfs.FS, path string) (*snapInfo, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size < snapHeaderLen+snapTrailerLen {
		return nil, fmt.Errorf("%s is not a whole snapshot", path)
	}
	le := binary.LittleEndian
	var head [snapHeaderLen]byte
	var end [snapTrailerLen]byte
	if err := errors.Join(readFull(f, head[:], 0), readFull(f, end[:], size-snapTrailerLen)); err != nil {
		return nil, err
	}
	n := int64(le.Uint32(head[8:]))
	s := &snapInfo{path: path, state: snapHeaderLen + n, size: int64(le.Uint64(end[8:])), crc: le.Uint32(end[16:])}
	switch {
	case le.Uint32(head[4:]) != snapMagic || le.Uint32(end[4:]) != snapEndMagic:
		return nil, fmt.Errorf("%s is not a whole snapshot", path)
	case le.Uint32(end[:]) != crc32.Checksum(end[4:], castagnoli) || s.state+s.size+snapTrailerLen != size:
		return nil, fmt.Errorf("%s is not a whole snapshot", path)
	}
	p := make([]byte, n)
	if err := readFull(f, p, snapHeaderLen); err != nil {
		return nil, err
	}
	if le.Uint32(head[:]) != crc32.Update(crc32.Checksum(head[8:], castagnoli), castagnoli, p) {
		return nil, fmt.Errorf("%s: checksum of what it says about itself does not match", path)
	}
	if err := json.Unmarshal(p, &s.meta); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// openState opens the file and verifies the state.
func (s *snapInfo) openState(fsys vfs.FS) (vfs.File, error) {
	f, err := fsys.Open(s.path)
	if err != nil {
		return nil, err
	}
	h := crc32.New(castagnoli)
	if _, err = io.CopyBuffer(h, io.NewSectionReader(f, s.state, s.size), make([]byte, snapBufferLen)); err == nil && h.Sum32() != s.crc {
		err = fmt.Errorf("%s: checksum of the state does not match", s.path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// snapID names a snapshot: by index, term, and a number that makes it unique.
func snapID(index, term, n uint64) string { return fmt.Sprintf("%020d-%020d-%010d", index, term, n) }

func snapPath(dir, id string) string { return filepath.Join(dir, id+snapSuffix) }
