package oracle

import (
	"math"
	"time"

	"lockstep/compat/internal/history"

	"github.com/anishathalye/porcupine"
)

// linearizable is oracle 6: sessions that were promised more than every reader is. What was promised and could not be
// seen, because no probe came back, is a violation (rule "vacuous").
func linearizable(ix *index) []Violation {
	var vs []Violation
	var read []tp // in the order of the promises
	reads := map[tp][]*fetch{}
	for i := range ix.events {
		e := &ix.events[i]
		if e.Kind != history.Promised {
			continue
		}
		probes := ix.kept(e, i)
		if len(probes) == 0 {
			vs = append(vs, seen(6, "vacuous", e).say("%s was promised, but no probe of the session came back", e.Name))
			continue
		}
		switch e.Name {
		case history.PromisedLinearizable:
			if reads[of(e)] == nil {
				read = append(read, of(e))
			}
			reads[of(e)] = append(reads[of(e)], probes...)
		case history.PromisedOwnWrites:
			vs = append(vs, ownWrites(ix, e, probes)...)
		}
	}
	for _, key := range read {
		vs = append(vs, atomicLog(ix, key, reads[key])...)
	}
	return vs
}

// kept are the probes by which a promise is measured: those after it that were answered, and not sent to another replica.
func (ix *index) kept(promise *history.Event, pos int) []*fetch {
	var out []*fetch
	for _, f := range ix.probes() {
		if f.pos > pos && f.Handle == promise.Handle && of(f.Event) == of(promise) && f.answered() && f.Answer.Preferred <= 0 {
			out = append(out, f)
		}
	}
	return out
}

// end is the end of the log that an answer shows.
func (f *fetch) end() int64 {
	if f.Answer.HighWatermark >= 0 {
		return f.Answer.HighWatermark
	}
	return f.To
}

// ownWrites: what the session's writer was told is stored before the session asked lies below the end it was shown.
func ownWrites(ix *index, promise *history.Event, probes []*fetch) []Violation {
	var vs []Violation
	any := false
	for _, f := range probes {
		var missed *write
		for _, w := range ix.at[of(promise)] {
			if w.handle != promise.Writer || w.ackedAt >= f.Start {
				continue
			}
			any = true
			if w.offset >= f.end() && (missed == nil || w.offset < missed.offset) {
				missed = w
			}
		}
		if missed != nil {
			vs = append(vs, stale(f, "own-write-unseen", missed))
		}
	}
	if !any {
		vs = append(vs, seen(6, "vacuous", promise).say("no probe of the session came after a write of %s", promise.Writer))
	}
	return vs
}

func stale(f *fetch, rule string, w *write) Violation {
	v := seen(6, rule, f.Event).of(w)
	v.Offset, v.Expected = w.offset, w.record.String()
	return v.say("record %d of %s had been acknowledged %v before the session asked, but the answer ends at %d",
		w.n, w.handle, time.Duration(f.Start-w.ackedAt).Round(time.Microsecond), f.end())
}

// The model of a partition is its length: what lies where is judged by other oracles. An append can take place where
// the log has the length of the offset it was given; a read where it has the length that was read.
type logStep struct {
	append bool
	at     int64 // the offset given, or the length read
}

func logModel(from int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return from },
		Step: func(state, input, _ any) (bool, any) {
			length, step := state.(int64), input.(logStep)
			if step.at != length {
				return false, state
			}
			if step.append {
				length++
			}
			return true, length
		},
	}
}

const (
	// checkFor is how long a partition's operations may be searched for an order.
	checkFor = 2 * time.Second
	// mostSteps bounds the operations: the checker's memory grows with their square.
	mostSteps = 6000
)

// atomicLog asks Porcupine for an order of a partition's appends and reads in which each takes place between its
// beginning and its end. A write without a verdict may take place at any time after it was sent, or never.
func atomicLog(ix *index, key tp, probes []*fetch) []Violation {
	steps, from := operations(ix, key, probes)
	v := seen(6, "unknown", probes[0].Event)
	if len(steps) > mostSteps {
		return []Violation{v.say("%d operations are too many to be checked (at most %d)", len(steps), mostSteps)}
	}
	switch porcupine.CheckOperationsTimeout(logModel(from), steps, checkFor) {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return []Violation{v.say("no order of %d operations was found, nor was it shown that there is none, within %v", len(steps), checkFor)}
	}
	if vs := culprits(ix, key, probes); len(vs) > 0 {
		return vs
	}
	v.Rule = "not-linearizable"
	return []Violation{v.say("there is no order in which the %d operations on the partition can have happened one after the other", len(steps))}
}

// operations lays out a partition's appends and reads. Appends below all that was read, and begun before the first read,
// took place before it: they are the log's start. Those sent when the last read had ended cannot matter.
func operations(ix *index, key tp, probes []*fetch) (steps []porcupine.Operation, from int64) {
	first, last, low, top := int64(math.MaxInt64), int64(0), int64(math.MaxInt64), int64(0)
	for i, f := range probes {
		first, last, low, top = min(first, f.Start), max(last, f.At), min(low, f.end()), max(top, f.end())
		steps = append(steps, porcupine.Operation{ClientId: i, Input: logStep{at: f.end()}, Call: f.Start, Return: f.At})
	}
	for offset, w := range ix.at[key] {
		if w.sentAt <= last {
			top = max(top, offset+1)
		}
	}
	unresolved := ix.earliestUnresolved(key)
	for offset := range top {
		call, ret := ix.appended(place{key, offset}, unresolved)
		if offset == from && offset < low && call < first {
			from++
			continue
		}
		steps = append(steps, porcupine.Operation{ClientId: len(steps), Input: logStep{append: true, at: offset}, Call: call, Return: ret})
	}
	return steps, from
}

// appended is between which moments a record came to its place. Of one that nobody was told of, that is any time since a
// write was sent of which nobody knows where it lies.
func (ix *index) appended(at place, unresolved int64) (call, ret int64) {
	if w := ix.at[at.tp][at.offset]; w != nil {
		return w.sentAt, w.ackedAt
	}
	if w := ix.placed[at]; w != nil {
		return w.sentAt, math.MaxInt64
	}
	return unresolved, math.MaxInt64
}

// earliestUnresolved is when the first write was sent of which nobody knows where it lies: from then on it may lie
// anywhere. Where there is none, but a place is taken all the same, nothing is known of the time.
func (ix *index) earliestUnresolved(key tp) int64 {
	first := int64(math.MaxInt64)
	for _, w := range ix.writes {
		if w.tp == key && w.offset < 0 {
			first = min(first, w.sentAt)
		}
	}
	if first == math.MaxInt64 {
		return 0
	}
	return first
}

// culprits names reads that cannot be, where one look shows it: a read below what had been acknowledged, below what an
// earlier read had shown, or above what had been sent.
func culprits(ix *index, key tp, probes []*fetch) []Violation {
	var vs []Violation
	for _, f := range probes {
		var missed *write
		for _, w := range ix.at[key] {
			if w.ackedAt < f.Start && w.offset >= f.end() && (missed == nil || w.offset < missed.offset) {
				missed = w
			}
		}
		if missed != nil {
			vs = append(vs, stale(f, "not-linearizable", missed))
			continue
		}
		for _, g := range probes {
			if g.At < f.Start && g.end() > f.end() {
				v := seen(6, "not-linearizable", f.Event)
				v.Offset, v.To = f.end(), g.end()
				vs = append(vs, v.say("the answer ends at %d; a read by %s on node %d, which had ended before, had shown %d", f.end(), g.Handle, g.Node, g.end()))
				break
			}
		}
		if w := ix.at[key][f.end()-1]; w != nil && w.sentAt > f.At {
			v := seen(6, "not-linearizable", f.Event).of(w)
			v.Offset = w.offset
			vs = append(vs, v.say("the answer ends at %d, before record %d of %s, which lies below, was sent", f.end(), w.n, w.handle))
		}
	}
	return vs
}
