package oracle

import (
	"fmt"
	"time"

	"lockstep/compat/internal/history"
)

// progress is oracle 7: whoever must go on after a fault does, within the bound that the history names for it.
func progress(ix *index) []Violation {
	var vs []Violation
	var all []Resumed
	for i := range ix.events {
		bound := &ix.events[i]
		if bound.Kind != history.MustResume {
			continue
		}
		if all == nil {
			all = Resumes(ix.events)
		}
		seenIt := false
		for _, r := range all {
			if r.Handle != bound.Handle || r.On != bound.On || bound.Name != "" && r.Fault != bound.Name {
				continue
			}
			seenIt = true
			if v, late := tooLate(bound, r); late {
				vs = append(vs, v)
			}
		}
		if !seenIt {
			vs = append(vs, seen(7, "vacuous", bound).say("it was to go on after %q (%s), but there was no such fault, or no such client", bound.Name, bound.On))
		}
	}
	return vs
}

// tooLate compares one wait with its bound.
func tooLate(bound *history.Event, r Resumed) (Violation, bool) {
	what, from := "the reader", "was injected"
	if r.Writer {
		what = "the writer"
	}
	if r.On == history.Healed {
		from = "was healed"
	}
	v := seen(7, "late", bound)
	v.At, v.Expected = r.At, fmt.Sprintf("at most %v", time.Duration(bound.Within))
	switch {
	case r.For >= 0 && r.For <= time.Duration(bound.Within):
		return v, false
	case r.Idle:
		v.Rule, v.Expected = "vacuous", ""
		return v.say("%s had nothing to do after %q %s, so its going on was not seen", what, r.Fault, from), true
	case r.For < 0:
		v.Rule, v.Actual = "no-progress", "never"
		return v.say("%s never went on after %q %s", what, r.Fault, from), true
	}
	v.Actual = r.For.Round(time.Millisecond).String()
	return v.say("%s went on too late after %q %s", what, r.Fault, from), true
}

// Still is the longest time for which somebody with something to do did nothing.
type Still struct {
	Handle string
	For    time.Duration
	From   int64 // ns since 1970
}

// LongestStill finds the longest unavailability of a cell: for a reader, the time without a delivery while something
// acknowledged was unread (from its first record on, so that a client's start does not count); for a
// producer, the time without an acknowledgement while something sent had none.
func LongestStill(events []history.Event) Still {
	var worst Still
	for handle, s := range stills(events) {
		if s.For > worst.For {
			worst = Still{handle, s.For, s.From}
		}
	}
	return worst
}

// clock measures one handle's waits: owed is what it has yet to do, since when it began to wait (0: it does not).
type clock struct {
	owed  map[place]bool // a reader's unread places
	got   map[place]bool // what it read: it may be quicker than the acknowledgement
	open  int            // a producer's records without a verdict
	since int64
	worst Still
}

func (c *clock) wait(at int64, owes bool) {
	if owes && c.since == 0 {
		c.since = at
	}
}

func (c *clock) moved(at int64, owes bool) {
	c.look(at)
	c.since = 0
	c.wait(at, owes)
}

func (c *clock) look(at int64) {
	if d := time.Duration(at - c.since); c.since != 0 && d > c.worst.For {
		c.worst = Still{For: d, From: c.since}
	}
}

// stills gives each handle's longest wait. Only readers that a later Expect names are looked at.
func stills(events []history.Event) map[string]Still {
	clocks := map[string]*clock{}
	placesOf := map[tp][]string{} // partition → readers
	for _, e := range events {
		if e.Kind == history.Expect {
			key := tp{e.Topic, e.Partition}
			placesOf[key] = append(placesOf[key], e.Handle)
			clocks[e.Handle] = &clock{owed: map[place]bool{}, got: map[place]bool{}}
		}
	}
	started := map[string]bool{}
	ackedAt := map[writeID]tp{}
	for _, e := range events {
		key := tp{e.Topic, e.Partition}
		switch e.Kind {
		case history.Sent:
			ackedAt[writeID{e.Handle, e.N}] = key
			c := clocks[e.Handle]
			if c == nil {
				c = &clock{}
				clocks[e.Handle] = c
			}
			c.open++
			c.wait(e.At, true)
		case history.Acked, history.Failed:
			if c := clocks[e.Handle]; c != nil {
				c.open--
				c.moved(e.At, c.open > 0)
			}
			key = ackedAt[writeID{e.Handle, e.N}]
			for _, reader := range placesOf[key] {
				c, at := clocks[reader], place{key, e.Offset}
				if e.Kind == history.Acked && e.Offset >= 0 && !c.got[at] {
					c.owed[at] = true
					c.wait(e.At, started[reader])
				}
			}
		case history.Read:
			if c := clocks[e.Handle]; c != nil && c.owed != nil {
				started[e.Handle] = true
				c.got[place{key, e.Offset}] = true
				delete(c.owed, place{key, e.Offset})
				c.moved(e.At, len(c.owed) > 0)
			}
		}
	}
	out := map[string]Still{}
	for handle, c := range clocks {
		if len(events) > 0 {
			c.look(events[len(events)-1].At)
		}
		out[handle] = c.worst
	}
	return out
}
