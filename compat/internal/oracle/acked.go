package oracle

import (
	"fmt"

	"lockstep/compat/internal/history"
)

// acked is oracle 1: acknowledged records are read, where and as they were acknowledged; nothing else is read but
// what was sent and has no verdict.
func acked(ix *index) []Violation {
	var vs []Violation
	for _, e := range ix.strays {
		vs = append(vs, Violation{Oracle: 1, Rule: "stray-ack", Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Handle: e.Handle,
			Message: fmt.Sprintf("record %d was acknowledged, but was never sent, or had been acknowledged before", e.N)})
	}
	for _, e := range ix.expects {
		vs = append(vs, missing(ix, e)...)
	}
	return append(vs, unequal(ix)...)
}

// missing checks one reader against what it was meant to read.
func missing(ix *index, expect history.Event) []Violation {
	key := tp{expect.Topic, expect.Partition}
	read := ix.byReads[expect.Handle][key]
	var vs []Violation
	if len(read) == 0 {
		return []Violation{{Oracle: 1, Rule: "vacuous", Topic: key.topic, Partition: key.partition, Handle: expect.Handle,
			Message: "the reader read nothing, so nothing was checked"}}
	}
	for _, offset := range sorted(ix.at[key]) {
		if offset < expect.Offset || offset >= expect.To || read[offset] {
			continue
		}
		w := ix.at[key][offset]
		rule, why := "missing", "acknowledged but not read (no raw fetch tells whether it is lost)"
		if in, known := ix.inLog(key, offset); in {
			rule, why = "undelivered", "acknowledged and in the replicas' logs, but not delivered"
		} else if known {
			rule, why = "lost", "acknowledged, but absent from every replica's log"
		}
		vs = append(vs, Violation{Oracle: 1, Rule: rule, Topic: key.topic, Partition: key.partition, Offset: offset, Handle: expect.Handle,
			Expected: w.record.String(), Actual: "nothing", Message: fmt.Sprintf("record %d of %s: %s", w.n, w.handle, why)})
	}
	return vs
}

// place is an offset of a partition.
type place struct {
	tp     tp
	offset int64
}

// unequal checks every record read against the write that belongs there. Reads at an offset without an
// acknowledgement are matched with writes whose offset nobody knows (no verdict, given up, or a client that tells
// none), each of which can stand in one place only.
func unequal(ix *index) []Violation {
	unplaced := map[tp][]*write{}
	for _, w := range ix.writes {
		if w.offset < 0 {
			unplaced[w.tp] = append(unplaced[w.tp], w)
		}
	}
	placed := map[place]*write{}
	bad := map[place]bool{}
	var vs []Violation
	for _, e := range ix.reads {
		at := place{tp{e.Topic, e.Partition}, e.Offset}
		w := ix.at[at.tp][e.Offset]
		if w == nil {
			w = placed[at]
		}
		if w == nil && !bad[at] {
			if w = take(unplaced, at.tp, e.Record); w != nil {
				placed[at] = w
			}
		}
		switch {
		case w != nil:
			if field := w.record.Differs(e.Record); field != "" {
				vs = append(vs, Violation{Oracle: 1, Rule: "differs", Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Handle: e.Handle,
					Expected: w.record.String(), Actual: e.Record.String(), Message: fmt.Sprintf("record %d of %s came back with another %s", w.n, w.handle, field)})
			}
		case !bad[at]:
			bad[at] = true
			if v, is := stranger(ix, e); is {
				vs = append(vs, v)
			}
		}
	}
	return append(vs, unfound(ix, placed)...)
}

// take finds and removes the first unplaced write that equals r.
func take(unplaced map[tp][]*write, key tp, r *history.Record) *write {
	for i, w := range unplaced[key] {
		if w.record.Differs(r) == "" {
			unplaced[key] = append(unplaced[key][:i:i], unplaced[key][i+1:]...)
			return w
		}
	}
	return nil
}

// stranger says what a record is that stands where nothing was put: a second copy of a record (a violation of
// oracle 2 where its producer promises that there is none), or one that nobody sent.
func stranger(ix *index, e history.Event) (Violation, bool) {
	v := Violation{Oracle: 1, Rule: "phantom", Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Handle: e.Handle,
		Actual: e.Record.String(), Message: "read, but nobody sent it"}
	for _, w := range ix.writes {
		if w.tp == (tp{e.Topic, e.Partition}) && w.record.Differs(e.Record) == "" {
			v.Oracle, v.Rule = 2, "duplicate"
			v.Message = fmt.Sprintf("record %d of %s (offset %d) stands here a second time", w.n, w.handle, w.offset)
			return v, w.idempotent
		}
	}
	return v, true
}

// unfound: what a client acknowledged without telling the offset must have been found somewhere, once all that
// was asked to be read was read.
func unfound(ix *index, placed map[place]*write) []Violation {
	found := map[*write]bool{}
	for _, w := range placed {
		found[w] = true
	}
	expected := map[tp]bool{}
	for _, e := range ix.expects {
		expected[tp{e.Topic, e.Partition}] = true
	}
	var vs []Violation
	for _, w := range ix.writes {
		if w.acked && w.offset < 0 && !found[w] && expected[w.tp] {
			vs = append(vs, Violation{Oracle: 1, Rule: "missing", Topic: w.tp.topic, Partition: w.tp.partition, Offset: -1,
				Expected: w.record.String(), Message: fmt.Sprintf("record %d of %s was acknowledged, but no reader read it", w.n, w.handle)})
		}
	}
	return vs
}
