package shardlog

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

func TestDeleteRange(t *testing.T) {
	// 30 entries of 500 bytes, 6 to a segment: 1–6, 7–12, 13–18, 19–24, 25–30.
	for _, c := range []struct {
		name        string
		committed   uint64
		min, max    uint64
		first, last uint64
		err         error
	}{
		{"part of the last segment", 10, 28, 30, 1, 27, nil},
		{"the last segment", 10, 25, 30, 1, 24, nil},
		{"into a sealed segment", 10, 15, 30, 1, 14, nil},
		{"beyond the end", 10, 29, 99, 1, 28, nil},
		{"everything", 0, 1, 30, 0, 0, nil},
		{"committed entries", 20, 20, 30, 1, 30, ErrCommitted},
		{"just above committed", 20, 21, 30, 1, 20, nil},
		{"everything, committed", 1, 1, 30, 1, 30, ErrCommitted},
		{"nothing above", 0, 31, 40, 1, 30, nil},
		{"prefix", 30, 1, 13, 13, 30, nil},
		{"prefix within a segment", 30, 1, 5, 1, 30, nil},
		{"nearly all as prefix", 30, 1, 29, 25, 30, nil},
		{"middle", 0, 5, 10, 1, 30, errAny},
		{"no range", 0, 5, 4, 1, 30, errAny},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := mustOpen(t, testOptions(vfs.NewMem()))
			store(t, l, entries(1, 30, 1, 500)...)
			l.NoteCommitted(c.committed)
			if err := l.DeleteRange(c.min, c.max); !matches(err, c.err) {
				t.Fatalf("got %v, want %v", err, c.err)
			}
			for range 2 {
				wantBounds(t, l, c.first, c.last)
				for i := c.first; i <= c.last && i > 0; i++ {
					wantEntry(t, l, entry(i, 1, 500))
				}
				if c.last < 30 {
					if err := l.GetLog(c.last+1, &raft.Log{}); err != raft.ErrLogNotFound {
						t.Fatalf("deleted entry: %v", err)
					}
				}
				l = reopen(t, l)
			}
			next := max(c.last, 0) + 1
			store(t, l, entries(next, next+9, 2, 300)...)
			l = reopen(t, l)
			wantBounds(t, l, max(c.first, 1), next+9)
			wantEntry(t, l, entry(next, 2, 300))
		})
	}
}

var errAny = errors.New("any error")

func matches(err, want error) bool {
	if want == errAny {
		return err != nil
	}
	return errors.Is(err, want)
}

func TestDropBefore(t *testing.T) {
	for _, c := range []struct{ index, first uint64 }{{0, 1}, {6, 1}, {7, 7}, {13, 13}, {14, 13}, {30, 25}, {1000, 25}} {
		t.Run(fmt.Sprint(c.index), func(t *testing.T) {
			l := mustOpen(t, testOptions(vfs.NewMem()))
			store(t, l, entries(1, 30, 3, 500)...)
			if err := l.DropBefore(c.index); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				wantBounds(t, l, c.first, 30)
				if c.first > 1 {
					wantEntry(t, l, &raft.Log{Index: c.first - 1, Term: 3})
					if err := l.GetLog(c.first-2, &raft.Log{}); err != raft.ErrLogNotFound {
						t.Fatalf("dropped entry: %v", err)
					}
				}
				wantEntry(t, l, entry(c.first, 3, 500))
				l = reopen(t, l)
			}
		})
	}
}

// A leader that starts a follower from the beginning asks for entry 1 as an
// entry, not as the one before.
func TestEntryOneIsNeverMadeUp(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	store(t, l, entry(1, 1, 4000))
	store(t, l, entries(2, 3, 1, 10)...)
	if err := l.DropBefore(3); err != nil {
		t.Fatal(err)
	}
	wantBounds(t, l, 2, 3)
	if err := l.GetLog(1, &raft.Log{}); err != raft.ErrLogNotFound {
		t.Fatalf("entry 1 was made up: %v", err)
	}
}

func TestFilesAreRecycled(t *testing.T) {
	fsys := vfs.NewMem()
	l := mustOpen(t, testOptions(fsys))
	last := uint64(0)
	for range 20 {
		store(t, l, entries(last+1, last+30, 1, 500)...)
		last += 30
		l.sealer.wait()
		if err := l.DropBefore(last); err != nil {
			t.Fatal(err)
		}
		names, _ := fsys.ReadDir(testDir)
		files := 0
		for _, n := range names {
			if strings.HasSuffix(n, segSuffix) || strings.HasSuffix(n, freeSuffix) {
				files++
			}
		}
		if files > 1+maxSpares {
			t.Fatalf("%d files: %v", files, names)
		}
		l = reopen(t, l)
		wantBounds(t, l, last-5, last)
	}
}

// A segment that is removed while it is read keeps its bytes until the reader is
// done, even though its file is wanted for the next segment.
func TestReaderOfDroppedSegment(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	store(t, l, entries(1, 30, 1, 500)...)
	err := l.Replay(1, 6, func(e *raft.Log) error {
		if e.Index == 1 {
			l.sealer.wait()
			if err := l.DropBefore(30); err != nil {
				return err
			}
			store(t, l, entries(31, 90, 1, 500)...)
		}
		return sameEntry(e, entry(e.Index, 1, 500))
	})
	if err != nil {
		t.Fatal(err)
	}
	wantBounds(t, l, 25, 90)
}
