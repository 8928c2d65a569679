package server

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// TestReadFrameOfAnySize reads frames into memory that others have used, and that
// grows while they arrive.
func TestReadFrameOfAnySize(t *testing.T) {
	var kept [][]byte
	var want [][]byte
	for _, n := range []int{8, 100, 8191, 8192, 8193, 1 << 20, 1<<20 + 1, 3<<20 + 7, 9 << 20} {
		for round := range 3 {
			body := make([]byte, n)
			for i := range body {
				body[i] = byte(rand.Uint32())
			}
			stream := append(binary.BigEndian.AppendUint32(nil, uint32(n)), body...)
			frame, err := readFrame(iotest.HalfReader(bytes.NewReader(stream)), 10<<20)
			if err != nil || !bytes.Equal(frame, body) {
				t.Fatalf("frame of %d bytes: got %d, %v", n, len(frame), err)
			}
			if round < 2 {
				clear(frame)
				frames.put(frame)
				continue
			}
			kept, want = append(kept, frame), append(want, body)
		}
	}
	for i := range kept {
		if !bytes.Equal(kept[i], want[i]) {
			t.Errorf("frame of %d bytes was given out twice", len(want[i]))
		}
	}
}

// TestFramePoolTakesOnlyItsOwn: memory of another size must not come out as one
// that is larger.
func TestFramePoolTakesOnlyItsOwn(t *testing.T) {
	for _, n := range []int{0, 1, 5000, 8192, 9000, 1 << 22, 1<<22 + 1} {
		frames.put(make([]byte, n))
		if got := frames.get(n + 1); len(got) != n+1 {
			t.Errorf("asked for %d bytes, got %d", n+1, len(got))
		}
	}
}
