package protocol

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// pollTimeout bounds how long a consumer's command waits behind a poll that finds nothing.
const pollTimeout = 100 * time.Millisecond

// Main runs d over the process's standard streams and exits: the whole of a driver's main function.
func Main(d Driver) {
	if err := Serve(os.Stdin, os.Stdout, d); err != nil {
		fmt.Fprintln(os.Stderr, "driver:", err)
		os.Exit(1)
	}
	os.Exit(0) // also when a library has left goroutines behind
}

// Serve answers commands from in with events on out until in ends; then it closes every handle and returns, after
// ShutdownGrace at the latest. Its error is that of reading in: whoever has stopped reading out is not missed.
func Serve(in io.Reader, out io.Writer, d Driver) error { return serve(in, out, d, ShutdownGrace) }

func serve(in io.Reader, out io.Writer, d Driver, grace time.Duration) error {
	s := &session{driver: d, out: newEmitter(out), handles: map[string]*queue[Command]{}}
	err := s.read(in)
	ended := make(chan struct{})
	go func() { // outlives Serve only where a library hangs or out is not read, and then Main ends the process
		defer close(ended)
		s.closeHandles()
		s.out.close()
	}()
	select {
	case <-ended:
	case <-time.After(grace - grace/10):
	}
	return err
}

// session is one driver's life: the goroutine of Serve reads commands and deals them out, and every handle has a
// goroutine of its own that carries them out in order.
type session struct {
	driver Driver
	out    *emitter
	wg     sync.WaitGroup // the handles' goroutines

	mu      sync.Mutex // guards handles, and every put to one of them
	handles map[string]*queue[Command]
}

func (s *session) read(in io.Reader) error {
	r := bufio.NewReaderSize(in, 1<<16)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 1 {
			var c Command
			if bad := json.Unmarshal(line, &c); bad != nil {
				s.fail(c, true, fmt.Errorf("read a command: %w", bad))
			} else if bad := s.dispatch(c); bad != nil {
				s.fail(c, true, bad)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read commands: %w", err)
		}
	}
}

// dispatch puts a command before the handle it is for. Its error means that the command makes no sense.
func (s *session) dispatch(c Command) error {
	switch c.Op {
	case OpInfo:
		s.out.emit(Event{Event: EventInfo, ID: c.ID, Info: s.driver.Info()})
		return nil
	case OpOpenProducer, OpOpenConsumer:
		return s.open(c)
	case OpSend, OpFlush, OpSeek, OpCommit, OpClose:
		s.mu.Lock()
		defer s.mu.Unlock()
		q := s.handles[c.Handle]
		if q == nil {
			return fmt.Errorf("%s: no handle %q is open", c.Op, c.Handle)
		}
		q.put(c)
		return nil
	}
	return fmt.Errorf("unknown op %q", c.Op)
}

func (s *session) open(c Command) error {
	if c.Handle == "" || c.Topic == "" || len(c.Bootstrap) == 0 {
		return fmt.Errorf("%s: handle, topic and bootstrap are needed", c.Op)
	}
	if n := len(c.Offsets); n != 0 && n != len(c.Partitions) {
		return fmt.Errorf("%s: %d offsets for %d partitions", c.Op, n, len(c.Partitions))
	}
	if c.Op == OpOpenConsumer && (c.Group == "") == (len(c.Partitions) == 0) {
		return fmt.Errorf("%s: either a group or partitions are needed", c.Op)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handles[c.Handle] != nil {
		return fmt.Errorf("%s: handle %q is open already", c.Op, c.Handle)
	}
	q := newQueue[Command]()
	s.handles[c.Handle] = q
	run := s.runProducer
	if c.Op == OpOpenConsumer {
		run = s.runConsumer
	}
	s.wg.Go(func() { run(c, q) })
	return nil
}

// forget removes a handle that has ended, and refuses the commands that came too late for it.
func (s *session) forget(c Command, q *queue[Command]) {
	s.mu.Lock()
	delete(s.handles, c.Handle)
	s.mu.Unlock()
	late, _ := q.poll() // complete: puts happen under s.mu, to handles that are in the map
	for _, l := range late {
		s.fail(l, true, fmt.Errorf("%s: handle %q is closed", l.Op, l.Handle))
	}
}

// closeHandles lets every handle finish what it was told, and closes it.
func (s *session) closeHandles() {
	s.mu.Lock()
	for _, q := range s.handles {
		q.close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *session) answer(c Command, event string) {
	s.out.emit(Event{Event: event, ID: c.ID, Handle: c.Handle})
}

func (s *session) fail(c Command, fatal bool, err error) {
	s.out.emit(Event{Event: EventError, ID: c.ID, Handle: c.Handle, Fatal: fatal, Error: err.Error()})
}

// misplaced is the answer to a command that the kind of handle does not have.
func (s *session) misplaced(c Command, kind string) {
	s.fail(c, true, fmt.Errorf("%s: handle %q is a %s", c.Op, c.Handle, kind))
}
