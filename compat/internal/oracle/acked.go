package oracle

import (
	"lockstep/compat/internal/history"
)

// acked is oracle 1: acknowledged records are read as they were acknowledged; nothing is read but what was sent. (What
// was not read at all is in tail.go.)
func acked(ix *index) []Violation {
	var vs []Violation
	for _, e := range ix.strays {
		vs = append(vs, seen(1, "stray-ack", e).say("record %d was acknowledged, but was never sent, or had been acknowledged before", e.N))
	}
	return append(vs, unequal(ix)...)
}

// unequal checks every record read against the write that belongs there. Reads at an offset without an
// acknowledgement are matched with writes whose offset nobody knows (no verdict, given up, or a client that tells
// none), each of which can stand in one place only.
func unequal(ix *index) []Violation {
	ix.placed = map[place]*write{}
	taken := map[*write]bool{}
	bad := map[place]bool{}
	var vs []Violation
	for _, e := range ix.reads {
		at := place{of(e), e.Offset}
		w := ix.at[at.tp][e.Offset]
		if w == nil {
			w = ix.placed[at]
		}
		if w == nil && !bad[at] {
			if w = ix.unplaced(e, taken); w != nil {
				ix.placed[at] = w
				taken[w] = true
			}
		}
		switch {
		case w != nil:
			if field := w.record.Differs(e.Record); field != "" {
				v := seen(1, "differs", e).of(w)
				v.Expected, v.Actual = w.record.String(), e.Record.String()
				vs = append(vs, v.say("record %d of %s came back with another %s", w.n, w.handle, field))
			}
		case !bad[at]:
			bad[at] = true
			if v, is := stranger(ix, e); is {
				vs = append(vs, v)
			}
		}
	}
	return append(vs, unfound(ix, taken)...)
}

// unplaced finds the first write equal to what was read whose place is not known yet.
func (ix *index) unplaced(e *history.Event, taken map[*write]bool) *write {
	for _, w := range ix.alike[looks(of(e), e.Record)] {
		if w.offset < 0 && !taken[w] && w.record.Differs(e.Record) == "" {
			return w
		}
	}
	return nil
}

// stranger says what a record is that stands where nothing was put: a second copy of a record (a violation of
// oracle 2 where its producer promises that there is none), or one that nobody sent.
func stranger(ix *index, e *history.Event) (Violation, bool) {
	v := seen(1, "phantom", e)
	v.Actual = e.Record.String()
	for _, w := range ix.alike[looks(of(e), e.Record)] {
		if w.record.Differs(e.Record) == "" {
			v.Oracle, v.Rule = 2, "duplicate"
			return v.of(w).say("record %d of %s (offset %d) stands here a second time", w.n, w.handle, w.offset), w.idempotent
		}
	}
	return v.say("read, but nobody sent it"), true
}

// unfound: what a client acknowledged without telling the offset must have been found somewhere, once all that
// was asked to be read was read.
func unfound(ix *index, found map[*write]bool) []Violation {
	expected := map[tp]bool{}
	for _, e := range ix.expects {
		expected[of(e)] = true
	}
	var vs []Violation
	for _, w := range ix.writes {
		if w.acked && w.offset < 0 && !found[w] && expected[w.tp] {
			v := Violation{Oracle: 1, Rule: "missing", Topic: w.tp.topic, Partition: w.tp.partition, Offset: -1, Expected: w.record.String()}
			vs = append(vs, v.of(w).say("record %d of %s was acknowledged, but no reader read it", w.n, w.handle))
		}
	}
	return vs
}
