package shardlog

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

// flip changes one byte of a file.
func flip(t *testing.T, fsys vfs.FS, name string, off int64) {
	t.Helper()
	f, err := fsys.Open(filepath.Join(testDir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var p [1]byte
	if err := readFull(f, p[:], off); err != nil {
		t.Fatal(err)
	}
	p[0] ^= 0x10
	if _, err := f.WriteAt(p[:], off); err != nil {
		t.Fatal(err)
	}
}

// Three segments of 6, 6 and 3 entries of 568 bytes each, appended one by one.
const (
	seg1 = "0000000000-00000000000000000001.seg"
	seg2 = "0000000001-00000000000000000007.seg"
	seg3 = "0000000002-00000000000000000013.seg"
)

func frameAt(i int64) int64 { return segHeaderLen + i*568 }

var damages = []struct {
	name   string
	commit uint64
	do     func(t *testing.T, fsys *vfs.Mem)
	last   uint64 // 0: Open must fail
	says   string // in the error
	reads  uint64 // an entry that GetLog must refuse
}{
	{name: "nothing", do: func(*testing.T, *vfs.Mem) {}, last: 15},
	{name: "last frame's header", do: flips(seg3, frameAt(2)+30), last: 14},
	{name: "last frame's data", do: flips(seg3, frameAt(2)+200), last: 14},
	{name: "last frame, known to be committed", commit: 15, do: flips(seg3, frameAt(2)+200), says: "entry 15 was durable"},
	{name: "end mark", do: flips(seg3, frameAt(3)+30), last: 15},
	{name: "end mark of all that is committed", commit: 15, do: flips(seg3, frameAt(3)+30), last: 15},
	{name: "header before the last", do: flips(seg3, frameAt(1)+30), says: fmt.Sprintf("%s at byte %d", seg3, frameAt(1))},
	{name: "data before the last", do: flips(seg3, frameAt(1)+200), says: fmt.Sprintf("%s at byte %d", seg3, frameAt(1))},
	{name: "first frame of the last segment", do: flips(seg3, frameAt(0)+64), says: fmt.Sprintf("%s at byte %d", seg3, frameAt(0))},
	{name: "segment header", do: flips(seg2, 20), says: seg2},
	{name: "sealed segment's data", do: flips(seg2, frameAt(2)+100), last: 15, reads: 9},
	{name: "sealed segment's frame header", do: flips(seg2, frameAt(2)+24), last: 15, reads: 9},
	{name: "sealed segment's positions", do: flips(seg2, frameAt(6)+frameLen+8), last: 15},
	{name: "sealed segment's trailer", do: flips(seg2, 4096-trailerLen), last: 15},
	{name: "sealed segment's trailer and data", do: func(t *testing.T, fsys *vfs.Mem) {
		flip(t, fsys, seg2, 4096-trailerLen)
		flip(t, fsys, seg2, frameAt(4)+100)
	}, says: seg2},
	{name: "sealed segment's trailer and last data", do: func(t *testing.T, fsys *vfs.Mem) {
		flip(t, fsys, seg2, 4096-trailerLen)
		flip(t, fsys, seg2, frameAt(5)+100)
	}, says: seg2},
	{name: "missing segment", do: removes(seg2), says: "a segment is missing"},
	{name: "missing last segment", commit: 14, do: removes(seg3), says: "entry 14 was durable"},
	{name: "all segments missing", commit: 1, do: removes(seg1, seg2, seg3), says: "there is no segment"},
	{name: "short file", do: func(t *testing.T, fsys *vfs.Mem) {
		f, _ := fsys.Open(filepath.Join(testDir, seg3))
		f.Truncate(frameAt(2) + 100)
	}, last: 14},
	{name: "short file without committed entries", commit: 15, do: func(t *testing.T, fsys *vfs.Mem) {
		f, _ := fsys.Open(filepath.Join(testDir, seg3))
		f.Truncate(frameAt(2) + 100)
	}, says: seg3},
	{name: "another segment's contents", do: func(t *testing.T, fsys *vfs.Mem) {
		fsys.Rename(filepath.Join(testDir, seg1), filepath.Join(testDir, seg2))
	}, says: "the header belongs to " + seg1},
}

func TestDamage(t *testing.T) {
	for _, c := range damages {
		t.Run(c.name, func(t *testing.T) {
			fsys := vfs.NewMem()
			o := testOptions(fsys)
			l := mustOpen(t, o)
			for i := uint64(1); i <= 15; i++ {
				store(t, l, entry(i, 1, 500))
			}
			l.NoteCommitted(c.commit)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			c.do(t, fsys)
			l, err := Open(o)
			if c.last == 0 {
				if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
					t.Fatalf("got %v, want one line with %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for i := uint64(1); i <= c.last; i++ {
				if i == c.reads {
					if err := l.GetLog(i, &raft.Log{}); !errors.Is(err, ErrDamaged) {
						t.Fatalf("GetLog(%d): %v", i, err)
					}
					if err := l.Replay(i, i, func(*raft.Log) error { return nil }); !errors.Is(err, ErrDamaged) {
						t.Fatalf("Replay(%d): %v", i, err)
					}
					continue
				}
				wantEntry(t, l, entry(i, 1, 500))
			}
			wantBounds(t, l, 1, c.last)
			store(t, l, entry(c.last+1, 2, 3))
		})
	}
}

func flips(name string, off int64) func(*testing.T, *vfs.Mem) {
	return func(t *testing.T, fsys *vfs.Mem) { flip(t, fsys, name, off) }
}

func removes(names ...string) func(*testing.T, *vfs.Mem) {
	return func(t *testing.T, fsys *vfs.Mem) {
		for _, n := range names {
			if err := fsys.Remove(filepath.Join(testDir, n)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A log that was closed, or killed between two appends, opens without a word,
// whatever its recycled files hold behind the end.
func TestCleanOpenCutsNothing(t *testing.T) {
	var out bytes.Buffer
	o := testOptions(vfs.NewMem())
	o.Logger = slog.New(slog.NewTextHandler(&out, nil))
	l := mustOpen(t, o)
	for i := uint64(1); i < 60; i++ {
		store(t, l, entry(i, 1, 500))
		l.sealer.wait()
		if err := l.DropBefore(i); err != nil {
			t.Fatal(err)
		}
		l = reopen(t, l)
	}
	if out.Len() > 0 {
		t.Fatal(out.String())
	}
}

// A frame that is whole but was written after another one than it now follows is
// not of the log any more.
func TestFrameOfAnotherHistory(t *testing.T) {
	fsys := vfs.NewMem()
	l := mustOpen(t, testOptions(fsys))
	store(t, l, entries(1, 3, 1, 500)...)
	s := l.active
	l.Close()
	f, err := fsys.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	var p [frameLen]byte
	if err := readFull(f, p[:], frameAt(0)); err != nil {
		t.Fatal(err)
	}
	before, _ := decodeFrame(p[:], s.salt)
	var b frameBuilder
	b.build(&segment{segHeader: s.segHeader, lastCRC: before.crc, end: frameAt(1)}, entries(2, 2, 2, 500), 0, 0)
	var written []byte
	for _, buf := range b.bufs {
		written = append(written, buf...)
	}
	if _, err := f.WriteAt(written[:frameAt(1)-frameAt(0)], frameAt(1)); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, testOptions(fsys))
	wantBounds(t, l, 1, 2)
	wantEntry(t, l, entry(2, 2, 500))
}

// After the first failure nothing more is written, and what was acknowledged is
// there again after a restart.
func TestErrorsAreSticky(t *testing.T) {
	boom := errors.New("boom")
	for _, kind := range []vfs.Kind{vfs.KindWrite, vfs.KindSync} {
		for _, written := range []int{0, 70, 1000} {
			t.Run(fmt.Sprintf("%s,written=%d", kind, written), func(t *testing.T) {
				mem := vfs.NewMem()
				arm := false
				o := testOptions(vfs.Faulty(mem, func(op vfs.Op) vfs.Fault {
					if arm && op.Kind == kind {
						arm = false // only once
						return vfs.Fault{Err: boom, Written: written}
					}
					return vfs.Fault{}
				}))
				o.sealInline = true
				l := mustOpen(t, o)
				store(t, l, entries(1, 3, 1, 500)...)
				arm = true
				if err := l.StoreLogs(entries(4, 6, 1, 500)); !errors.Is(err, boom) || !errors.Is(err, ErrFailed) {
					t.Fatalf("got %v", err)
				}
				if err := l.StoreLogs(entries(4, 6, 1, 500)); !errors.Is(err, ErrFailed) {
					t.Fatalf("took entries again: %v", err)
				}
				if err := l.DeleteRange(3, 3); !errors.Is(err, ErrFailed) {
					t.Fatalf("deleted after a failure: %v", err)
				}
				wantBounds(t, l, 1, 3)
				wantEntry(t, l, entry(3, 1, 500))
				l.Close()
				l = mustOpen(t, testOptions(mem.Kill()))
				for i := uint64(1); i <= 3; i++ {
					wantEntry(t, l, entry(i, 1, 500))
				}
				last, _ := l.LastIndex()
				store(t, l, entry(last+1, 2, 10))
			})
		}
	}
}

// A full disk stops appending where a new segment is needed, and only until
// there is room again.
func TestFullDisk(t *testing.T) {
	full := errors.New("no space left on device")
	isFull := false
	o := testOptions(vfs.Faulty(vfs.NewMem(), func(op vfs.Op) vfs.Fault {
		if isFull && op.Kind == vfs.KindAllocate {
			return vfs.Fault{Err: full}
		}
		return vfs.Fault{}
	}))
	o.sealInline = true
	l := mustOpen(t, o)
	store(t, l, entries(1, 6, 1, 500)...)
	isFull = true
	for range 2 {
		if err := l.StoreLog(entry(7, 1, 500)); !errors.Is(err, full) || errors.Is(err, ErrFailed) {
			t.Fatalf("got %v", err)
		}
	}
	isFull = false
	store(t, l, entry(7, 1, 500))
	l = reopen(t, l)
	wantBounds(t, l, 1, 7)
}
