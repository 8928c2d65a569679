package oracle

import (
	"fmt"
	"testing"
	"time"

	h "lockstep/compat/internal/history"
)

// large is a history of about n events in which everything happens: writes of which some have no verdict, two readers,
// copies of three replicas, faults, and a session with promises.
func large(n int) []h.Event {
	var events []h.Event
	writes := n / 5
	now := int64(1)
	add := func(e h.Event) {
		now += 1000
		if e.At == 0 {
			e.At = now
		}
		events = append(events, e)
	}
	add(h.Event{Kind: h.Promised, Handle: "s", Name: h.PromisedLinearizable, Topic: "t"})
	add(h.Event{Kind: h.Promised, Handle: "s", Name: h.PromisedOwnWrites, Writer: "p", Topic: "t"})
	for i := range int64(writes) {
		add(sent("p", i, fmt.Sprint(i)))
		if i%20 == 7 {
			add(failed("p", i)) // stored all the same
		} else {
			add(ack("p", i, i))
		}
		if i%(int64(writes)/20) == 0 {
			add(fault(h.Fault, "cut"))
			add(fault(h.Healed, "cut"))
		}
		add(read("c", i, fmt.Sprint(i)))
		add(read("d", i, fmt.Sprint(i)))
		if i > int64(writes)-500 && i%5 == 0 {
			p := probe("s", 2, i+1, i+1, "")[0]
			p.Start, p.At = now, now+500
			add(p)
		}
	}
	for node := 1; node <= 3; node++ {
		f := fmt.Sprintf("raw-%d", node)
		add(ranged(f, node, int64(writes)))
		for i := int64(0); i+9 < int64(writes); i += 10 {
			add(batch(f, node, i, i+9, "x"))
		}
	}
	add(expect("c", 0, int64(writes)))
	add(expect("d", 0, int64(writes)))
	add(mustResume("c", "", h.Healed, time.Minute))
	return events
}

// A cell's history must be judged in about a second, also when it is long.
func TestJudgeIsFast(t *testing.T) {
	events := large(100_000)
	start := time.Now()
	vs := Judge(events)
	took := time.Since(start)
	if len(vs) > 0 {
		t.Fatalf("a sound history was found unsound:\n%s", Summary(vs, 5))
	}
	t.Logf("%d events in %v", len(events), took)
	// Far above what it takes, so that only a wrong order of growth shows.
	if took > 10*time.Second {
		t.Errorf("%d events took %v", len(events), took)
	}
}

func BenchmarkJudge(b *testing.B) {
	events := large(100_000)
	for b.Loop() {
		Judge(events)
	}
}

// A session on each node that asks ten times a second for a minute, while a client writes; some writes have no verdict and
// are stored all the same, and each is under way while others are.
func TestPromisesAreCheckedFast(t *testing.T) {
	const ms = int64(time.Millisecond)
	var events []h.Event
	for _, s := range []string{"s1", "s2", "s3"} {
		events = append(events, h.Event{At: 1, Kind: h.Promised, Handle: s, Name: h.PromisedLinearizable, Topic: "t"})
	}
	stored := func(n int64) int64 { return n*50*ms + 20*ms } // when the nth record is committed
	for n := range int64(1200) {
		s, a := sent("p", n, fmt.Sprint(n)), ack("p", n, n)
		s.At, a.At = n*50*ms, stored(n)+200*ms
		if n%25 == 3 {
			a = failed("p", n)
			a.At = s.At + 1000*ms
		}
		r := read("c", n, fmt.Sprint(n))
		r.At = stored(n) + 1
		events = append(events, s, a, r)
	}
	for i := range int64(600) {
		for k, s := range []string{"s1", "s2", "s3"} {
			begin := i*100*ms + int64(k)*30*ms + 1
			at := begin + 25*ms
			hw := max(0, (at-20*ms)/(50*ms)+1)
			p := probe(s, k+1, hw, min(hw, 1200), "")[0]
			p.Start, p.At = begin, at
			events = append(events, p)
		}
	}
	start := time.Now()
	vs := Judge(events)
	t.Logf("%d events in %v", len(events), time.Since(start))
	if len(vs) > 0 {
		t.Errorf("a sound history was found unsound, or not judged:\n%s", Summary(vs, 5))
	}
}
