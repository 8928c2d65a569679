package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/scenario"
)

// 5.20: the link from the leader to the follower that everyone reads from carries less than is written, so that the
// follower falls behind more and more while it hears its leader all the time.
//
// Must be seen: the follower answers at once, without records and without an error, and names the leader as the replica to
// read from (the rest of 1.5); readers go on there, and leaders serve them; when the link is wide again they come back to
// the follower. Readers of the local-read listener know no other place, and lose nothing.
func lagging() *scenario.Scenario {
	return together(outing{id: "5.20", title: "a follower that lags sends its readers to the leader", limit: 8 * time.Minute,
		can: func(c *cluster.Cluster) error {
			if !c.Features().Replicas {
				return scenario.Skipf("%s does not tell how far its replicas are, by which a narrow link between nodes is measured", c.Target().Name())
			}
			return nil
		},
		// Far enough below the lease that it is the lag that is answered, not the silence of a choked link.
		settings: map[string]string{"LOCKSTEP_REPLICA_LAG_MAX": "1s", "LOCKSTEP_LEASE": "20s"},
		happen: func(ctx context.Context, p *party) error {
			narrow := faults.Bandwidth(p.cluster, narrowKBps, cluster.RaftEdge(p.leader, p.follower))
			if err := p.fault(ctx, narrow.Inject); err != nil {
				return err
			}
			p.each(func(m *member) error { return m.sentAway(ctx, p.follower, p.leader) })
			w, err := p.members[0].c.OpenWindow(ctx)
			if err != nil {
				return err
			}
			p.each(func(m *member) error {
				if m.c.Kind.Local {
					return nil
				}
				ctx, cancel := context.WithTimeout(ctx, resumeWithin)
				defer cancel()
				return m.readsOn(ctx)
			})
			if served := p.members[0].c.ServedSince(ctx, w); p.cluster.Features().Counters && served.Leader == 0 {
				return errors.New("readers went on while their follower lagged, but no leader served them")
			}
			if err := p.fault(ctx, narrow.Heal); err != nil {
				return err
			}
			return p.awaitOnFollower(ctx)
		}})
}

// narrowKBps is a fraction of what eight clients write, and more than a leader's heartbeats need.
const narrowKBps = 30

// sentAway asks the follower for what comes next until it names the leader: at once, with no records and no error.
func (m *member) sentAway(ctx context.Context, follower, leader int) error {
	ctx, cancel := context.WithTimeout(ctx, resumeWithin)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	last := "nothing"
	for {
		next := m.c.H.Tally(reader).Next
		a, got, err := m.c.ProbeOnce(ctx, "lagging", follower, m.c.Cluster.Direct(follower), raw.Fetch{Topic: m.topic.Name,
			Partition: m.topic.Partition, Offset: next, MaxWait: 100 * time.Millisecond, MinBytes: 1, Rack: cluster.Rack(follower)})
		switch {
		case err != nil:
			last = err.Error()
		case a.Error == nil && a.Preferred == leader && len(got) == 0:
			return nil
		case a.Error == nil && a.Preferred >= 0:
			return fmt.Errorf("the lagging follower %d sends readers to %d with %d records; expected to leader %d with none", follower, a.Preferred, len(got), leader)
		default:
			last = fmt.Sprintf("%d records, preferred %d, high watermark %d, error %v", len(got), a.Preferred, a.HighWatermark, a.Error)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the follower lags and does not send readers to the leader; its last answer: %s", last)
		}
	}
}
