package oracle

import (
	"fmt"
	"slices"
	"testing"

	h "lockstep/compat/internal/history"
)

// The tables below build histories from these few moves, all on partition 0 of topic t.

func rec(s string) *h.Record { return &h.Record{Key: h.Text("k"), Value: h.Text(s), Timestamp: 7} }

func sent(p string, n int64, v string) h.Event {
	return h.Event{Kind: h.Sent, Handle: p, N: n, Topic: "t", Record: rec(v), Idempotent: true}
}

func plainSent(p string, n int64, v string) h.Event {
	e := sent(p, n, v)
	e.Idempotent = false
	return e
}

func ack(p string, n, offset int64) h.Event {
	return h.Event{Kind: h.Acked, Handle: p, N: n, Topic: "t", Offset: offset}
}

func failed(p string, n int64) h.Event { return h.Event{Kind: h.Failed, Handle: p, N: n, Topic: "t"} }

func read(c string, offset int64, v string) h.Event {
	return h.Event{Kind: h.Read, Handle: c, Topic: "t", Offset: offset, Record: rec(v)}
}

func expect(c string, from, to int64) h.Event {
	return h.Event{Kind: h.Expect, Handle: c, Topic: "t", Offset: from, To: to}
}

func ranged(f string, node int, to int64) h.Event {
	return h.Event{Kind: h.RawRange, Handle: f, Node: node, Topic: "t", To: to}
}

func batch(f string, node int, base, last int64, body string) h.Event {
	return h.Event{Kind: h.Batch, Handle: f, Node: node, Topic: "t",
		Batch: &h.RawBatch{BaseOffset: base, LastOffset: last, LeaderEpoch: 3, CRC: 9, Computed: 9, Body: h.Text(body)}}
}

func told(node int, hw int64, epoch int32) h.Event {
	return h.Event{Kind: h.Replica, Node: node, Topic: "t", State: &h.ReplicaState{HighWatermark: hw, LogEnd: hw, Epoch: epoch}}
}

func wrote(offset int64, body string) h.Event {
	return h.Event{Kind: h.Wrote, Handle: "w", Topic: "t", Offset: offset, Batch: &h.RawBatch{CRC: 9, Computed: 9, Body: h.Text(body)}}
}

func changed(e h.Event, change func(*h.Event)) h.Event {
	if e.Batch != nil {
		b := *e.Batch
		e.Batch = &b
	}
	change(&e)
	return e
}

// two is a sound start: a and b acknowledged at 0 and 1.
func two(more ...h.Event) []h.Event {
	return append([]h.Event{sent("p", 0, "a"), sent("p", 1, "b"), ack("p", 0, 0), ack("p", 1, 1)}, more...)
}

// probe is an answer of a node to a session that asked for offset from on: the records, each one letter of values, come
// with it.
func probe(session string, node int, from, hw int64, values string) []h.Event {
	e := h.Event{Kind: h.Probe, Handle: session, Node: node, Topic: "t", Offset: from, To: from + int64(len(values)),
		Answer: &h.Answer{HighWatermark: hw, Preferred: -1, LeaderEpoch: -1}}
	out := []h.Event{e}
	for i, v := range values {
		r := read(session, from+int64(i), string(v))
		r.Node = node
		out = append(out, r)
	}
	return out
}

// refusal is an answer with an error code.
func refusal(session string, node int, from int64, code int16) h.Event {
	return h.Event{Kind: h.Probe, Handle: session, Node: node, Topic: "t", Offset: from, To: from,
		Answer: &h.Answer{Code: code, HighWatermark: -1, LogStart: -1, LeaderEpoch: -1}}
}

// copied is a final copy of a node with one record a batch, each one letter of values, in the epochs given by the digits.
func copied(node int, values, epochs string) []h.Event {
	f := fmt.Sprintf("raw-%d", node)
	out := []h.Event{ranged(f, node, int64(len(values)))}
	for i, v := range values {
		b := batch(f, node, int64(i), int64(i), string(v))
		b.Batch.LeaderEpoch = int32(epochs[i] - '0')
		out = append(out, b)
	}
	for i, v := range values {
		r := read(f, int64(i), string(v))
		r.Node = node
		out = append(out, r)
	}
	return out
}

func join(parts ...any) []h.Event {
	var out []h.Event
	for _, p := range parts {
		switch p := p.(type) {
		case h.Event:
			out = append(out, p)
		case []h.Event:
			out = append(out, p...)
		}
	}
	return out
}

// stamped gives every event without a time one that tells its place: the nth is at n.
func stamped(events []h.Event) []h.Event {
	events = slices.Clone(events)
	for i := range events {
		if events[i].At == 0 {
			events[i].At = int64(i + 1)
		}
		if events[i].Start == 0 && events[i].Kind == h.Probe {
			events[i].Start = events[i].At
		}
	}
	return events
}

// judged is one row of a table: what the oracles are to find, as oracle:rule@offset, in any order.
type judged struct {
	name   string
	events []h.Event
	want   []string
}

func check(t *testing.T, tests []judged) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			vs := Judge(stamped(tt.events))
			var got []string
			for _, v := range vs {
				got = append(got, fmt.Sprintf("%d:%s@%d", v.Oracle, v.Rule, v.Offset))
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v\n%s", got, tt.want, Summary(vs, 10))
			}
		})
	}
}
