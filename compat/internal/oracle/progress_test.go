package oracle

import (
	"slices"
	"strings"
	"testing"
	"time"

	h "lockstep/compat/internal/history"
)

// at puts an event at a time, in ms.
func at(ms int64, e h.Event) h.Event { e.At = ms * 1e6; return e }

func fault(kind h.Kind, name string) h.Event { return h.Event{Kind: kind, Name: name} }

func mustResume(handle, fault string, on h.Kind, within time.Duration) h.Event {
	return h.Event{Kind: h.MustResume, Handle: handle, Name: fault, On: on, Within: within.Nanoseconds()}
}

// cut is a writer and a reader, a fault at 100 ms that bites at 110 and is healed at 1000. The writer goes on at 400;
// the reader is given at 300 what was acknowledged before, and at 1200 the first record since.
var cut = []h.Event{
	at(1, sent("p", 0, "a")), at(2, ack("p", 0, 0)), at(3, sent("p", 1, "b")), at(4, ack("p", 1, 1)), at(5, read("c", 0, "a")),
	at(100, fault(h.Fault, "cut")), at(105, sent("p", 2, "c")), at(110, fault(h.Bitten, "cut")), at(300, read("c", 1, "b")),
	at(400, ack("p", 2, 2)), at(1000, fault(h.Healed, "cut")), at(1200, read("c", 2, "c")), at(1300, sent("p", 3, "d")), at(1310, ack("p", 3, 3)),
	at(1320, read("c", 3, "d")), at(1330, fault(h.Gone, "cut")),
}

func TestResumes(t *testing.T) {
	ms := time.Millisecond
	want := []Resumed{
		{Fault: "cut", On: h.Fault, At: 100e6, Handle: "p", Writer: true, For: 300 * ms},
		{Fault: "cut", On: h.Fault, At: 100e6, Handle: "c", For: 1100 * ms},
		{Fault: "cut", On: h.Healed, At: 1000e6, Handle: "p", Writer: true, For: 310 * ms},
		// What had been acknowledged during the cut was known before the healing; the first record since came at 1320.
		{Fault: "cut", On: h.Healed, At: 1000e6, Handle: "c", For: 320 * ms},
	}
	if got := Resumes(cut); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestProgress(t *testing.T) {
	second := time.Second
	check(t, []judged{
		{"in time", append(cut[:len(cut):len(cut)], mustResume("p", "cut", h.Fault, second), mustResume("c", "", h.Healed, second)), nil},
		{"the reader too late", append(cut[:len(cut):len(cut)], mustResume("c", "cut", h.Fault, second)), []string{"7:late@0"}},
		{"never", append(cut[:11:11], mustResume("c", "cut", h.Fault, second)), []string{"7:no-progress@0"}},
		{"nothing to read after it", append(cut[:12:12], mustResume("c", "cut", h.Healed, second)), []string{"7:vacuous@0"}},
		{"nothing to write after it", append(cut[:11:11], mustResume("p", "cut", h.Healed, second)), []string{"7:vacuous@0"}},
		{"no such fault", append(cut[:len(cut):len(cut)], mustResume("c", "kill", h.Fault, second)), []string{"7:vacuous@0"}},
		{"no such client", append(cut[:len(cut):len(cut)], mustResume("x", "cut", h.Fault, second)), []string{"7:vacuous@0"}},
	})
}

func TestTail(t *testing.T) {
	var events []h.Event
	for n := range int64(10) {
		events = append(events, sent("p", n, string(rune('a'+n))), ack("p", n, n))
	}
	logs := join(copied(1, "abcdefgh", "11111111"), copied(3, "abcdefgh", "11111111"))
	vs := Judge(stamped(join(events, read("c", 0, "a"), read("c", 1, "b"), read("c", 4, "e"), expect("c", 0, 1<<40), logs)))
	want := []struct {
		oracle   int
		rule     string
		from, to int64
		count    int
	}{{1, "undelivered", 2, 4, 2}, {8, "undelivered", 5, 8, 3}, {8, "lost", 8, 10, 2}}
	if len(vs) != len(want) {
		t.Fatalf("got %d violations\n%s", len(vs), Summary(vs, 10))
	}
	for i, w := range want {
		v := vs[i]
		if v.Oracle != w.oracle || v.Rule != w.rule || v.Offset != w.from || v.To != w.to || v.Count != w.count || v.AckedBy != "p" || v.AckedN != w.from {
			t.Errorf("%d: got %+v", i, v)
		}
	}
	for _, v := range vs {
		if !strings.Contains(v.Message, "nodes 1, 3") {
			t.Errorf("whose logs have the records, or lack them, is not said: %s", v)
		}
	}
}

func TestLongestStill(t *testing.T) {
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
