package shardlog

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"lockstep/broker/internal/vfs"
)

// What Raft sends to a replica as a snapshot, and what a state machine restores
// from, is one stream:
//
//	+--------+-------+--------+--------+-----+--------+--------+
//	| header | state | part   | frames | ... | part   | frames |
//	|   64   |       | header |        |     | header |        |
//	+--------+-------+--------+--------+-----+--------+--------+
//
//	header       0  magic (16 bytes)    16  length of the state
//	            24  number of parts     32  length of all parts
//	            40  first index         48  last index (both 0 without parts)
//	            56  zero                60  crc of 0-59
//
//	part header  0  first index          8  last index
//	            16  term before first   24  salt
//	            32  length of frames    40  zero    44  crc of 0-43
//
// A part is a segment's frames as they lie on the disk, up to the snapshot's
// index; their own checksums and the salt protect them. The parts follow each
// other and the last one ends with the snapshot's index. A stream without
// parts comes from a log that has not all entries up to there.
const (
	streamHeaderLen = 64
	partHeaderLen   = 48
)

var streamMagic = []byte("lockstep\x89\r\n\x1a\nsn1")

type streamHeader struct {
	state       int64 // bytes
	parts       uint64
	log         int64 // bytes of all parts with their headers
	first, last uint64
}

func (h *streamHeader) encode() []byte {
	p := make([]byte, streamHeaderLen)
	le := binary.LittleEndian
	copy(p, streamMagic)
	le.PutUint64(p[16:], uint64(h.state))
	le.PutUint64(p[24:], h.parts)
	le.PutUint64(p[32:], uint64(h.log))
	le.PutUint64(p[40:], h.first)
	le.PutUint64(p[48:], h.last)
	le.PutUint32(p[60:], crc32.Checksum(p[:60], castagnoli))
	return p
}

func decodeStreamHeader(p []byte) (h streamHeader, err error) {
	le := binary.LittleEndian
	if le.Uint32(p[60:]) != crc32.Checksum(p[:60], castagnoli) {
		return h, errors.New("checksum of the stream's header does not match")
	}
	h.state, h.parts, h.log = int64(le.Uint64(p[16:])), le.Uint64(p[24:]), int64(le.Uint64(p[32:]))
	h.first, h.last = le.Uint64(p[40:]), le.Uint64(p[48:])
	if h.state < 0 || h.log < 0 || h.first > h.last || (h.parts == 0) != (h.log == 0) {
		return h, errors.New("impossible values in the stream's header")
	}
	return h, nil
}

type partHeader struct {
	first, last uint64
	prevTerm    uint64
	salt        uint64
	frames      int64 // bytes
}

func (h *partHeader) encode() []byte {
	p := make([]byte, partHeaderLen)
	le := binary.LittleEndian
	le.PutUint64(p, h.first)
	le.PutUint64(p[8:], h.last)
	le.PutUint64(p[16:], h.prevTerm)
	le.PutUint64(p[24:], h.salt)
	le.PutUint64(p[32:], uint64(h.frames))
	le.PutUint32(p[44:], crc32.Checksum(p[:44], castagnoli))
	return p
}

func decodePartHeader(p []byte) (h partHeader, err error) {
	le := binary.LittleEndian
	if le.Uint32(p[44:]) != crc32.Checksum(p[:44], castagnoli) {
		return h, errors.New("checksum of a part's header does not match")
	}
	h.first, h.last, h.prevTerm, h.salt = le.Uint64(p), le.Uint64(p[8:]), le.Uint64(p[16:]), le.Uint64(p[24:])
	h.frames = int64(le.Uint64(p[32:]))
	if h.first == 0 || h.last < h.first || h.frames < frameLen || h.frames > maxSegmentBytes*2 ||
		h.last-h.first >= uint64(h.frames/frameLen) {
		return h, errors.New("impossible values in a part's header")
	}
	return h, nil
}

// StateReader returns the state in what raft.FSM.Restore is given, whether
// that comes from a SnapshotStore or is the bare state. It ends with io.EOF after
// the state's last byte; a stream that is cut short ends with
// io.ErrUnexpectedEOF.
func StateReader(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, streamHeaderLen)
	p, err := b.Peek(streamHeaderLen)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	if !bytes.HasPrefix(p, streamMagic) {
		return b, nil
	}
	if len(p) < streamHeaderLen {
		return nil, fmt.Errorf("read snapshot: %w", io.ErrUnexpectedEOF)
	}
	h, err := decodeStreamHeader(p)
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	b.Discard(streamHeaderLen) // it is all buffered, and b holds no more than this
	return &exactReader{r: b, left: h.state}, nil
}

// exactReader is an io.LimitedReader that does not take an early end for the
// end.
type exactReader struct {
	r    io.Reader
	left int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// stream is what SnapshotStore.Open returns.
type stream struct {
	io.Reader
	log   *Log
	size  int64
	state vfs.File
	parts []*part
}

// part is one segment to be sent. It is opened when its turn comes.
type part struct {
	log  *Log
	seg  *segment
	last uint64 // entry of the segment
	end  int64  // position behind the last frame to send
	off  int64
	view *view
	head []byte
}

func (s *SnapshotStore) openStream(info *snapInfo) (*stream, error) {
	f, err := info.openState(s.log.fs)
	if err != nil {
		return nil, err
	}
	r := &stream{log: s.log, state: f}
	h := streamHeader{state: info.size}
	if r.parts, err = s.log.holdUpTo(info.meta.Index); err != nil {
		r.Close()
		return nil, err
	}
	if n := len(r.parts); n > 0 {
		h.parts, h.first, h.last = uint64(n), r.parts[0].seg.first, info.meta.Index
	}
	readers := []io.Reader{nil, io.NewSectionReader(f, info.state, info.size)}
	for _, p := range r.parts {
		h.log += int64(len(p.head)) + p.end - p.off
		readers = append(readers, bytes.NewReader(p.head), p)
	}
	readers[0] = bytes.NewReader(h.encode())
	r.size = streamHeaderLen + h.state + h.log
	r.Reader = io.MultiReader(readers...)
	return r, nil
}

// holdUpTo holds the segments with the entries up to index, or none if the log
// has not that one.
func (l *Log) holdUpTo(index uint64) ([]*part, error) {
	parts := l.holdSegments(index)
	for i, p := range parts {
		h := partHeader{first: p.seg.first, last: p.last, prevTerm: p.seg.prevTerm, salt: p.seg.salt}
		if i == len(parts)-1 {
			v, err := l.files.acquire(p.seg)
			if err != nil {
				releaseParts(parts)
				return nil, err
			}
			_, p.end, _ = v.frame(index)
			l.files.release(&v)
			h.last = index
		}
		h.frames = p.end - p.off
		p.head = h.encode()
	}
	return parts, nil
}

func (l *Log) holdSegments(index uint64) (parts []*part) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.find(index) == nil {
		return nil
	}
	for _, s := range l.segs {
		if s.first > index {
			break
		}
		s.hold()
		parts = append(parts, &part{log: l, seg: s, last: s.last, off: segHeaderLen, end: s.end})
	}
	return parts
}

func releaseParts(parts []*part) {
	for _, p := range parts {
		p.close()
		p.seg.unhold()
	}
}

// Read implements io.Reader.
func (p *part) Read(b []byte) (int, error) {
	if p.off == p.end {
		p.close()
		return 0, io.EOF
	}
	if p.view == nil {
		v, err := p.log.files.acquire(p.seg)
		if err != nil {
			return 0, fmt.Errorf("send segment %s: %w", p.seg.path, err)
		}
		p.view = &v
	}
	b = b[:min(int64(len(b)), p.end-p.off)]
	if err := readFull(p.view.file, b, p.off); err != nil {
		return 0, err
	}
	p.off += int64(len(b))
	return len(b), nil
}

func (p *part) close() {
	if p.view != nil {
		p.log.files.release(p.view)
		p.view = nil
	}
}

// Close implements io.Closer.
func (r *stream) Close() error {
	releaseParts(r.parts)
	r.parts = nil
	if err := r.log.reap(); err != nil {
		r.log.opts.Logger.Warn("segments not removed", "err", err)
	}
	return r.state.Close()
}
