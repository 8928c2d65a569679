package oracle

import (
	"lockstep/compat/internal/history"
)

// oneValue is oracle 2: an offset has one value for everyone and for ever; acknowledgements do not share an
// offset; an idempotent producer's records lie in the order of sending; a reader never goes back by itself.
// (A record that stands twice is found beside phantoms, in acked.go.)
func oneValue(ix *index) []Violation {
	var vs []Violation
	for _, w := range ix.clashes {
		first := ix.at[w.tp][w.offset]
		v := Violation{Oracle: 2, Rule: "shared-offset", Topic: w.tp.topic, Partition: w.tp.partition, Offset: w.offset, Handle: w.handle, At: w.ackedAt}
		vs = append(vs, v.of(first).say("acknowledged for record %d of %s and for record %d of %s", first.n, first.handle, w.n, w.handle))
	}
	vs = append(vs, agreement(ix)...)
	vs = append(vs, sendingOrder(ix)...)
	return append(vs, goingBack(ix)...)
}

// agreement compares every read of an offset with the first one.
func agreement(ix *index) []Violation {
	first := map[place]*history.Event{}
	var vs []Violation
	for _, e := range ix.reads {
		at := place{of(e), e.Offset}
		f := first[at]
		if f == nil || f.Record.Partial && !e.Record.Partial {
			first[at] = e
		}
		if f == nil {
			continue
		}
		if field := f.Record.Differs(e.Record); field != "" {
			v := seen(2, "two-values", e).of(ix.at[at.tp][e.Offset])
			v.Expected, v.Actual = f.Record.String(), e.Record.String()
			vs = append(vs, v.say("another %s than %s read", field, f.Handle))
		}
	}
	return vs
}

// reader is one reader of one partition.
type reader struct {
	handle string
	tp     tp
}

// sendingOrder: offsets of an idempotent producer ascend with the order of sending.
func sendingOrder(ix *index) []Violation {
	last := map[reader]*write{}
	var vs []Violation
	for _, w := range ix.writes {
		if !w.idempotent || w.offset < 0 {
			continue
		}
		p := reader{w.handle, w.tp}
		if before := last[p]; before != nil && w.offset <= before.offset {
			v := Violation{Oracle: 2, Rule: "order", Topic: w.tp.topic, Partition: w.tp.partition, Offset: w.offset, Handle: w.handle, At: w.ackedAt}
			vs = append(vs, v.of(w).say("record %d lies at offset %d, record %d, sent later, at %d", before.n, before.offset, w.n, w.offset))
		}
		last[p] = w
	}
	return vs
}

// goingBack: a reader's offsets ascend, unless it was told to seek (as each probe tells where to begin), or a group may
// have moved it.
func goingBack(ix *index) []Violation {
	next := map[reader]int64{}
	var vs []Violation
	for i := range ix.events {
		e := &ix.events[i]
		r := reader{e.Handle, of(e)}
		switch e.Kind {
		case history.Sought, history.Probe, history.RawRange:
			delete(next, r)
		case history.Read:
			if at, moved := next[r]; moved && e.Offset < at && !ix.groups[e.Handle] {
				vs = append(vs, seen(2, "went-back", e).say("delivered after offset %d", at-1))
			}
			next[r] = e.Offset + 1
		}
	}
	return vs
}
