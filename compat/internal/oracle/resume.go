package oracle

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"lockstep/compat/internal/history"
)

// Resumed is how long a producer or a reader took to go on after a fault.
type Resumed struct {
	Fault  string
	On     history.Kind // what it is counted from: the injection (history.Fault) or the healing (history.Healed)
	At     int64        // when that was, ns since 1970
	Handle string
	Writer bool
	// For is the time until its next acknowledgement, or until it was given the first record that nobody had been given or
	// told of when the fault bit or was healed; -1 when that never came.
	For time.Duration
	// Idle: it had nothing to do: a producer that sent nothing more, a reader for which there was nothing new.
	Idle bool
}

// Resumes measures for every fault of a cell, and for each healing, how long every producer and every reader took to go
// on. An acknowledgement or a record counts only when it came after the fault was seen to bite (or after the healing
// began), though the time is counted from the injection.
func Resumes(events []history.Event) []Resumed {
	r := newResumer(events)
	var out []Resumed
	for i := range events {
		e := &events[i]
		if e.Kind != history.Fault && e.Kind != history.Healed {
			continue
		}
		floor := e.At
		if e.Kind == history.Fault {
			floor = bittenAt(events[i:])
		}
		for _, handle := range r.names {
			x := Resumed{Fault: e.Name, On: e.Kind, At: e.At, Handle: handle, For: -1}
			at, idle := r.next(handle, floor)
			x.Writer, x.Idle = len(r.handles[handle].acks) > 0 || r.handles[handle].lastSent > 0, idle
			if at > 0 {
				x.For = time.Duration(at - e.At)
			}
			out = append(out, x)
		}
	}
	return out
}

// bittenAt is when the fault that the first event injects was seen to bite; its injection where that was not seen.
func bittenAt(events []history.Event) int64 {
	for i := range events {
		if events[i].Kind == history.Bitten && events[i].Name == events[0].Name {
			return events[i].At
		}
	}
	return events[0].At
}

// moment is something that happened at an offset.
type moment struct {
	at     int64
	offset int64
}

// doings are what one producer or reader did, by time.
type doings struct {
	lastSent int64 // when it sent its last record
	lastFate int64 // when it learnt of its last fate
	acks     []int64
	reads    map[tp][]moment
}

type resumer struct {
	names   []string
	handles map[string]*doings
	// known is, for every partition and by time, the highest offset that anybody had been told of.
	known map[tp][]moment
}

func newResumer(events []history.Event) *resumer {
	r := &resumer{handles: map[string]*doings{}, known: map[tp][]moment{}}
	sent := map[writeID]tp{}
	copies := map[string]bool{}
	for i := range events {
		e := &events[i]
		switch e.Kind {
		case history.RawRange:
			copies[e.Handle] = true
		case history.Sent:
			sent[writeID{e.Handle, e.N}] = of(e)
			d := r.of(e.Handle)
			d.lastSent = max(d.lastSent, e.At)
		case history.Failed:
			d := r.of(e.Handle)
			d.lastFate = max(d.lastFate, e.At)
		case history.Acked:
			d := r.of(e.Handle)
			d.acks = append(d.acks, e.At)
			d.lastFate = max(d.lastFate, e.At)
			if key, is := sent[writeID{e.Handle, e.N}]; is && e.Offset >= 0 {
				r.known[key] = append(r.known[key], moment{e.At, e.Offset})
			}
		case history.Read:
			if copies[e.Handle] {
				continue // not a reader but a look at a replica
			}
			d := r.of(e.Handle)
			d.reads[of(e)] = append(d.reads[of(e)], moment{e.At, e.Offset})
			r.known[of(e)] = append(r.known[of(e)], moment{e.At, e.Offset})
		}
	}
	r.sort()
	return r
}

func (r *resumer) of(handle string) *doings {
	d := r.handles[handle]
	if d == nil {
		d = &doings{reads: map[tp][]moment{}}
		r.handles[handle] = d
		r.names = append(r.names, handle)
	}
	return d
}

func (r *resumer) sort() {
	byTime := func(a, b moment) int { return cmp.Compare(a.at, b.at) }
	for _, ms := range r.known {
		slices.SortStableFunc(ms, byTime)
		for i := 1; i < len(ms); i++ {
			ms[i].offset = max(ms[i].offset, ms[i-1].offset)
		}
	}
	for _, d := range r.handles {
		slices.Sort(d.acks)
		for _, ms := range d.reads {
			slices.SortStableFunc(ms, byTime)
		}
	}
}

// next is when a handle went on after a moment, 0 when it never did; idle when it had nothing to do.
func (r *resumer) next(handle string, after int64) (at int64, idle bool) {
	d := r.handles[handle]
	if len(d.reads) == 0 {
		i := sort.Search(len(d.acks), func(i int) bool { return d.acks[i] > after })
		if i < len(d.acks) {
			return d.acks[i], false
		}
		return 0, d.lastSent < after && d.lastFate < after
	}
	idle = true
	for key, reads := range d.reads {
		known := r.known[key]
		i := sort.Search(len(known), func(i int) bool { return known[i].at > after })
		floor := int64(-1)
		if i > 0 {
			floor = known[i-1].offset
		}
		if known[len(known)-1].offset > floor {
			idle = false
		}
		j := sort.Search(len(reads), func(j int) bool { return reads[j].at > after })
		for ; j < len(reads); j++ {
			if reads[j].offset > floor && (at == 0 || reads[j].at < at) {
				at = reads[j].at
				break
			}
		}
	}
	return at, idle
}
