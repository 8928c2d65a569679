package raw

import (
	"testing"

	"lockstep/compat/internal/records"
)

// Whatever comes off a socket, looking at it ends, and what is found lies within it.
func FuzzSplit(f *testing.F) {
	b, err := Build("none", records.Plain(1, 3, 1e12))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(append(append([]byte{}, b...), b...))
	f.Add(b[:len(b)-1])
	f.Fuzz(func(t *testing.T, p []byte) {
		batches, _ := Split(p)
		total := 0
		for _, b := range batches {
			total += b.Length
		}
		if total > len(p) {
			t.Errorf("%d bytes of batches in %d bytes", total, len(p))
		}
	})
}

func FuzzSkipTags(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{1, 3, 2, 9, 9, 7})
	f.Fuzz(func(t *testing.T, p []byte) {
		if rest, err := skipTags(p); err == nil && len(rest) >= len(p) {
			t.Errorf("%d bytes left of %d", len(rest), len(p))
		}
	})
}
