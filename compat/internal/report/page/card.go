package page

import (
	"fmt"
	"time"

	"lockstep/compat/internal/history"
	"lockstep/compat/internal/oracle"
	"lockstep/compat/internal/report/timeline"
)

// card is all that is known of one violation.
type card struct {
	oracle.Violation
	Where    string // topic, partition, offset or offsets
	Meaning  string // what the rule's word means, for those that need it
	When     string // in the cell's time
	AckedWhy string
	Fields   []field
	Log      []logLine
	Again    string
}

// field is one part of a record, or a batch, as it was to be and as it came.
type field struct {
	Name             string
	Expected, Actual *side
}

// mostCards are shown for a cell: the ones after it tell the same story mostly.
const mostCards = 10

var oracleNames = map[int]string{1: "acknowledged and read", 2: "one offset, one value", 3: "raw equality", 4: "never above the commit",
	5: "monotonic", 6: "linearizable", 7: "progress", 8: "unread tail"}

// OracleName says what the oracle is about.
func (c card) OracleName() string { return oracleNames[c.Oracle] }

var meanings = map[string]string{
	"lost":        "lost: it was acknowledged, and no replica's log has it",
	"undelivered": "undelivered: the brokers' logs have it, but this client was not given it",
}

func cards(vs []oracle.Violation, d *timeline.Cell, logs []logLine, again string) (out []card, more int) {
	for i, v := range vs {
		if i == mostCards {
			return out, len(vs) - mostCards
		}
		out = append(out, newCard(v, d, logs, again))
	}
	return out, 0
}

func newCard(v oracle.Violation, d *timeline.Cell, logs []logLine, again string) card {
	c := card{Violation: v, Meaning: meanings[v.Rule], Again: again, Where: fmt.Sprintf("%s-%d offset %d", v.Topic, v.Partition, v.Offset)}
	if v.To > v.Offset+1 {
		c.Where = fmt.Sprintf("%s-%d offsets %d to %d", v.Topic, v.Partition, v.Offset, v.To-1)
	}
	f := find(v, d.Events)
	if at := firstSet(v.At, at(f.read), at(f.batch), v.AckedAt, at(f.acked)); at != 0 {
		c.When = fmt.Sprintf("%.3f s into the cell (%s)", float64(at-d.First)/1e9, time.Unix(0, at).UTC().Format("15:04:05.000 UTC"))
		c.Log = around(logs, at)
	}
	if f.acked != nil {
		c.AckedWhy = fmt.Sprintf("record %d of %s, acknowledged at offset %d, %.3f s into the cell", f.acked.N, f.acked.Handle, f.acked.Offset, float64(f.acked.At-d.First)/1e9)
	}
	c.Fields = fields(f)
	return c
}

func at(e *history.Event) int64 {
	if e == nil {
		return 0
	}
	return e.At
}

func firstSet(ns ...int64) int64 {
	for _, n := range ns {
		if n != 0 {
			return n
		}
	}
	return 0
}

// evidence are the events that a violation is about; nil where there is none.
type evidence struct {
	sent, acked *history.Event // the write at the offset
	read        *history.Event // what was delivered instead
	batch       *history.Event // what a replica showed instead
	other       *history.Event // what it is compared with, where that is not a write: another batch at the place, or what was sent raw
}

// find looks the events up. Who is the acknowledged write of an offset is told by the violation, or else by the offset.
func find(v oracle.Violation, events []history.Event) evidence {
	var f evidence
	for i := range events {
		e := &events[i]
		here := e.Topic == v.Topic && e.Partition == v.Partition
		switch {
		case e.Kind == history.Acked && v.AckedBy != "" && e.Handle == v.AckedBy && e.N == v.AckedN,
			e.Kind == history.Acked && v.AckedBy == "" && here && e.Offset == v.Offset && f.acked == nil:
			f.acked = e
		case e.Kind == history.Read && here && e.Offset == v.Offset && (v.Handle == "" || e.Handle == v.Handle):
			f.read = nearest(f.read, e, v.At)
		case e.Kind == history.Batch && here && e.Batch.BaseOffset <= v.Offset && v.Offset <= e.Batch.LastOffset && v.Oracle != 1 && v.Oracle != 8:
			if e.Handle == v.Handle && (v.Node == 0 || e.Node == v.Node) {
				f.batch = nearest(f.batch, e, v.At)
			} else if f.other == nil {
				f.other = e
			}
		case e.Kind == history.Wrote && here && e.Offset == v.Offset && v.Rule == "not-as-sent":
			f.other = e
		}
	}
	if f.acked != nil {
		for i := range events {
			if e := &events[i]; e.Kind == history.Sent && e.Handle == f.acked.Handle && e.N == f.acked.N {
				f.sent = e
			}
		}
	}
	return f
}

// nearest is whichever of two events lies nearer to a moment; the first where that is not known.
func nearest(a, b *history.Event, at int64) *history.Event {
	if a == nil || at != 0 && max(b.At-at, at-b.At) < max(a.At-at, at-a.At) {
		return b
	}
	return a
}

// fields compares what there is: records where the violation has one, else batches.
func fields(f evidence) []field {
	switch {
	case f.batch != nil:
		var want *history.Bytes
		if f.other != nil {
			want = &f.other.Batch.Body
			if want.Equal(f.batch.Batch.Body) {
				return nil // it is not the bytes that are wrong
			}
		}
		e, a := compareBytes(want, &f.batch.Batch.Body)
		return []field{{"batch, from byte 16 on", e, a}}
	case f.sent == nil && f.read == nil:
		return nil
	}
	var want, got history.Record
	if f.sent != nil && f.sent.Record != nil {
		want = *f.sent.Record
	}
	if f.read != nil && f.read.Record != nil {
		got = *f.read.Record
	}
	pick := func(b history.Bytes, there bool) *history.Bytes {
		if !there {
			return nil
		}
		return &b
	}
	var out []field
	add := func(name string, w, g history.Bytes, both bool) {
		if both && f.sent != nil && f.read != nil && w.Equal(g) {
			return // only what differs is of interest
		}
		e, a := compareBytes(pick(w, f.sent != nil), pick(g, f.read != nil))
		out = append(out, field{name, e, a})
	}
	add("key", want.Key, got.Key, true)
	add("value", want.Value, got.Value, true)
	for i := range max(len(want.Headers), len(got.Headers)) {
		var w, g history.Header
		if i < len(want.Headers) {
			w = want.Headers[i]
		}
		if i < len(got.Headers) {
			g = got.Headers[i]
		}
		if w.Name != g.Name && f.sent != nil && f.read != nil {
			add(fmt.Sprintf("name of header %d", i+1), history.Text(w.Name), history.Text(g.Name), false)
		}
		add(fmt.Sprintf("header %d, %s", i+1, firstText(w.Name, g.Name)), w.Value, g.Value, true)
	}
	return out
}

func firstText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
