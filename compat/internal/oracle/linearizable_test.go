package oracle

import (
	"testing"

	h "lockstep/compat/internal/history"
)

// asked is a probe that lasted from begin to end and showed a log that ends at hw.
func asked(session string, node int, begin, end, hw int64) h.Event {
	e := probe(session, node, hw, hw, "")[0]
	e.Start, e.At = begin, end
	return e
}

// put is a write that lasted from begin to end; unput one that was never heard of again.
func put(p string, n, begin, end, offset int64) []h.Event {
	s, a := sent(p, n, string(rune('a'+n))), ack(p, n, offset)
	s.At, a.At = begin, end
	return []h.Event{s, a}
}

func unput(p string, n, begin int64) h.Event {
	s := sent(p, n, string(rune('a'+n)))
	s.At = begin
	return s
}

func TestLinearizable(t *testing.T) {
	promised := h.Event{Kind: h.Promised, Handle: "s", Name: h.PromisedLinearizable, Topic: "t"}
	base := join(promised, put("p", 0, 10, 20, 0), put("p", 1, 30, 40, 1))
	check(t, []judged{
		{"sees what was acknowledged", join(base, asked("s", 1, 41, 45, 2), asked("s", 2, 46, 48, 2)), nil},
		{"stale", join(base, asked("s", 2, 41, 45, 1)), []string{"6:not-linearizable@1"}},
		{"stale, but nobody promised", join(base[1:], asked("s", 2, 41, 45, 1)), nil},
		{"while the write is under way, either will do", join(base, asked("s", 1, 31, 35, 1), asked("s", 2, 36, 39, 2)), nil},
		{"another replica goes back while the write is under way", join(base, asked("s", 1, 31, 35, 2), asked("s", 2, 36, 39, 1)),
			[]string{"6:not-linearizable@1"}},
		{"reads at the same time may differ", join(base, asked("s", 1, 31, 39, 2), asked("s", 2, 32, 38, 1)), nil},
		{"shows a write before it was sent", join(base, asked("s", 1, 21, 25, 2)), []string{"6:not-linearizable@1"}},
		{"a write without a verdict may show", join(base, unput("q", 2, 41), asked("s", 1, 50, 55, 3)), nil},
		{"or not", join(base, unput("q", 2, 41), asked("s", 1, 50, 55, 2)), nil},
		{"but not show and vanish", join(base, unput("q", 2, 41), asked("s", 1, 50, 55, 3), asked("s", 1, 56, 58, 2)), []string{"6:not-linearizable@2", "5:fell@2"}},
		{"two sessions, one order", join(base, changed(promised, func(e *h.Event) { e.Handle = "u" }), asked("s", 1, 31, 35, 2), asked("u", 2, 36, 39, 1)),
			[]string{"6:not-linearizable@1"}},
		{"a redirection is no read", join(base, asked("s", 1, 41, 45, 2), changed(asked("s", 1, 46, 48, 1), func(e *h.Event) {
			a := *e.Answer
			a.Preferred = 2
			e.Answer = &a
		})), []string{"5:fell@1"}},
		{"never asked", base, []string{"6:vacuous@0"}},
		{"asked, but only refused", join(base, refusal("s", 1, 0, 6)), []string{"6:vacuous@0"}},
		{"nothing to say when it is seen before it was sent, by nobody known",
			join(promised, put("p", 0, 10, 20, 0), asked("s", 1, 21, 25, 2)), nil},
	})
}

func TestOwnWrites(t *testing.T) {
	promised := h.Event{Kind: h.Promised, Handle: "s", Name: h.PromisedOwnWrites, Writer: "p", Topic: "t"}
	base := join(promised, put("p", 0, 10, 20, 0), put("q", 0, 30, 40, 1))
	check(t, []judged{
		{"its own", join(base, asked("s", 2, 25, 28, 1)), nil},
		{"its own missing", join(base, asked("s", 2, 25, 28, 0)), []string{"6:own-write-unseen@0"}},
		{"another's missing", join(base, asked("s", 2, 41, 45, 1)), nil},
		{"asked before the acknowledgement", join(base, asked("s", 2, 15, 28, 0)), []string{"6:vacuous@0"}},
	})
}
