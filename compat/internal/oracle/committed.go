package oracle

import (
	"lockstep/compat/internal/history"
)

// committed is oracle 4: no replica shows what is not committed. What is committed stays, so whatever was ever shown at an
// offset is what lies there in the end; what a replica showed and no final log holds was never committed ("vanished"; it
// is not "lost", which is said of acknowledged records that nobody may have shown). Nor does a replica claim a high
// watermark above all that was ever committed, or above what it holds, or give out what lies above the one it claims.
func committed(ix *index) []Violation {
	vs := aboveOwn(ix)
	for _, f := range ix.probes() {
		if l := ix.finals[of(f.Event)]; l != nil && f.pos < l.pos {
			for _, e := range f.batches {
				vs = append(vs, replaced(l, e)...)
			}
		}
	}
	claimed := map[replica]bool{}
	for i := range ix.events {
		e := &ix.events[i]
		l := ix.finals[of(e)]
		if l == nil || i >= l.pos {
			continue
		}
		if e.Kind == history.Read {
			vs = append(vs, shown(ix, l, e)...)
			continue
		}
		r := replica{e.Node, of(e)}
		if hw, known := highWatermark(e); known && hw > l.end && !claimed[r] {
			claimed[r] = true
			v := seen(4, "above-commit", e)
			v.Offset, v.To = l.end, hw
			vs = append(vs, v.say("the replica's high watermark was %d, but the log that was committed ends at %d", hw, l.end))
		}
	}
	return vs
}

// replica is a partition on a node.
type replica struct {
	node int
	tp   tp
}

// highWatermark is what an event says of a replica's high watermark.
func highWatermark(e *history.Event) (int64, bool) {
	switch {
	case e.Kind == history.Replica && e.State != nil:
		return e.State.HighWatermark, true
	case e.Kind == history.Probe && e.Error == "" && e.Answer != nil && e.Answer.Code == 0:
		return e.Answer.HighWatermark, e.Answer.HighWatermark >= 0
	}
	return 0, false
}

// aboveOwn finds what lies above the high watermark that the same answer claims, and high watermarks above the end of
// the replica's own log.
func aboveOwn(ix *index) []Violation {
	var vs []Violation
	for i := range ix.events {
		e := &ix.events[i]
		if e.Kind == history.Replica && e.State.HighWatermark > e.State.LogEnd {
			v := seen(4, "above-log-end", e)
			v.Offset, v.To = e.State.LogEnd, e.State.HighWatermark
			vs = append(vs, v.say("the replica claims a high watermark of %d, but its log ends at %d", e.State.HighWatermark, e.State.LogEnd))
		}
	}
	for _, f := range ix.probes() {
		hw, known := highWatermark(f.Event)
		end := f.To
		if n := len(f.batches); n > 0 {
			end = max(end, f.batches[n-1].Batch.LastOffset+1)
		}
		if known && end > hw && (len(f.batches) > 0 || len(f.reads) > 0) {
			v := seen(4, "above-high-watermark", f.Event)
			v.Offset, v.To = hw, end
			vs = append(vs, v.say("the answer has records up to offset %d, above the high watermark %d that it names", end-1, hw))
		}
	}
	return vs
}

// replaced: a batch that a session was given lies in the final log.
func replaced(l *finalLog, e *history.Event) []Violation {
	b := e.Batch
	v := seen(4, "vanished", e)
	v.Offset, v.To, v.Actual = b.BaseOffset, b.LastOffset+1, b.Body.String()
	last := l.batchAt(b.BaseOffset)
	switch {
	case b.LastOffset < l.from, last != nil && sameBatch(last.Batch, b):
		return nil
	case last == nil && b.BaseOffset >= l.end:
		return []Violation{v.say("the replica gave out a batch of epoch %d that no final log holds: they end at %d", b.LeaderEpoch, l.end)}
	case last == nil:
		return nil // a hole in the copies, or below their start: raw.go says so
	}
	v.Rule, v.Expected = "overwritten", last.Batch.Body.String()
	return []Violation{v.say("the replica gave out the batch %d to %d of epoch %d; in the end the batch %d to %d of epoch %d lies there",
		b.BaseOffset, b.LastOffset, b.LeaderEpoch, last.Batch.BaseOffset, last.Batch.LastOffset, last.Batch.LeaderEpoch)}
}

// shown: a record that anybody was given lies in the final log. A record that nobody sent is not looked at: it was not
// overwritten but is wrong, which other oracles say.
func shown(ix *index, l *finalLog, e *history.Event) []Violation {
	v := seen(4, "vanished", e)
	v.Actual = e.Record.String()
	if e.Offset >= l.end {
		v.Expected = "nothing"
		return []Violation{v.of(ix.at[of(e)][e.Offset]).say("shown to a reader, but in no final log: they end at %d", l.end)}
	}
	last := l.records[e.Offset]
	if last == nil || last.Record.Differs(e.Record) == "" || !ix.wasSent(e) {
		return nil
	}
	v.Rule, v.Expected = "overwritten", last.Record.String()
	return []Violation{v.of(ix.at[of(e)][e.Offset]).say("a record that was sent was shown here; in the end another one lies here, on node %d", last.Node)}
}

// wasSent tells whether somebody sent the record that was read.
func (ix *index) wasSent(e *history.Event) bool {
	for _, w := range ix.alike[looks(of(e), e.Record)] {
		if w.record.Differs(e.Record) == "" {
			return true
		}
	}
	return false
}
