package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"sync"
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

// readFrame reads one frame and returns it without its length prefix; frames.put
// gives its memory back. The error is io.EOF at the end of the stream between two
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
	frame := frames.get(int(min(n, allocAtOnce)))
	for have := 0; ; {
		got, err := io.ReadFull(r, frame[have:])
		if have += got; err != nil {
			return nil, fmt.Errorf("frame of %d bytes ends after %d: %w", n, have, noEOF(err))
		}
		if have == int(n) {
			return frame, nil
		}
		grown := frames.get(min(int(n), 2*have))
		copy(grown, frame)
		frames.put(frame)
		frame = grown
	}
}

// framePool holds the memory of frames between uses, by size: memory that is new
// would have to be cleared first.
type framePool struct {
	bySize [maxPooled - minPooled + 1]sync.Pool // of *[]byte with a capacity of 2^(minPooled+i)
}

// Frames of 2^minPooled to 2^maxPooled bytes are pooled. Smaller ones cost little,
// and larger ones are rare.
const (
	minPooled = 13
	maxPooled = 22
)

var frames framePool

// get returns n bytes, with whatever was in them.
func (p *framePool) get(n int) []byte {
	class := bits.Len(uint(n-1)) - minPooled
	if class < 0 || class >= len(p.bySize) {
		return make([]byte, n)
	}
	if b, ok := p.bySize[class].Get().(*[]byte); ok {
		return (*b)[:n]
	}
	return make([]byte, n, 1<<(minPooled+class))
}

// put takes a frame back that get returned, and that nobody looks at any more.
func (p *framePool) put(frame []byte) {
	class := bits.Len(uint(cap(frame)-1)) - minPooled
	if class >= 0 && class < len(p.bySize) && cap(frame) == 1<<(minPooled+class) {
		p.bySize[class].Put(&frame)
	}
}

// noEOF turns an end of stream in the middle of a frame into what it is.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// putLength writes the length prefix of a frame of n bytes into the four bytes
// that were kept free before it.
func putLength(frame []byte, n int) error {
	if n > math.MaxInt32 {
		return fmt.Errorf("response of %d bytes is too long for a frame", n)
	}
	binary.BigEndian.PutUint32(frame, uint32(n))
	return nil
}
