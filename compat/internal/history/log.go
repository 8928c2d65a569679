package history

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Log is the history of a run. Safe for concurrent use.
//
// Events go to the file at once (buffered) and stay in memory until their cell is dropped: oracles look at one
// cell at a time, and a long run must not grow without bound.
type Log struct {
	now func() time.Time

	mu     sync.Mutex
	cells  map[string]*cellLog
	out    *bufio.Writer
	file   io.Closer
	sinkTo *json.Encoder
	err    error // the first failure to write; told by Close
}

type cellLog struct {
	events  []Event
	tallies map[string]Tally
	changed chan struct{} // closed and replaced at every append
	since   int64         // when the cell began anew; 0: it never did
}

// Tally is how far a handle of a cell has come.
type Tally struct {
	Sent, Acked, Failed int64 // of a producer
	Read                int64 // records delivered to a consumer, repetitions included
	Next                int64 // one above the highest offset acknowledged, or delivered
}

func (t Tally) add(e Event) Tally {
	switch e.Kind {
	case Sent:
		t.Sent++
	case Failed:
		t.Failed++
	case Acked:
		t.Acked++
		t.Next = max(t.Next, e.Offset+1)
	case Read:
		t.Read++
		t.Next = max(t.Next, e.Offset+1)
	}
	return t
}

// New makes a log that lives in memory only, for tests.
func New(now func() time.Time) *Log {
	return &Log{now: now, cells: map[string]*cellLog{}}
}

// Create makes a log that is saved to the file at path as it grows.
func Create(path string, now func() time.Time) (*Log, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create history: %w", err)
	}
	l := New(now)
	l.file = f
	l.out = bufio.NewWriterSize(f, 1<<20)
	l.sinkTo = json.NewEncoder(l.out)
	return l, nil
}

// Close writes out what is buffered and tells the first error of the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out == nil {
		return nil
	}
	err := errors.Join(l.err, l.out.Flush(), l.file.Close())
	l.out, l.sinkTo = nil, nil
	return err
}

// Flush writes out what is buffered, so that a killed run leaves all of its finished cells.
func (l *Log) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out != nil {
		l.err = errors.Join(l.err, l.out.Flush())
	}
}

// Cell gives a view of the log for one cell: what is appended through it carries the cell's name.
func (l *Log) Cell(name string) *Cell { return &Cell{log: l, name: name} }

func (l *Log) cell(name string) *cellLog {
	c := l.cells[name]
	if c == nil {
		c = &cellLog{tallies: map[string]Tally{}, changed: make(chan struct{})}
		l.cells[name] = c
	}
	return c
}

func (l *Log) append(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.At == 0 {
		e.At = l.now().UnixNano()
	}
	c := l.cell(e.Cell)
	if e.At < c.since {
		return // of what came before: a client that was ended said it, and it was read only now
	}
	if l.sinkTo != nil && l.err == nil {
		l.err = l.sinkTo.Encode(&e)
	}
	c.events = append(c.events, e)
	if e.Handle != "" {
		c.tallies[e.Handle] = c.tallies[e.Handle].add(e)
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// Cell is one cell's part of a Log.
type Cell struct {
	log  *Log
	name string
}

// Name is the cell's name, scenario/client.
func (c *Cell) Name() string { return c.name }

// Append adds an event; its Cell is set, and its time when it has none.
func (c *Cell) Append(e Event) {
	e.Cell = c.name
	c.log.append(e)
}

// Logf adds a line of text.
func (c *Cell) Logf(format string, args ...any) {
	c.Append(Event{Kind: Remark, Text: fmt.Sprintf(format, args...)})
}

// Events are the cell's events so far, in order. The slice must not be changed.
func (c *Cell) Events() []Event {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	events := c.log.cell(c.name).events
	return events[:len(events):len(events)]
}

// Changed is closed at the next append to this cell; it comes with how many events there are now.
func (c *Cell) Changed() (int, <-chan struct{}) {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	cell := c.log.cell(c.name)
	return len(cell.events), cell.changed
}

// Tally is how far a handle has come.
func (c *Cell) Tally(handle string) Tally {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return c.log.cell(c.name).tallies[handle]
}

// Until waits until the handle's tally is as wanted, or ctx ends. The error wraps ctx's and says how far it came.
func (c *Cell) Until(ctx context.Context, what, handle string, wanted func(Tally) bool) error {
	for {
		_, changed := c.Changed()
		t := c.Tally(handle)
		if wanted(t) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s (%s, so far %+v): %w", what, handle, t, ctx.Err())
		}
	}
}

// Drop forgets the cell's events; the file keeps them.
func (c *Cell) Drop() {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	delete(c.log.cells, c.name)
}

// Restart forgets the cell's events, as Drop does, and notes that the cell begins anew and why. Events from before that
// are learnt of later, from clients that have been ended, are left out.
func (c *Cell) Restart(why string) {
	c.log.mu.Lock()
	now := c.log.now().UnixNano()
	delete(c.log.cells, c.name)
	c.log.cell(c.name).since = now
	c.log.mu.Unlock()
	c.Append(Event{At: now, Kind: Retried, Text: why})
}

// Wait feeds every event of the cell, past and coming, to saw until it returns true, or ctx ends. The error
// wraps ctx's and says what was waited for.
func (c *Cell) Wait(ctx context.Context, what string, saw func(Event) bool) error {
	next := 0
	for {
		_, changed := c.Changed()
		events := c.Events()
		for ; next < len(events); next++ {
			if saw(events[next]) {
				return nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
}

// Load reads a saved history, all cells, in order.
func Load(r io.Reader) ([]Event, error) {
	dec := json.NewDecoder(r)
	var events []Event
	for {
		var e Event
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return events, fmt.Errorf("history: event %d: %w", len(events)+1, err)
		}
		events = append(events, e)
	}
}
