package oracle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

func replica(node int, hw int64, epoch int32) h.Event {
	return h.Event{Kind: h.Replica, Node: node, Topic: "t", State: &h.ReplicaState{HighWatermark: hw, Epoch: epoch}}
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

func TestJudge(t *testing.T) {
	partial := changed(read("c", 0, "a"), func(e *h.Event) { e.Record.Partial, e.Record.Timestamp = true, 0 })
	tests := []struct {
		name   string
		events []h.Event
		want   []string // oracle:rule@offset, in any order
	}{
		{"sound", two(read("c", 0, "a"), read("c", 1, "b"), expect("c", 0, 2)), nil},
		{"read before the ack is known", []h.Event{sent("p", 0, "a"), read("c", 0, "a"), ack("p", 0, 0), expect("c", 0, 1)}, nil},
		{"nothing read", two(expect("c", 0, 2)), []string{"1:vacuous@0"}},
		{"one missing, nobody looked", two(read("c", 0, "a"), expect("c", 0, 2)), []string{"1:missing@1"}},
		{"one missing from the logs too", two(read("c", 0, "a"), expect("c", 0, 2), ranged("r", 1, 1), batch("r", 1, 0, 0, "x")),
			[]string{"1:lost@1"}},
		{"one missing but in the logs", two(read("c", 0, "a"), expect("c", 0, 2), ranged("r", 1, 2), batch("r", 1, 0, 1, "x")),
			[]string{"1:undelivered@1"}},
		{"outside what was expected", two(read("c", 1, "b"), expect("c", 1, 2)), nil},
		{"another value", two(read("c", 0, "a"), read("c", 1, "B"), expect("c", 0, 2)), []string{"1:differs@1"}},
		{"another timestamp", two(changed(read("c", 0, "a"), func(e *h.Event) { e.Record.Timestamp = 8 })), []string{"1:differs@0"}},
		{"a client that shows no timestamps", two(partial), nil},
		{"a record that nobody sent", two(read("c", 2, "z")), []string{"1:phantom@2"}},
		{"ack of what was never sent", two(ack("p", 9, 5)), []string{"1:stray-ack@5"}},
		{"acked twice", two(ack("p", 0, 5)), []string{"1:stray-ack@5"}},
		{"given up, stored all the same", two(sent("p", 2, "c"), failed("p", 2), read("c", 2, "c"), read("d", 2, "c")), nil},
		{"given up, stored twice", two(sent("p", 2, "c"), failed("p", 2), read("c", 2, "c"), read("c", 3, "c")), []string{"2:duplicate@3"}},
		{"acked and stored twice", two(read("c", 0, "a"), read("c", 1, "b"), read("c", 2, "b")), []string{"2:duplicate@2"}},
		{"stored twice by a producer without idempotence",
			[]h.Event{plainSent("p", 0, "a"), ack("p", 0, 0), read("c", 0, "a"), read("c", 1, "a")}, nil},
		{"acked without offset, found", []h.Event{sent("p", 0, "a"), ack("p", 0, -1), read("c", 4, "a"), expect("c", 0, 5)}, nil},
		{"acked without offset, not found", []h.Event{sent("p", 0, "a"), sent("p", 1, "b"), ack("p", 0, -1), ack("p", 1, -1),
			read("c", 4, "a"), expect("c", 0, 5)}, []string{"1:missing@-1"}},

		{"two records, one offset", two(sent("p", 2, "c"), ack("p", 2, 1)), []string{"2:shared-offset@1", "2:order@1"}},
		{"two readers disagree", two(sent("p", 2, "c"), failed("p", 2), read("c", 2, "c"), read("d", 2, "C")),
			[]string{"1:differs@2", "2:two-values@2"}},
		{"out of the order of sending", []h.Event{sent("p", 0, "a"), sent("p", 1, "b"), ack("p", 0, 1), ack("p", 1, 0)}, []string{"2:order@0"}},
		{"a reader goes back", two(read("c", 0, "a"), read("c", 1, "b"), read("c", 0, "a")), []string{"2:went-back@0"}},
		{"a reader is sent back", two(read("c", 0, "a"), read("c", 1, "b"), h.Event{Kind: h.Sought, Handle: "c", Topic: "t"}, read("c", 0, "a")), nil},
		{"a reset", two(h.Event{Kind: h.Notice, Name: "reset", Handle: "c", Topic: "t"}), []string{"5:reset@0"}},
		{"another notice", two(h.Event{Kind: h.Notice, Name: "error", Handle: "c", Topic: "t"}), nil},
		{"a group moved it", two(h.Event{Kind: h.Opened, Handle: "c", Group: true}, read("c", 1, "b"), read("c", 0, "a")), nil},

		{"replicas agree", []h.Event{ranged("r1", 1, 4), ranged("r2", 2, 4), batch("r1", 1, 0, 1, "x"), batch("r1", 1, 2, 3, "y"),
			batch("r2", 2, 0, 1, "x"), batch("r2", 2, 2, 3, "y"), wrote(2, "y")}, nil},
		{"a range that begins inside a batch", []h.Event{changed(ranged("r1", 1, 4), func(e *h.Event) { e.Offset = 1 }), batch("r1", 1, 0, 3, "x")}, nil},
		{"wrong crc", []h.Event{ranged("r1", 1, 2), changed(batch("r1", 1, 0, 1, "x"), func(e *h.Event) { e.Batch.CRC = 8 })}, []string{"3:crc@0"}},
		{"other bytes", []h.Event{batch("r1", 1, 0, 1, "x"), batch("r2", 2, 0, 1, "X")}, []string{"3:replicas-differ@0"}},
		{"another batch length", []h.Event{batch("r1", 1, 0, 1, "x"), batch("r2", 2, 0, 2, "x")}, []string{"3:replicas-differ@0"}},
		{"another epoch", []h.Event{batch("r1", 1, 0, 1, "x"), changed(batch("r2", 2, 0, 1, "x"), func(e *h.Event) { e.Batch.LeaderEpoch = 4 })},
			[]string{"3:epochs-differ@0"}},
		{"a hole", []h.Event{ranged("r1", 1, 5), batch("r1", 1, 0, 1, "x"), batch("r1", 1, 3, 4, "y")}, []string{"3:hole@2"}},
		{"overlap", []h.Event{ranged("r1", 1, 4), batch("r1", 1, 0, 2, "x"), batch("r1", 1, 2, 3, "y")}, []string{"3:hole@3"}},
		{"too short", []h.Event{ranged("r1", 1, 3), batch("r1", 1, 0, 1, "x")}, []string{"3:hole@2"}},
		{"a replica that answers with an error", []h.Event{changed(ranged("r1", 1, 3), func(e *h.Event) { e.Error = "6" })}, []string{"3:raw-fetch@0"}},
		{"replicas rise", []h.Event{replica(1, 5, 2), replica(2, 3, 1), replica(1, 5, 2), replica(2, 5, 2)}, nil},
		{"a high watermark falls", []h.Event{replica(1, 5, 2), replica(2, 5, 2), replica(1, 4, 2)}, []string{"5:fell@4"}},
		{"an epoch falls", []h.Event{replica(1, 5, 2), replica(1, 5, 1)}, []string{"5:fell@5"}},

		{"not as sent", []h.Event{ranged("r1", 1, 2), batch("r1", 1, 0, 1, "x"), wrote(0, "X")}, []string{"3:not-as-sent@0"}},
		{"sent, but no copy could be had", []h.Event{changed(ranged("r1", 1, 3), func(e *h.Event) { e.Error = "6" }), wrote(7, "x")},
			[]string{"3:raw-fetch@0"}},
		{"sent, but not there", []h.Event{ranged("r1", 1, 2), batch("r1", 1, 0, 1, "x"), wrote(7, "x")}, []string{"3:not-as-sent@7"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, v := range Judge(tt.events) {
				got = append(got, fmt.Sprintf("%d:%s@%d", v.Oracle, v.Rule, v.Offset))
			}
			slices.Sort(got)
			slices.Sort(tt.want)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v\n%s", got, tt.want, Summary(Judge(tt.events), 10))
			}
		})
	}
}

func TestLongestStill(t *testing.T) {
	at := func(ms int64, e h.Event) h.Event { e.At = ms * 1e6; return e }
	tests := []struct {
		name   string
		events []h.Event
		want   Still
	}{
		{"nothing", nil, Still{}},
		{"a reader waits for what is there", []h.Event{
			at(1, sent("p", 0, "a")), at(2, ack("p", 0, 0)), at(100, read("c", 0, "a")),
			at(110, sent("p", 1, "b")), at(120, ack("p", 1, 1)), at(420, read("c", 1, "b")), at(421, expect("c", 0, 2))},
			Still{"c", 300 * time.Millisecond, 120e6}},
		{"idle is not unavailable", []h.Event{
			at(1, sent("p", 0, "a")), at(2, ack("p", 0, 0)), at(3, read("c", 0, "a")),
			at(5000, sent("p", 1, "b")), at(5002, ack("p", 1, 1)), at(5003, read("c", 1, "b")), at(5003, expect("c", 0, 2))},
			Still{"p", 2 * time.Millisecond, 5000e6}},
		{"a reader quicker than the ack", []h.Event{
			at(1, sent("p", 0, "a")), at(2, read("c", 0, "a")), at(3, ack("p", 0, 0)), at(900, expect("c", 0, 1))},
			Still{"p", 2 * time.Millisecond, 1e6}},
		{"a producer waits to the end", []h.Event{at(1, sent("p", 0, "a")), at(501, expect("c", 0, 1))},
			Still{"p", 500 * time.Millisecond, 1e6}},
	}
	for _, tt := range tests {
		if got := LongestStill(tt.events); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestViolationsSayWhatAndWhere(t *testing.T) {
	s := Summary(Judge(two(read("c", 0, "A"), read("c", 1, "B"))), 1)
	for _, want := range []string{"oracle 1", "differs", "t-0 offset 0", `"a"`, `"A"`, "1 more"} {
		if !strings.Contains(s, want) {
			t.Errorf("%q is not in %q", want, s)
		}
	}
}
