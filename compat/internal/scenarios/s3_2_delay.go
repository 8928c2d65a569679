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
// Must be seen: how long after its acknowledgement a record is read rises with the delay of the link, and is not below it;
// every reader goes on all the time; nothing is lost.
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
			median, n := readDelay(m.c.H.Events(), m.load.Handle, from)
			m.c.H.Logf("links slower by %v: the median of %d records was read %v after its acknowledgement", delay, n, median.Round(time.Millisecond/10))
			switch {
			case n < 100:
				m.c.Fail(scenario.Unknownf("only %d records were read while links took %v longer", n, delay))
			case median < delay:
				m.c.Fail(fmt.Errorf("records were read %v after their acknowledgement, over links that take %v longer", median, delay))
			case median <= last[m]:
				m.c.Fail(fmt.Errorf("records were read %v after their acknowledgement while links took %v longer, no later than with the delay before", median, delay))
			}
			last[m] = median
		}
		if err := p.fault(ctx, slow.Heal); err != nil {
			return err
		}
	}
	return nil
}

// readDelay is the median time from acknowledgement to delivery of a writer's records acknowledged since a moment, and of
// how many.
func readDelay(events []history.Event, writer string, from int64) (median time.Duration, n int) {
	acked := map[int64]int64{}
	for _, e := range events {
		if e.Kind == history.Acked && e.Handle == writer && e.At >= from {
			acked[e.Offset] = e.At
		}
	}
	var took []time.Duration
	for _, e := range events {
		if at := acked[e.Offset]; e.Kind == history.Read && e.Handle == reader && at != 0 {
			took = append(took, time.Duration(e.At-at))
		}
	}
	if len(took) == 0 {
		return 0, 0
	}
	slices.Sort(took)
	return took[len(took)/2], len(took)
}
