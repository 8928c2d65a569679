package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/scenario"
)

// 3.2: a thousand records a second, all clients together, while the follower's links are slow: 10, 50 and 100 ms each way, to
// its clients and to its leader.
//
// Must be seen: how long after it was sent a record is read rises with the delay of the link, and is not below it; every reader
// goes on all the time; nothing is lost. (The plan says after its acknowledgement. That is logged beside it, but is no bound: a
// busy client in Python takes 10 ms and more to say that it has an acknowledgement, and by then the record may be half way.)
func linkDelay() *scenario.Scenario {
	return together(outing{id: "3.2", title: "lag against the delay of the link (10, 50, 100 ms) at 1000 records/s", limit: 5 * time.Minute,
		perSecond: 125, happen: slower})
}

// slowFor is how long each delay lasts.
const slowFor = 4 * time.Second

func slower(ctx context.Context, p *party) error {
	edges := append(p.edges(), cluster.RaftEdge(p.leader, p.follower), cluster.RaftEdge(p.follower, p.leader))
	last := map[*member]time.Duration{}
	for _, delay := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond} {
		slow := faults.Latency(p.cluster, delay, edges...)
		if err := p.fault(ctx, slow.Inject); err != nil {
			return err
		}
		from := time.Now().UnixNano()
		p.read(ctx, resumeWithin, fmt.Sprintf("while links take %v longer", delay))
		if err := hold(ctx, slowFor); err != nil {
			return err
		}
		for _, m := range p.members {
			acked, _ := readDelay(m.c.H.Events(), history.Acked, m.load.Handle, from)
			sent, n := readDelay(m.c.H.Events(), history.Sent, m.load.Handle, from)
			m.c.H.Logf("links slower by %v: the median of %d records was read %v after it was sent, %v after its acknowledgement",
				delay, n, sent.Round(time.Millisecond/10), acked.Round(time.Millisecond/10))
			switch {
			case n < 100:
				m.c.Fail(scenario.Unknownf("only %d records were read while links took %v longer", n, delay))
			case sent < delay:
				m.c.Fail(fmt.Errorf("records were read %v after they were sent, over links that take %v longer", sent, delay))
			case sent <= last[m]:
				m.c.Fail(fmt.Errorf("records were read %v after they were sent while links took %v longer, no later than with the delay before", sent, delay))
			}
			last[m] = sent
		}
		if err := p.fault(ctx, slow.Heal); err != nil {
			return err
		}
	}
	return nil
}

// readDelay is the median time to delivery of a writer's records that were sent since a moment, counted from when they were sent
// or acknowledged, and of how many.
func readDelay(events []history.Event, since history.Kind, writer string, from int64) (median time.Duration, n int) {
	begun := map[int64]int64{} // of records sent since then, by number
	at := map[int64]int64{}    // the same by offset
	late := map[int64]bool{}
	for _, e := range events {
		if e.Handle != writer {
			continue
		}
		if e.Kind == history.Sent && e.At >= from {
			late[e.N] = true
		}
		if e.Kind == since && late[e.N] {
			begun[e.N] = e.At
		}
		if e.Kind == history.Acked && late[e.N] {
			at[e.Offset] = begun[e.N]
		}
	}
	var took []time.Duration
	for _, e := range events {
		if at := at[e.Offset]; e.Kind == history.Read && e.Handle == reader && at != 0 {
			took = append(took, time.Duration(e.At-at))
		}
	}
	if len(took) == 0 {
		return 0, 0
	}
	slices.Sort(took)
	return took[len(took)/2], len(took)
}
