package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	// minFrame is an API key, a version and a correlation id.
	minFrame = 8
	// allocAtOnce bounds what is allocated on the word of a length prefix; a
	// longer frame gets more memory as its bytes arrive.
	allocAtOnce = 1 << 20
)

// errFrameSize says that a length prefix is out of range.
var errFrameSize = errors.New("frame length out of range")

// readFrame reads one frame and returns it without its length prefix, in
// memory of its own. The error is io.EOF at the end of the stream between two
// frames; it wraps errFrameSize, with nothing read but the prefix, when the
// length is not between minFrame and limit.
func readFrame(r io.Reader, limit int32) ([]byte, error) {
	var prefix [4]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(prefix[:])
	if n < minFrame || n > uint32(limit) {
		return nil, fmt.Errorf("%w: %d bytes, %d to %d are allowed", errFrameSize, int32(n), minFrame, limit)
	}
	frame := make([]byte, 0, min(n, allocAtOnce))
	for uint32(len(frame)) < n {
		if len(frame) == cap(frame) {
			grown := make([]byte, len(frame), min(int(n), 2*cap(frame)))
			copy(grown, frame)
			frame = grown
		}
		got, err := io.ReadFull(r, frame[len(frame):cap(frame)])
		frame = frame[:len(frame)+got]
		if err != nil {
			return nil, fmt.Errorf("frame of %d bytes ends after %d: %w", n, len(frame), noEOF(err))
		}
	}
	return frame, nil
}

// noEOF turns an end of stream in the middle of a frame into what it is.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// putLength writes the length prefix of a frame that was appended to four
// bytes kept free.
func putLength(frame []byte) error {
	n := len(frame) - 4
	if n > math.MaxInt32 {
		return fmt.Errorf("response of %d bytes is too long for a frame", n)
	}
	binary.BigEndian.PutUint32(frame, uint32(n))
	return nil
}
