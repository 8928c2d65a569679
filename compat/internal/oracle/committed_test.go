package oracle

import (
	"testing"

	h "lockstep/compat/internal/history"
)

func TestCommitted(t *testing.T) {
	final := join(copied(1, "ab", "12"), copied(2, "ab", "12"))
	three := two(sent("p", 2, "z"), failed("p", 2))
	inEpoch := func(node int, base int64, body string, epoch int32) h.Event {
		return changed(batch("s", node, base, base, body), func(e *h.Event) { e.Batch.LeaderEpoch = epoch })
	}
	check(t, []judged{
		{"shown and kept", join(two(), probe("s", 2, 0, 2, "ab"), final), nil},
		{"shown by one replica, absent in the end", join(three, probe("s", 3, 0, 3, "abz"), final),
			[]string{"4:vanished@2", "4:above-commit@2"}},
		{"shown to a client, absent in the end", join(three, read("c", 2, "z"), final), []string{"4:vanished@2"}},
		{"shown after the copies were taken", join(three, final, read("c", 2, "z")), nil},
		{"another record there in the end", join(sent("p", 0, "a"), ack("p", 0, 0), sent("q", 0, "z"), failed("q", 0), sent("p", 1, "b"),
			probe("s", 3, 0, 2, "az"), ack("p", 1, 1), final), []string{"1:differs@1", "2:two-values@1", "2:two-values@1", "4:overwritten@1"}},
		{"a spoilt record was not overwritten", join(two(), probe("s", 3, 0, 2, "aX"), final), []string{"1:differs@1", "2:two-values@1", "2:two-values@1"}},
		{"a batch of an old leader, replaced", join(probe("s", 3, 1, 2, ""), inEpoch(3, 1, "z", 1), copied(1, "ab", "12")[:3]),
			[]string{"4:overwritten@1"}},
		{"a batch of an old leader, gone", join(probe("s", 3, 2, 3, ""), inEpoch(3, 2, "z", 1), copied(1, "ab", "12")[:3]),
			[]string{"4:vanished@2", "4:above-commit@2"}},
		{"one byte flipped is not overwritten", join(probe("s", 3, 1, 2, ""), inEpoch(3, 1, "X", 2), copied(1, "ab", "12")[:3]),
			[]string{"3:replicas-differ@1"}},
		{"a replica's own word above the end", join(told(3, 5, 1), told(3, 6, 1), final[:3]), []string{"4:above-commit@2"}},
		{"the log goes on after the copy's range", join(told(3, 5, 1),
			changed(ranged("raw-1", 1, 2), func(e *h.Event) { e.Answer = &h.Answer{HighWatermark: 9} }), final[1:3]), nil},
		{"above the high watermark it names", join(two(), probe("s", 2, 0, 1, "ab")), []string{"4:above-high-watermark@1"}},
		{"above its own log end", []h.Event{changed(told(2, 5, 1), func(e *h.Event) { e.State.LogEnd = 4 })}, []string{"4:above-log-end@4"}},
		{"an answer with an error claims nothing", join(refusal("s", 3, 9, 6), final[:3]), nil},
	})
}

// leading is a leader's word.
func leading(node int, epoch int32) h.Event {
	return changed(told(node, 0, epoch), func(e *h.Event) { e.State.Role = "leader" })
}

func TestMonotonic(t *testing.T) {
	span := func(begin, end int64, e h.Event) h.Event { e.Start, e.At = begin, end; return e }
	check(t, []judged{
		{"in answers", join(probe("s", 2, 5, 5, ""), probe("s", 3, 5, 4, ""), probe("s", 2, 5, 4, "")), []string{"5:fell@4"}},
		{"in an answer, after the node said more of itself", join(told(2, 5, 1), probe("s", 2, 5, 4, "")), []string{"5:fell@4"}},
		{"answers that overtook each other", []h.Event{span(10, 20, probe("s", 2, 5, 5, "")[0]), span(12, 30, probe("u", 2, 5, 4, "")[0])}, nil},
		{"told once, and counted from there", []h.Event{told(2, 5, 1), told(2, 3, 1), told(2, 3, 1), told(2, 4, 1)}, []string{"5:fell@3"}},
		{"again", []h.Event{told(2, 5, 1), told(2, 3, 1), told(2, 4, 1), told(2, 2, 1)}, []string{"5:fell@3", "5:fell@2"}},
		{"a wiped node begins anew", []h.Event{told(2, 5, 1), told(3, 5, 1), {Kind: h.Wiped, Node: 2}, told(2, 0, 0), told(3, 4, 1)}, []string{"5:fell@4"}},
		{"epochs of batches", copied(1, "abc", "121")[:4], []string{"5:epoch-order@2"}},
		{"no epoch", []h.Event{ranged("r", 1, 1), changed(batch("r", 1, 0, 0, "x"), func(e *h.Event) { e.Batch.LeaderEpoch = -1 })},
			[]string{"5:epoch-unstamped@0"}},
		{"an epoch that was over", join(leading(1, 4), two(), ranged("r", 1, 2), batch("r", 1, 0, 1, "x")), []string{"5:epoch-unstamped@0"}},
		{"sent before the new leader", join(two(), leading(1, 4), ranged("r", 1, 2), batch("r", 1, 0, 1, "x")), nil},
		{"a candidate's epoch binds nobody", join(told(1, 0, 4), two(), ranged("r", 1, 2), batch("r", 1, 0, 1, "x")), nil},
		{"epochs in answers", []h.Event{
			changed(refusal("s", 2, 0, 6), func(e *h.Event) { e.Answer.LeaderEpoch = 4 }),
			changed(refusal("s", 2, 0, 6), func(e *h.Event) { e.Answer.LeaderEpoch = 3 })}, []string{"5:fell@0"}},
	})
}

func TestSessions(t *testing.T) {
	check(t, []judged{
		{"a session goes on at another replica that lags", join(two(), probe("s", 1, 0, 2, "ab"), probe("s", 2, 2, 1, "")), nil},
		{"another replica knows nothing of the offset", join(two(), probe("s", 1, 0, 2, "ab"), refusal("s", 2, 2, 1)), []string{"5:out-of-range@2"}},
		{"an offset that nobody gave it", join(two(), probe("s", 1, 0, 2, "ab"), refusal("s", 2, 9, 1)), nil},
		{"another session", join(two(), probe("s", 1, 0, 2, "ab"), refusal("r", 2, 2, 1)), nil},
		{"deleted", join(two(), probe("s", 1, 0, 2, "ab"), changed(told(1, 9, 1), func(e *h.Event) { e.State.LogStart = 5 }), refusal("s", 2, 2, 1)), nil},
		{"reset, though nothing was deleted", two(read("c", 0, "a"), h.Event{Kind: h.Notice, Name: "reset", Handle: "c", Topic: "t"}), []string{"5:reset@1"}},
		{"reset, for what was next is deleted", two(read("c", 0, "a"), changed(told(1, 9, 1), func(e *h.Event) { e.State.LogStart = 5 }),
			h.Event{Kind: h.Notice, Name: "reset", Handle: "c", Topic: "t"}), nil},
		{"other data at another replica", join(two(), probe("s", 1, 0, 2, "ab"), probe("s", 2, 1, 2, "a")), []string{"1:differs@1", "2:two-values@1"}},
		{"an answer leaves a record out", join(two(sent("p", 2, "c"), ack("p", 2, 2)), probe("s", 1, 0, 3, "a"), changed(read("s", 2, "c"), func(*h.Event) {})),
			[]string{"5:skipped@1"}},
	})
}

func TestRawAnswers(t *testing.T) {
	whole := join(ranged("r1", 1, 6), batch("r1", 1, 0, 2, "x"), batch("r1", 1, 3, 5, "y"))
	check(t, []judged{
		{"in the middle of a batch", join(whole, probe("m", 2, 4, 6, ""), batch("m", 2, 3, 5, "y")), nil},
		{"at the edge of a segment", join(whole, probe("m", 2, 3, 6, ""), batch("m", 2, 3, 5, "y")), nil},
		{"begins with the next batch", join(whole, probe("m", 2, 1, 6, ""), batch("m", 2, 3, 5, "y")), []string{"3:hole@1"}},
		{"begins with the batch before", join(whole, probe("m", 2, 3, 6, ""), batch("m", 2, 0, 2, "x"), batch("m", 2, 3, 5, "y")),
			[]string{"3:begins-elsewhere@3"}},
		{"other bytes than in the whole copy", join(whole, probe("m", 2, 4, 6, ""), batch("m", 2, 3, 5, "Y")), []string{"3:replicas-differ@3"}},
		{"a hole in an answer", join(probe("m", 2, 0, 6, ""), batch("m", 2, 0, 1, "x"), batch("m", 2, 3, 5, "y")), []string{"3:hole@2"}},
		{"two copies under one name", join(ranged("r1", 1, 3), batch("r1", 1, 0, 2, "x"), whole), nil},
	})
}
