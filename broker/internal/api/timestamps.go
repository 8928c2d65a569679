package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"lockstep/broker/internal/mutant"
	"lockstep/broker/internal/recordbatch"
)

// Looking records up by timestamp is the one occasion on which the broker
// decompresses: the header of a batch has only the largest timestamp, and the
// client asks for a record. The records are read as a stream, so memory stays
// small whatever a batch inflates to.

// maxInflated bounds how far a batch is looked into, for it is the producer's
// choice what it inflates to.
const maxInflated = 1 << 30

// stamped is one record's place in time.
type stamped struct{ offset, timestamp int64 }

// errStopped ends a walk over records early.
var errStopped = errors.New("stopped")

// firstSince returns the first record of b at or above offset from that is not
// older than ts; ok is false when there is none.
func firstSince(b recordbatch.Batch, ts, from int64) (found stamped, ok bool, err error) {
	if mutant.Is(mutant.TimeOffByOne) {
		ts++
	}
	err = walkRecords(b, func(r stamped) error {
		if r.timestamp >= ts && r.offset >= from {
			found, ok = r, true
			return errStopped
		}
		return nil
	})
	return found, ok, err
}

// newest returns the first record of b at or above offset from with the largest
// timestamp; ok is false when there is none.
func newest(b recordbatch.Batch, from int64) (found stamped, ok bool, err error) {
	err = walkRecords(b, func(r stamped) error {
		if r.offset >= from && (!ok || r.timestamp > found.timestamp) {
			found, ok = r, true
		}
		return nil
	})
	return found, ok, err
}

// walkRecords calls visit for the records of b in order.
func walkRecords(b recordbatch.Batch, visit func(stamped) error) error {
	in, err := inflate(b)
	if err != nil {
		return fmt.Errorf("open the batch at offset %d: %w", b.BaseOffset(), err)
	}
	defer in.Close()
	r := bufio.NewReader(io.LimitReader(in, maxInflated))
	for i := range b.NumRecords() {
		at, err := readStamp(r, b)
		if err != nil {
			return fmt.Errorf("record %d of the batch at offset %d: %w", i, b.BaseOffset(), err)
		}
		if err := visit(at); err != nil {
			if errors.Is(err, errStopped) {
				return nil
			}
			return err
		}
	}
	return nil
}

// readStamp reads one record and keeps its place in time: length, attributes,
// timestamp delta and offset delta come first.
func readStamp(r *bufio.Reader, b recordbatch.Batch) (stamped, error) {
	length, err := binary.ReadVarint(r)
	if err != nil {
		return stamped{}, noEOF(err)
	}
	if length < 0 {
		return stamped{}, fmt.Errorf("length %d", length)
	}
	body := bufio.NewReaderSize(io.LimitReader(r, length), 16)
	if _, err := body.Discard(1); err != nil {
		return stamped{}, noEOF(err)
	}
	timestamp, err := binary.ReadVarint(body)
	if err != nil {
		return stamped{}, noEOF(err)
	}
	offset, err := binary.ReadVarint(body)
	if err != nil {
		return stamped{}, noEOF(err)
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return stamped{}, err
	}
	return stamped{b.BaseOffset() + offset, b.FirstTimestamp() + timestamp}, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// inflate opens the records of b.
func inflate(b recordbatch.Batch) (io.ReadCloser, error) {
	packed := bytes.NewReader(b[recordbatch.HeaderLen:])
	switch c := b.Codec(); c {
	case recordbatch.None:
		return io.NopCloser(packed), nil
	case recordbatch.Gzip:
		return gzip.NewReader(packed)
	case recordbatch.Snappy:
		return io.NopCloser(&snappyReader{packed: b[recordbatch.HeaderLen:]}), nil
	case recordbatch.Lz4:
		return io.NopCloser(lz4.NewReader(packed)), nil
	case recordbatch.Zstd:
		d, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	default:
		return nil, fmt.Errorf("codec %d", c)
	}
}

// maxSnappyBlock bounds what one block may inflate to: the framing of Java's
// library uses 32 KiB, clients without framing put a whole batch into one.
const maxSnappyBlock = 128 << 20

// snappyMagic opens the framing of Java's snappy library: two version numbers
// follow, then blocks, each after its length.
var snappyMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

// snappyReader reads snappy blocks, in that framing or a single one without.
type snappyReader struct {
	packed []byte
	framed bool
	begun  bool
	block  []byte // inflated and not yet read
}

// Read implements io.Reader.
func (s *snappyReader) Read(p []byte) (int, error) {
	for len(s.block) == 0 {
		if err := s.nextBlock(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.block)
	s.block = s.block[n:]
	return n, nil
}

func (s *snappyReader) nextBlock() error {
	const framing = 16
	if !s.begun {
		s.begun = true
		if s.framed = bytes.HasPrefix(s.packed, snappyMagic); s.framed {
			if len(s.packed) < framing {
				return io.ErrUnexpectedEOF
			}
			s.packed = s.packed[framing:]
		}
	}
	if len(s.packed) == 0 {
		return io.EOF
	}
	packed := s.packed
	s.packed = nil
	if s.framed {
		if len(packed) < 4 {
			return io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint32(packed))
		if n > int64(len(packed)-4) {
			return io.ErrUnexpectedEOF
		}
		packed, s.packed = packed[4:4+n], packed[4+n:]
	}
	n, err := s2.DecodedLen(packed)
	if err != nil {
		return err
	}
	if n > maxSnappyBlock {
		return fmt.Errorf("snappy block of %d bytes", n)
	}
	s.block, err = s2.Decode(nil, packed)
	return err
}
