package oracle

import (
	"strings"
	"testing"

	h "lockstep/compat/internal/history"
)

func TestJudge(t *testing.T) {
	partial := changed(read("c", 0, "a"), func(e *h.Event) { e.Record.Partial, e.Record.Timestamp = true, 0 })
	check(t, []judged{
		{"sound", two(read("c", 0, "a"), read("c", 1, "b"), expect("c", 0, 2)), nil},
		{"read before the ack is known", []h.Event{sent("p", 0, "a"), read("c", 0, "a"), ack("p", 0, 0), expect("c", 0, 1)}, nil},
		{"nothing read", two(expect("c", 0, 2)), []string{"8:missing@0"}},
		{"nothing there, nothing read", []h.Event{expect("c", 0, 2)}, []string{"1:vacuous@0"}},
		{"one missing, nobody looked", two(read("c", 0, "a"), expect("c", 0, 2)), []string{"8:missing@1"}},
		{"one missing from the logs too", two(read("c", 0, "a"), expect("c", 0, 2), ranged("r", 1, 1), batch("r", 1, 0, 0, "x")),
			[]string{"8:lost@1"}},
		{"one missing but in the logs", two(read("c", 0, "a"), expect("c", 0, 2), ranged("r", 1, 2), batch("r", 1, 0, 1, "x")),
			[]string{"8:undelivered@1"}},
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
		{"other bytes", []h.Event{ranged("r1", 1, 2), ranged("r2", 2, 2), batch("r1", 1, 0, 1, "x"), batch("r2", 2, 0, 1, "X")}, []string{"3:replicas-differ@0"}},
		{"another batch length", []h.Event{ranged("r1", 1, 2), ranged("r2", 2, 2), batch("r1", 1, 0, 1, "x"), batch("r2", 2, 0, 2, "x")}, []string{"3:replicas-differ@0"}},
		{"another epoch", []h.Event{ranged("r1", 1, 2), ranged("r2", 2, 2), batch("r1", 1, 0, 1, "x"), changed(batch("r2", 2, 0, 1, "x"), func(e *h.Event) { e.Batch.LeaderEpoch = 4 })},
			[]string{"3:epochs-differ@0"}},
		{"a hole", []h.Event{ranged("r1", 1, 5), batch("r1", 1, 0, 1, "x"), batch("r1", 1, 3, 4, "y")}, []string{"3:hole@2"}},
		{"overlap", []h.Event{ranged("r1", 1, 4), batch("r1", 1, 0, 2, "x"), batch("r1", 1, 2, 3, "y")}, []string{"3:hole@3"}},
		{"too short", []h.Event{ranged("r1", 1, 3), batch("r1", 1, 0, 1, "x")}, []string{"3:hole@2"}},
		{"a replica that answers with an error", []h.Event{changed(ranged("r1", 1, 3), func(e *h.Event) { e.Error = "6" })}, []string{"3:raw-fetch@0"}},
		{"replicas rise", []h.Event{told(1, 5, 2), told(2, 3, 1), told(1, 5, 2), told(2, 5, 2)}, nil},
		{"a high watermark falls", []h.Event{told(1, 5, 2), told(2, 5, 2), told(1, 4, 2)}, []string{"5:fell@4"}},
		{"an epoch falls", []h.Event{told(1, 5, 2), told(1, 5, 1)}, []string{"5:fell@5"}},

		{"not as sent", []h.Event{ranged("r1", 1, 2), batch("r1", 1, 0, 1, "x"), wrote(0, "X")}, []string{"3:not-as-sent@0"}},
		{"sent, but no copy could be had", []h.Event{changed(ranged("r1", 1, 3), func(e *h.Event) { e.Error = "6" }), wrote(7, "x")},
			[]string{"3:raw-fetch@0"}},
		{"sent, but not there", []h.Event{wrote(7, "x"), ranged("r1", 1, 2), batch("r1", 1, 0, 1, "x")}, []string{"3:not-as-sent@7"}},
	})
}

func TestViolationsSayWhatAndWhere(t *testing.T) {
	s := Summary(Judge(two(read("c", 0, "A"), read("c", 1, "B"))), 1)
	for _, want := range []string{"oracle 1", "differs", "t-0 offset 0", `"a"`, `"A"`, "1 more"} {
		if !strings.Contains(s, want) {
			t.Errorf("%q is not in %q", want, s)
		}
	}
}
