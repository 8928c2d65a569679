package shardlog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

func TestAppendAndRead(t *testing.T) {
	logs := []*raft.Log{
		{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: []byte("servers")},
		{Index: 2, Term: 1, Type: raft.LogNoop},
		{Index: 3, Term: 2, Type: raft.LogCommand, Data: []byte("x"), Extensions: []byte("ext"), AppendedAt: time.Unix(5, 7)},
		{Index: 4, Term: 2, Type: raft.LogBarrier, Extensions: bytes.Repeat([]byte("e"), 33)},
		entry(5, 3, 5000),  // larger than a segment
		entry(6, 3, 4095),  // likewise
		entry(7, 3, 1),     //
		entry(8, 3, 20000), //
		entry(9, 4, 100),
	}
	for _, cache := range []int64{1, 1 << 20} {
		for _, perCall := range []int{1, 2, 9} {
			t.Run(fmt.Sprintf("cache=%d,perCall=%d", cache, perCall), func(t *testing.T) {
				o := testOptions(vfs.NewMem())
				o.CacheBytes = cache
				l := mustOpen(t, o)
				wantBounds(t, l, 0, 0)
				for part := range slices.Chunk(logs, perCall) {
					store(t, l, part...)
				}
				for range 2 {
					wantBounds(t, l, 1, 9)
					for _, e := range logs {
						wantEntry(t, l, e)
					}
					if err := l.GetLog(10, &raft.Log{}); err != raft.ErrLogNotFound {
						t.Fatalf("entry 10: %v", err)
					}
					l = reopen(t, l)
				}
			})
		}
	}
}

func TestRecentEntriesAreNotCopied(t *testing.T) {
	o := testOptions(vfs.NewMem())
	o.CacheBytes = 1 << 20
	l := mustOpen(t, o)
	e := entry(1, 1, 100)
	store(t, l, e)
	var got raft.Log
	if err := l.GetLog(1, &got); err != nil || &got.Data[0] != &e.Data[0] {
		t.Fatalf("GetLog copied the data (%v)", err)
	}
	p, err := l.AppendPayload(nil, 1, 10, 20)
	if err != nil || &p[0] != &e.Data[10] || len(p) != 20 || cap(p) != 20 {
		t.Fatalf("AppendPayload copied the data (%v)", err)
	}
}

func TestAppendPayload(t *testing.T) {
	for _, cache := range []int64{1, 1 << 20} {
		o := testOptions(vfs.NewMem())
		o.CacheBytes = cache
		l := mustOpen(t, o)
		e := entry(1, 1, 1001)
		e.Extensions = []byte("odd")
		store(t, l, e, entry(2, 1, 7))
		for _, c := range []struct {
			off, n int
			ok     bool
		}{{0, 1001, true}, {1, 1000, true}, {1001, 0, true}, {500, 1, true}, {0, 1002, false}, {1000, 2, false}, {-1, 2, false}, {0, -1, false}, {2000, 0, false}} {
			p, err := l.AppendPayload(nil, 1, c.off, c.n)
			if (err == nil) != c.ok {
				t.Errorf("cache %d: AppendPayload(%d, %d): %v", cache, c.off, c.n, err)
			} else if c.ok && !bytes.Equal(p, e.Data[c.off:c.off+c.n]) {
				t.Errorf("cache %d: AppendPayload(%d, %d) gave other bytes", cache, c.off, c.n)
			}
		}
		if p, err := l.AppendPayload([]byte("pre"), 1, 0, 4); err != nil || string(p) != "pre"+string(e.Data[:4]) {
			t.Errorf("AppendPayload: %q, %v", p, err)
		}
		if _, err := l.AppendPayload(nil, 3, 0, 0); !errors.Is(err, raft.ErrLogNotFound) {
			t.Errorf("missing entry: %v", err)
		}
	}
}

func TestHeadersOnly(t *testing.T) {
	for _, cache := range []int64{1, 1 << 20} {
		o := testOptions(vfs.NewMem())
		o.CacheBytes = cache
		l := mustOpen(t, o)
		conf := &raft.Log{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: []byte("servers")}
		store(t, l, conf, entry(2, 3, 50), entry(3, 3, 50))
		l.HeadersOnly(true)
		wantEntry(t, l, conf)
		bare := *entry(2, 3, 0)
		bare.Data = nil
		wantEntry(t, l, &bare)
		l.HeadersOnly(false)
		wantEntry(t, l, entry(2, 3, 50))
	}
}

func TestGapBeginsLogAnew(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	store(t, l, entries(1, 20, 1, 500)...)
	store(t, l, entry(100, 2, 10))
	for range 2 {
		wantBounds(t, l, 100, 100)
		if err := l.GetLog(99, &raft.Log{}); err != raft.ErrLogNotFound {
			t.Fatalf("entry before a gap: %v", err)
		}
		if err := l.GetLog(20, &raft.Log{}); err != raft.ErrLogNotFound {
			t.Fatalf("entry of the old log: %v", err)
		}
		l = reopen(t, l)
	}
	store(t, l, entry(101, 2, 10))
	wantBounds(t, l, 100, 101)

	gap := append(entries(102, 103, 2, 10), entries(200, 201, 2, 10)...)
	store(t, l, gap...)
	wantBounds(t, l, 200, 201)
}

func TestStoredEntriesArePassedOver(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	store(t, l, entries(1, 10, 1, 100)...)
	store(t, l, entries(8, 12, 1, 100)...)
	wantBounds(t, l, 1, 12)
	if err := l.StoreLogs(entries(12, 13, 2, 1)); err == nil {
		t.Fatal("an entry was overwritten with one of another term")
	}
	for _, bad := range [][]*raft.Log{{entry(0, 1, 1)}, {entry(14, 1, 1), entry(13, 1, 1)}, {entry(13, 1, 1), entry(13, 1, 1)}} {
		if err := l.StoreLogs(bad); err == nil {
			t.Errorf("stored entries %d...", bad[0].Index)
		}
	}
	wantBounds(t, l, 1, 12)
}

func TestReplay(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	store(t, l, entries(1, 30, 1, 500)...)
	for _, c := range []struct{ from, to uint64 }{{1, 30}, {7, 12}, {6, 13}, {30, 30}, {2, 1}} {
		next := c.from
		err := l.Replay(c.from, c.to, func(e *raft.Log) error {
			next++
			return sameEntry(e, entry(next-1, 1, 500))
		})
		if err != nil || next != max(c.to+1, c.from) {
			t.Errorf("replay %d to %d ended at %d: %v", c.from, c.to, next, err)
		}
	}
	if err := l.Replay(25, 31, func(*raft.Log) error { return nil }); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("replay beyond the end: %v", err)
	}
	if err := l.Replay(1, 30, func(e *raft.Log) error { return errAny }); err != errAny {
		t.Errorf("fn's error became %v", err)
	}
}

func TestSegments(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	store(t, l, entries(1, 15, 1, 500)...)
	for range 2 {
		var got []string
		for _, s := range l.Segments() {
			got = append(got, fmt.Sprintf("%d:%d-%d %d %v", s.ID, s.First, s.Last, s.Bytes, s.Sealed))
		}
		want := []string{"1:1-6 3408 true", "7:7-12 3408 true", "13:13-15 1704 false"}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		for _, c := range []struct {
			index, id uint64
			ok        bool
		}{{0, 0, false}, {1, 1, true}, {6, 1, true}, {7, 7, true}, {15, 13, true}, {16, 0, false}} {
			if id, ok := l.SegmentOf(c.index); id != c.id || ok != c.ok {
				t.Errorf("SegmentOf(%d) = %d, %v", c.index, id, ok)
			}
		}
		if n := l.EntryBytesAfter(0); n != 3408*2+1704 {
			t.Errorf("EntryBytesAfter(0) = %d", n)
		}
		if n := l.EntryBytesAfter(14); n != 568 {
			t.Errorf("EntryBytesAfter(14) = %d", n)
		}
		if n := l.EntryBytesAfter(15); n != 0 {
			t.Errorf("EntryBytesAfter(15) = %d", n)
		}
		l = reopen(t, l)
	}
}

func TestCommitted(t *testing.T) {
	fsys := vfs.NewMem()
	l := mustOpen(t, testOptions(fsys))
	store(t, l, entries(1, 10, 1, 10)...)
	l.NoteCommitted(7)
	l.NoteCommitted(5)
	if c := l.Committed(); c != 7 {
		t.Fatalf("committed %d, want 7", c)
	}
	fsys = fsys.Kill()
	o := testOptions(fsys)
	l = mustOpen(t, o)
	if c := l.Committed(); c != 7 {
		t.Fatalf("committed after kill -9 %d, want 7", c)
	}
	// The frames remember it when the checkpoint is lost.
	store(t, l, entry(11, 1, 10))
	l.Close()
	if err := fsys.Remove(filepath.Join(testDir, "commit")); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, o)
	if c := l.Committed(); c != 7 {
		t.Fatalf("committed without a checkpoint %d, want 7", c)
	}
	l.NoteCommitted(1000)
	l = reopen(t, l)
	if c := l.Committed(); c != 11 {
		t.Fatalf("committed beyond the log %d, want 11", c)
	}
}

func TestSidecars(t *testing.T) {
	fsys := vfs.NewMem()
	l := mustOpen(t, testOptions(fsys))
	store(t, l, entries(1, 15, 1, 500)...)
	for _, id := range []uint64{1, 7} {
		if err := l.WriteSidecar(id, "index", []byte(fmt.Sprint("of ", id))); err != nil {
			t.Fatal(err)
		}
	}
	for id, name := range map[uint64]string{13: "index", 2: "index", 1: "seg"} {
		if err := l.WriteSidecar(id, name, nil); err == nil {
			t.Errorf("wrote sidecar %s of %d", name, id)
		}
	}
	l = reopen(t, l)
	wantSidecar(t, l, 1, "of 1")
	wantSidecar(t, l, 7, "of 7")
	if err := l.DropBefore(7); err != nil {
		t.Fatal(err)
	}
	wantSidecar(t, l, 1, "")
	if err := l.DeleteRange(10, 15); err != nil {
		t.Fatal(err)
	}
	store(t, l, entries(10, 30, 1, 500)...)
	wantSidecar(t, l, 7, "")
	names, _ := fsys.ReadDir(testDir)
	for _, n := range names {
		if strings.HasSuffix(n, ".index") {
			t.Errorf("left over: %s", n)
		}
	}
}

func wantSidecar(t *testing.T, l *Log, id uint64, want string) {
	t.Helper()
	f, err := l.OpenSidecar(id, "index")
	if want == "" {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("sidecar of %d: %v, want none", id, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := make([]byte, len(want))
	if err := readFull(f, p, 0); err != nil || string(p) != want {
		t.Fatalf("sidecar of %d: %q, %v", id, p, err)
	}
}

func TestLocked(t *testing.T) {
	fsys := vfs.NewMem()
	l := mustOpen(t, testOptions(fsys))
	if _, err := Open(testOptions(fsys)); !errors.Is(err, vfs.ErrLocked) {
		t.Fatalf("second open: %v", err)
	}
	reopen(t, l)
}

func TestConcurrentReaders(t *testing.T) {
	o := testOptions(vfs.NewMem())
	o.CacheBytes = 4 << 10
	l := mustOpen(t, o)
	store(t, l, entry(1, 1, 500))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for r := range 4 {
		wg.Go(func() {
			for i := uint64(r); ; i += 7 {
				select {
				case <-stop:
					return
				default:
				}
				first, _ := l.FirstIndex()
				last, _ := l.LastIndex()
				index := first + i%(last-first+1)
				var e raft.Log
				err := l.GetLog(index, &e)
				if now, _ := l.FirstIndex(); err == raft.ErrLogNotFound && index < now {
					continue // dropped meanwhile
				}
				if err == nil && e.Data == nil && index < first {
					continue
				}
				if err == nil && e.Data != nil {
					err = sameEntry(&e, entry(index, 1, 500))
				}
				if err != nil {
					t.Errorf("entry %d: %v", index, err)
					return
				}
			}
		})
	}
	for i := uint64(2); i < 2000; i += 3 {
		store(t, l, entries(i, i+2, 1, 500)...)
		if i%50 == 0 {
			if err := l.DropBefore(i - 20); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	wg.Wait()
}
