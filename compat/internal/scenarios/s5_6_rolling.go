package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/scenario"
)

// 5.6: a rolling restart under readers and writers: each node in turn is stopped gracefully, and started on its data.
//
// Must be seen: writers and readers go on while each node is away; no record of an idempotent writer fails; nothing
// acknowledged is lost, doubled or changed.
func rollingRestart() *scenario.Scenario {
	return together(outing{id: "5.6", title: "rolling restart under readers and writers", limit: 8 * time.Minute,
		happen: func(ctx context.Context, p *party) error {
			for _, n := range cluster.Nodes() {
				who, onlyHere := "follower", nobody
				switch n {
				case p.leader:
					who = "leader"
				case p.follower:
					who, onlyHere = "follower read from", deaf
				}
				if err := p.steps(ctx, step{who + " stopped gracefully", faults.Stopped(p.cluster, n), onlyHere}); err != nil {
					return err
				}
			}
			p.noneFailed()
			return nil
		}})
}

// 5.7: leadership is handed over on request, under readers and writers, to each of the other nodes; the follower that
// everyone reads from is one of them. (A leader that is not the preferred one hands it back some seconds later.)
//
// Must be seen: a newer epoch with the new leader on every node; writers and readers go on; no record of an idempotent
// writer fails; nothing acknowledged is lost, doubled or changed.
func transferred() *scenario.Scenario {
	return together(outing{id: "5.7", title: "leadership is handed over under readers and writers", limit: 6 * time.Minute,
		happen: func(ctx context.Context, p *party) error {
			for _, to := range cluster.Others(p.leader) {
				for _, m := range p.onePerShard(ctx) {
					s := step{fmt.Sprintf("leadership handed to node %d", to), faults.Transferred(p.cluster, m.topic.Name, m.topic.Partition, to), nobody}
					if err := p.steps(ctx, s); err != nil {
						return err
					}
				}
			}
			p.noneFailed()
			return nil
		}})
}

// onePerShard are members whose partitions are all those whose leadership can be handed over apart.
func (p *party) onePerShard(ctx context.Context) []*member {
	seen := map[int]bool{}
	var out []*member
	for _, m := range p.members {
		shard, err := p.cluster.ShardOf(ctx, m.topic.Name, m.topic.Partition)
		if err != nil {
			shard = -1 - len(out) // a target without shards: each partition for itself
		}
		if !seen[shard] {
			seen[shard] = true
			out = append(out, m)
		}
	}
	return out
}

// noneFailed makes a failed record of an idempotent writer a complaint: a leader was there all the time, or soon.
func (p *party) noneFailed() {
	for _, m := range p.members {
		if failed := m.c.H.Tally(m.load.Handle).Failed; failed > 0 && idempotent(m.writer) {
			m.c.Fail(fmt.Errorf("%d records of an idempotent writer failed", failed))
		}
	}
}
