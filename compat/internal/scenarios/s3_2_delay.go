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
// goes on all the time; nothing is lost. The fastest record of each delay is what counts: a busy machine makes records later, and
// none earlier. (The plan counts from the acknowledgement. Medians of that are logged, but are no bound: a busy client in Python
// takes 10 ms and more to say that it has an acknowledgement, and by then the record may be half way.)
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
			sent, acked := readDelays(m.c.H.Events(), m.load.Handle, from)
			if len(sent) < 100 {
				m.c.Fail(scenario.Unknownf("only %d records were read while links took %v longer", len(sent), delay))
				continue
			}
			fastest := sent[0]
			m.c.H.Logf("links slower by %v: of %d records the fastest was read %v after it was sent, the median %v; %v after its acknowledgement",
				delay, len(sent), tenths(fastest), tenths(middle(sent)), tenths(middle(acked)))
			switch {
			case fastest < delay:
				m.c.Fail(fmt.Errorf("a record was read %v after it was sent, over links that take %v longer", fastest, delay))
			case fastest <= last[m]:
				m.c.Fail(fmt.Errorf("a record was read %v after it was sent while links took %v longer, no later than with the delay before", fastest, delay))
			}
			last[m] = fastest
		}
		if err := p.fault(ctx, slow.Heal); err != nil {
			return err
		}
	}
	return nil
}

// readDelays are the times to the delivery of those of a writer's records that were sent since a moment, ascending: from when they were
// sent, and from when they were acknowledged.
func readDelays(events []history.Event, writer string, from int64) (sent, acked []time.Duration) {
	type times struct{ sent, acked int64 }
	byNumber, byOffset := map[int64]times{}, map[int64]times{}
	for _, e := range events {
		switch {
		case e.Handle != writer:
		case e.Kind == history.Sent && e.At >= from:
			byNumber[e.N] = times{sent: e.At}
		case e.Kind == history.Acked && byNumber[e.N].sent != 0:
			byOffset[e.Offset] = times{byNumber[e.N].sent, e.At}
		}
	}
	for _, e := range events {
		if at, ok := byOffset[e.Offset]; ok && e.Kind == history.Read && e.Handle == reader {
			sent, acked = append(sent, time.Duration(e.At-at.sent)), append(acked, time.Duration(e.At-at.acked))
		}
	}
	slices.Sort(sent)
	slices.Sort(acked)
	return sent, acked
}

func middle(sorted []time.Duration) time.Duration { return sorted[len(sorted)/2] }

func tenths(d time.Duration) time.Duration { return d.Round(time.Millisecond / 10) }
