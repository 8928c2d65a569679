package shardlog

import (
	"fmt"
	"testing"

	"github.com/hashicorp/raft"
)

// BenchmarkAppend measures StoreLogs on the machine's own disk. "recycled" drops
// the log behind itself, so that after the first segments all files are spares.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 256 << 10} {
		for _, sync := range []bool{true, false} {
			for _, recycled := range []bool{false, true} {
				b.Run(fmt.Sprintf("size=%dk,fsync=%v,recycled=%v", size>>10, sync, recycled), func(b *testing.B) {
					benchAppend(b, size, sync, recycled)
				})
			}
		}
	}
}

func benchAppend(b *testing.B, size int, sync, recycled bool) {
	l, err := Open(Options{Dir: b.TempDir(), Sync: sync, SegmentBytes: 16 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	data := make([]byte, size)
	index := uint64(0)
	next := func() *raft.Log {
		index++
		return &raft.Log{Index: index, Term: 1, Data: data}
	}
	if recycled { // begin with blocks that were written before
		for len(l.Segments()) < 3 {
			if err := l.StoreLog(next()); err != nil {
				b.Fatal(err)
			}
		}
		l.sealer.wait()
		if err := l.DropBefore(index); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(size))
	for b.Loop() {
		if err := l.StoreLog(next()); err != nil {
			b.Fatal(err)
		}
		if recycled && index%64 == 0 {
			if err := l.DropBefore(index); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.StopTimer()
}

func BenchmarkAppendPayload(b *testing.B) {
	for _, cached := range []bool{true, false} {
		b.Run(fmt.Sprintf("cached=%v", cached), func(b *testing.B) {
			o := Options{Dir: b.TempDir(), SegmentBytes: 16 << 20}
			if !cached {
				o.CacheBytes = 1
			}
			l := mustOpen(b, o)
			for i := uint64(1); i <= 100; i++ {
				store(b, l, entry(i, 1, 64<<10))
			}
			var dst []byte
			b.SetBytes(16 << 10)
			for i := uint64(0); b.Loop(); i++ {
				p, err := l.AppendPayload(dst[:0], 1+i%99, int(i%3)<<14, 16<<10)
				if err != nil {
					b.Fatal(err)
				}
				if !cached {
					dst = p
				}
			}
		})
	}
}

// BenchmarkOpen opens a log whose last segment is nearly full, and that was not
// closed.
func BenchmarkOpen(b *testing.B) {
	o := Options{Dir: b.TempDir(), Sync: true}
	l := mustOpen(b, o)
	for i := uint64(1); i < 1000; i++ {
		store(b, l, entry(i, 1, 64<<10))
	}
	l.Close()
	for b.Loop() {
		l, err := Open(o)
		if err != nil {
			b.Fatal(err)
		}
		if last, _ := l.LastIndex(); last != 999 {
			b.Fatal(last)
		}
		l.Close()
	}
}
