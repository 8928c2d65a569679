package timeline

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"lockstep/compat/internal/history"
)

// Cell is what is drawn of one cell. Times are ns since 1970.
type Cell struct {
	Name        string
	First, Last int64 // of its events
	Tracks      []*Track
	Faults      []*Fault
	Notes       []Note
	// Events is the whole history of the cell, where it was asked for.
	Events []history.Event

	replicas map[partition]map[int][]seen // what each node said of itself, in order
	acts     map[partition]int            // how much happened where
	tracks   map[string]*Track
}

// Track is what one producer, consumer or session did: its marks in order, and the offset at each (-1: not known).
type Track struct {
	Name   string
	Writes bool
	How    string // how it was opened
	At     []int64
	Offset []int64
	Failed []int64 // when writes failed
}

// Fault is one fault from its injection to its end; a time is 0 where that did not come.
type Fault struct {
	Name                     string
	At, Bitten, Healed, Gone int64
	BiteText, GoneText       string
}

// Note is something worth telling beside the picture.
type Note struct {
	At   int64
	Kind history.Kind
	Text string
}

type partition struct {
	topic string
	n     int32
}

func (p partition) String() string { return fmt.Sprintf("%s-%d", p.topic, p.n) }

type seen struct {
	at    int64
	state history.ReplicaState
}

// light is what of an Event is drawn: records and batches, most of a history, are not decoded.
type light struct {
	At        int64
	Kind      history.Kind
	Cell      string
	Handle    string
	Node      int
	Name      string
	Text      string
	Error     string
	Topic     string
	Partition int32
	Offset    int64
	To        int64
	State     *history.ReplicaState
}

// Read digests a history, cell by cell. Of the cells that keep names, all events are kept as well. A history that ends within
// a line, as a killed run's does, is read up to there; the error tells of it, and what was read is returned with it.
func Read(r io.Reader, keep func(cell string) bool) (map[string]*Cell, error) {
	cells := map[string]*Cell{}
	in := bufio.NewReaderSize(r, 1<<20)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if len(line) == 0 && errors.Is(err, io.EOF) {
			return cells, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return cells, fmt.Errorf("read the history, line %d: %w", n, err)
		}
		var e light
		if err := json.Unmarshal(line, &e); err != nil {
			return cells, fmt.Errorf("history, line %d: %w", n, err)
		}
		c := cells[e.Cell]
		if c == nil || e.Kind == history.Retried {
			c = begin(c, e.Cell)
			cells[e.Cell] = c
		}
		c.add(e)
		if keep(e.Cell) {
			var whole history.Event
			if err := json.Unmarshal(line, &whole); err != nil {
				return cells, fmt.Errorf("history, line %d: %w", n, err)
			}
			c.Events = append(c.Events, whole)
		}
	}
}

// begin is an empty cell; of a try before, which showed nothing, only the notes that it was made again are kept.
func begin(before *Cell, name string) *Cell {
	c := &Cell{Name: name, replicas: map[partition]map[int][]seen{}, acts: map[partition]int{}, tracks: map[string]*Track{}}
	if before != nil {
		for _, n := range before.Notes {
			if n.Kind == history.Retried {
				c.Notes = append(c.Notes, n)
			}
		}
	}
	return c
}

func (c *Cell) add(e light) {
	if c.First == 0 {
		c.First = e.At
	}
	c.Last = max(c.Last, e.At)
	at := partition{e.Topic, e.Partition}
	switch e.Kind {
	case history.Opened:
		c.track(e.Handle, e.Name == "producer").How = e.Text
	case history.Acked:
		c.act(c.track(e.Handle, true), at, e.At, e.Offset)
	case history.Failed:
		t := c.track(e.Handle, true)
		t.Failed = append(t.Failed, e.At)
	case history.Read:
		if e.Node == 0 {
			c.act(c.track(e.Handle, false), at, e.At, e.Offset)
		}
	case history.Probe:
		handle := e.Handle
		if strings.HasPrefix(handle, "inside-raw-") {
			handle = rawCopies // looks into the middle of the batches of a copy
		}
		c.act(c.track(handle, false), at, e.At, e.To-1)
	case history.RawRange:
		c.act(c.track(rawCopies, false), at, e.At, e.To-1)
	case history.Fault, history.Bitten, history.Healed, history.Gone:
		c.fault(e)
	case history.Replica:
		if e.State != nil {
			if c.replicas[at] == nil {
				c.replicas[at] = map[int][]seen{}
			}
			c.replicas[at][e.Node] = append(c.replicas[at][e.Node], seen{e.At, *e.State})
		}
	case history.Notice, history.Retried, history.Remark, history.Wiped:
		c.Notes = append(c.Notes, Note{e.At, e.Kind, noteText(e)})
	}
}

// rawCopies is the track on which all whole copies of replicas are put together.
const rawCopies = "raw copies"

func noteText(e light) string {
	text := strings.TrimSpace(strings.Join([]string{e.Handle, e.Name, e.Text, e.Error}, " "))
	if e.Kind == history.Wiped {
		text = fmt.Sprintf("the data of node %d was wiped %s", e.Node, text)
	}
	return text
}

func (c *Cell) track(handle string, writes bool) *Track {
	t := c.tracks[handle]
	if t == nil {
		t = &Track{Name: handle, Writes: writes}
		c.tracks[handle] = t
		c.Tracks = append(c.Tracks, t)
	}
	return t
}

func (c *Cell) act(t *Track, where partition, at, offset int64) {
	t.At = append(t.At, at)
	t.Offset = append(t.Offset, offset)
	c.acts[where]++
}

// fault puts what is told of a fault to the newest one of its name.
func (c *Cell) fault(e light) {
	if e.Kind == history.Fault {
		c.Faults = append(c.Faults, &Fault{Name: e.Name, At: e.At})
		return
	}
	for i := len(c.Faults) - 1; i >= 0; i-- {
		f := c.Faults[i]
		if f.Name != e.Name {
			continue
		}
		switch e.Kind {
		case history.Bitten:
			f.Bitten, f.BiteText = e.At, e.Text
		case history.Healed:
			f.Healed = e.At
		case history.Gone:
			f.Gone, f.GoneText = e.At, e.Text
		}
		return
	}
}

// main is the partition in which most happened, of those that replicas told of.
func (c *Cell) main() (partition, bool) {
	var best partition
	found := false
	for p := range c.replicas {
		if !found || c.acts[p] > c.acts[best] || c.acts[p] == c.acts[best] && p.String() < best.String() {
			best, found = p, true
		}
	}
	return best, found
}

// span is from when to when there is something to see.
func (c *Cell) span() (from, to int64) { return c.First, max(c.Last, c.First+1) }
