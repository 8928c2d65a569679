package shardlog

import (
	"errors"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

func sendAll(t *testing.T, s *Section) []byte {
	t.Helper()
	from, to := net.Pipe()
	failed := make(chan error, 1)
	go func() {
		failed <- errors.Join(s.SendTo(from, func() error { return nil }), from.Close())
	}()
	all, err := io.ReadAll(to)
	if err = errors.Join(err, <-failed); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSection(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	store(t, l, entries(1, 30, 3, 500)...)
	for _, c := range []struct {
		index  uint64
		off, n int
	}{{1, 0, 500}, {7, 100, 399}, {29, 499, 1}, {30, 500, 0}} {
		s, err := l.Section(c.index, c.off, c.n)
		if err != nil {
			t.Fatal(err)
		}
		if got := sendAll(t, s); !slices.Equal(got, entry(c.index, 3, 500).Data[c.off:c.off+c.n]) {
			t.Errorf("%+v: %d other bytes", c, len(got))
		}
		s.Close()
	}
	for _, c := range []struct {
		index  uint64
		off, n int
	}{{1, 1, 500}, {1, -1, 3}, {1, 3, -1}} {
		if _, err := l.Section(c.index, c.off, c.n); err == nil {
			t.Errorf("%+v was found", c)
		}
	}
	if _, err := l.Section(31, 0, 1); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("behind the end: %v", err)
	}
}

// TestSentFilesAreNotWrittenOver: a segment that was sent is no spare, whether it is
// still being sent when it is dropped or not, and is readable until the end.
func TestSentFilesAreNotWrittenOver(t *testing.T) {
	for _, c := range []struct {
		name                string
		sent, beforeDropped bool
	}{{"never sent", false, false}, {"sent before", true, true}, {"being sent", true, false}} {
		t.Run(c.name, func(t *testing.T) {
			l := mustOpen(t, testOptions(vfs.NewMem()))
			store(t, l, entries(1, 30, 3, 500)...)
			l.sealer.wait()
			l.preparing.Wait()
			l.spares.mu.Lock()
			l.spares.paths = nil // what was prepared
			l.spares.mu.Unlock()
			var s *Section
			if c.sent {
				var err error
				if s, err = l.Section(2, 0, 500); err != nil {
					t.Fatal(err)
				}
				if c.beforeDropped {
					s.Close()
				}
			}
			if err := l.DropBefore(7); err != nil { // the first segment
				t.Fatal(err)
			}
			wantBounds(t, l, 7, 30)
			if c.sent && !c.beforeDropped {
				store(t, l, entries(31, 50, 3, 500)...)
				if got := sendAll(t, s); !slices.Equal(got, entry(2, 3, 500).Data) {
					t.Error("other bytes were sent")
				}
				s.Close()
			}
			l.spares.mu.Lock()
			spares := len(l.spares.paths)
			l.spares.mu.Unlock()
			if c.beforeDropped != c.sent {
				return // more was written meanwhile
			}
			if (spares == 0) != c.sent {
				t.Errorf("%d spares", spares)
			}
		})
	}
}
