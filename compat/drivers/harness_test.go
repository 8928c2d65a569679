package drivers

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lockstep/compat/drivers/protocol"
)

// root is the repository's top, seen from this package's folder, where go test runs.
const root = "../.."

// started is a driver under test, and all it has told.
type started struct {
	*protocol.Process
	t *testing.T

	mu      sync.Mutex // guards events and changed
	events  []protocol.Event
	changed chan struct{} // closed and replaced when events grows
}

// start starts a client's driver, or skips the test with the reason why it cannot.
func start(t *testing.T, c Client) *started {
	t.Helper()
	if err := c.Ready(root); err != nil {
		t.Skip(err)
	}
	dir, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	s := &started{t: t, changed: make(chan struct{})}
	s.Process, err = protocol.Start(protocol.Spec{
		Name: c.Name, Args: c.Args(dir), Dir: dir, Stderr: filepath.Join(t.TempDir(), "stderr"), OnEvent: s.add,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill) // for a test that failed before it closed the driver
	return s
}

func (s *started) add(e protocol.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait returns the events that match once there are n of them.
func (s *started) wait(ctx context.Context, what string, n int, match func(protocol.Event) bool) []protocol.Event {
	s.t.Helper()
	for {
		s.mu.Lock()
		var found []protocol.Event
		for _, e := range s.events {
			if match(e) {
				found = append(found, e)
			}
		}
		changed := s.changed
		s.mu.Unlock()
		if len(found) >= n {
			return found
		}
		select {
		case <-changed:
		case <-s.Exited():
			s.t.Fatalf("%s: the driver exited after %d of %d: %+v", what, len(found), n, s.last())
		case <-ctx.Done():
			s.t.Fatalf("%s: %d of %d came: %v; last event: %+v", what, len(found), n, ctx.Err(), s.last())
		}
	}
}

func (s *started) last() protocol.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) == 0 {
		return protocol.Event{}
	}
	last := s.events[len(s.events)-1]
	last.Value = nil // may be long
	return last
}

// do is Do, of which an error ends the test.
func (s *started) do(ctx context.Context, c protocol.Command) protocol.Event {
	s.t.Helper()
	e, err := s.Do(ctx, c)
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// of matches the events of a kind from a handle.
func of(kind, handle string) func(protocol.Event) bool {
	return func(e protocol.Event) bool { return e.Event == kind && e.Handle == handle }
}

// deadline is a context for a whole test. It is far beyond what anything takes here, so that only a hang meets it.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (s *started) count(match func(protocol.Event) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if match(e) {
			n++
		}
	}
	return n
}
