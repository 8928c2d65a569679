package shardlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"

	"lockstep/broker/internal/vfs"
)

// A slotFile holds one small record that is replaced often. It has two slots
// and writes them in turn, so that a torn write leaves the record before it.
//
//	slot 0                slot 1
//	+-----+-----+-----+---------+-----+
//	| crc | len | generation | record |   crc covers all that follows it
//	+-----+-----+-----+---------+-----+
//	  4     4        8          len
//
// The newest slot is the valid one with the higher generation. It is not safe
// for concurrent use.
type slotFile struct {
	file vfs.File
	size int64 // of a slot, bytes; a multiple of what disks write atomically
	gen  uint64
}

const slotHeaderLen = 16

var errNoSlot = errors.New("neither of its two records is intact")

// openSlots opens or makes the file and returns its newest record, nil of a new
// file. The error matches errNoSlot when there is none.
func openSlots(fsys vfs.FS, name string, size int64) (*slotFile, []byte, error) {
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = createSlots(fsys, name, size)
	}
	if err != nil {
		return nil, nil, err
	}
	s := &slotFile{file: f, size: size}
	var record []byte
	for i := range int64(2) {
		gen, p, err := s.read(i)
		if err != nil {
			f.Close()
			return nil, nil, fmt.Errorf("read %s: %w", name, err)
		}
		if p != nil && gen > s.gen {
			s.gen, record = gen, p
		}
	}
	if s.gen == 0 {
		f.Close()
		return nil, nil, fmt.Errorf("%s: %w", name, errNoSlot)
	}
	return s, record, nil
}

// createSlots gives the file its name only once it holds an empty record.
func createSlots(fsys vfs.FS, name string, size int64) (vfs.File, error) {
	f, err := fsys.Create(name + vfs.TempSuffix)
	if err != nil {
		return nil, err
	}
	s := &slotFile{file: f, size: size}
	// The blocks are written, not only reserved: replacing what is written is
	// faster to sync.
	if _, err = f.WriteAt(make([]byte, 2*size), 0); err == nil {
		err = s.write(nil)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fsys.Rename(name+vfs.TempSuffix, name)
	}
	if err == nil {
		err = fsys.SyncDir(filepath.Dir(name))
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	return fsys.Open(name)
}

func (s *slotFile) read(slot int64) (gen uint64, record []byte, err error) {
	p := make([]byte, s.size)
	n, err := s.file.ReadAt(p, slot*s.size)
	if err != nil && err != io.EOF {
		return 0, nil, err
	}
	p = p[:n]
	if n < slotHeaderLen {
		return 0, nil, nil
	}
	le := binary.LittleEndian
	end := slotHeaderLen + int64(le.Uint32(p[4:]))
	if end > int64(n) || le.Uint32(p) != crc32.Checksum(p[4:end], castagnoli) {
		return 0, nil, nil
	}
	return le.Uint64(p[8:]), p[slotHeaderLen:end], nil
}

// write replaces the older slot, without a sync.
func (s *slotFile) write(record []byte) error {
	if int64(len(record)) > s.size-slotHeaderLen {
		return fmt.Errorf("write %s: record of %d bytes does not fit into %d", s.file.Name(), len(record), s.size-slotHeaderLen)
	}
	s.gen++
	p := make([]byte, slotHeaderLen, slotHeaderLen+len(record))
	le := binary.LittleEndian
	le.PutUint32(p[4:], uint32(len(record)))
	le.PutUint64(p[8:], s.gen)
	p = append(p, record...)
	le.PutUint32(p, crc32.Checksum(p[4:], castagnoli))
	_, err := s.file.WriteAt(p, int64(s.gen%2)*s.size)
	return err
}

func (s *slotFile) close() error { return s.file.Close() }
