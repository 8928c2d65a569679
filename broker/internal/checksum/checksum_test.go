package checksum

import (
	"bytes"
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

func random(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
	return p
}

func TestCombine(t *testing.T) {
	for _, c := range []struct{ a, b int }{
		{0, 0}, {0, 1}, {1, 0}, {1, 1}, {3, 255}, {3, 256}, {16, 257}, {61, 65535}, {61, 65536}, {100, 65537}, {7, 1<<20 + 3}, {9, 1<<24 + 77},
	} {
		a, b := random(c.a), random(c.b)
		want := crc32.Checksum(append(bytes.Clone(a), b...), crc32.MakeTable(crc32.Castagnoli))
		if got := Combine(Of(a), Of(b), len(b)); got != want {
			t.Errorf("%d and %d bytes: %08x, want %08x", c.a, c.b, got, want)
		}
	}
}

func TestAttached(t *testing.T) {
	data := random(5000)
	ext := Attach(Of(data))
	if crc, ok := Attached(ext); !ok || crc != Of(data) {
		t.Errorf("got %08x, %v, want %08x", crc, ok, Of(data))
	}
	for _, other := range [][]byte{nil, {}, ext[:7], append(bytes.Clone(ext), 0), []byte("crc20000"), make([]byte, 8)} {
		if _, ok := Attached(other); ok {
			t.Errorf("%q was taken for a checksum", other)
		}
		if got, want := OfEntry(other, data), Update(Of(other), data); got != want {
			t.Errorf("entry with extension %q: %08x, want %08x", other, got, want)
		}
	}
	if got, want := OfEntry(ext, data), Update(Of(ext), data); got != want {
		t.Errorf("combined %08x, want %08x", got, want)
	}
	data[17] ^= 1
	if OfEntry(ext, data) == Update(Of(ext), data) {
		t.Error("a byte that changed after it was summed is covered for")
	}
}

func BenchmarkCombine(b *testing.B) {
	for b.Loop() {
		Combine(0x12345678, 0x9abcdef0, 262_100)
	}
}
