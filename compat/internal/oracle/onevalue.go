package oracle

import (
	"fmt"

	"lockstep/compat/drivers/protocol"
	"lockstep/compat/internal/history"
)

// oneValue is oracle 2: an offset has one value for everyone and for ever; acknowledgements do not share an
// offset; an idempotent producer's records lie in the order of sending; a reader never goes back by itself.
// (A record that stands twice is found beside phantoms, in acked.go.)
func oneValue(ix *index) []Violation {
	var vs []Violation
	for _, w := range ix.clashes {
		first := ix.at[w.tp][w.offset]
		vs = append(vs, Violation{Oracle: 2, Rule: "shared-offset", Topic: w.tp.topic, Partition: w.tp.partition, Offset: w.offset, Handle: w.handle,
			Message: fmt.Sprintf("acknowledged for record %d of %s and for record %d of %s", first.n, first.handle, w.n, w.handle)})
	}
	vs = append(vs, agreement(ix)...)
	vs = append(vs, sendingOrder(ix)...)
	return append(vs, goingBack(ix)...)
}

// agreement compares every read of an offset with the first one.
func agreement(ix *index) []Violation {
	first := map[place]history.Event{}
	var vs []Violation
	for _, e := range ix.reads {
		at := place{tp{e.Topic, e.Partition}, e.Offset}
		f, seen := first[at]
		if !seen || f.Record.Partial && !e.Record.Partial {
			first[at] = e
		}
		if !seen {
			continue
		}
		if field := f.Record.Differs(e.Record); field != "" {
			vs = append(vs, Violation{Oracle: 2, Rule: "two-values", Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Handle: e.Handle,
				Expected: f.Record.String(), Actual: e.Record.String(), Message: fmt.Sprintf("another %s than %s read", field, f.Handle)})
		}
	}
	return vs
}

// sendingOrder: offsets of an idempotent producer ascend with the order of sending.
func sendingOrder(ix *index) []Violation {
	type producer struct {
		handle string
		tp     tp
	}
	last := map[producer]*write{}
	var vs []Violation
	for _, w := range ix.writes {
		if !w.idempotent || w.offset < 0 {
			continue
		}
		p := producer{w.handle, w.tp}
		if before := last[p]; before != nil && w.offset <= before.offset {
			vs = append(vs, Violation{Oracle: 2, Rule: "order", Topic: w.tp.topic, Partition: w.tp.partition, Offset: w.offset, Handle: w.handle,
				Message: fmt.Sprintf("record %d lies at offset %d, record %d, sent later, at %d", before.n, before.offset, w.n, w.offset)})
		}
		last[p] = w
	}
	return vs
}

// goingBack: a reader's offsets ascend, unless it was told to seek or a group may have moved it; and no client loses
// its position (oracle 5).
func goingBack(ix *index) []Violation {
	type reader struct {
		handle string
		tp     tp
	}
	next := map[reader]int64{}
	var vs []Violation
	for _, e := range ix.events {
		r := reader{e.Handle, tp{e.Topic, e.Partition}}
		switch e.Kind {
		case history.Sought:
			delete(next, r)
		case history.Read:
			if at, seen := next[r]; seen && e.Offset < at && !ix.groups[e.Handle] {
				vs = append(vs, Violation{Oracle: 2, Rule: "went-back", Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Handle: e.Handle,
					Message: fmt.Sprintf("delivered after offset %d", at-1)})
			}
			next[r] = e.Offset + 1
		case history.Notice:
			if e.Name == protocol.NoticeReset {
				vs = append(vs, Violation{Oracle: 5, Rule: "reset", Topic: e.Topic, Partition: e.Partition, Handle: e.Handle,
					Message: "the client's position was reset: " + e.Error})
			}
		}
	}
	return vs
}
