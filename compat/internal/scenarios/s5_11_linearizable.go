package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/scenario"
)

// 5.11: topics whose reads are linearizable: every client writes to one and reads from a follower, and on every node a raw
// session asks again and again where the log ends, while the follower is cut off, and while the leader dies and another
// one is elected.
//
// Must be seen: whatever an answer without an error shows, it shows all that was acknowledged to anybody before it was
// asked for, the client's own writes among it, and never less than an earlier answer of any replica; there is an order of
// all writes and reads that explains them (oracle 6).
func linearizable() *scenario.Scenario {
	return together(outing{id: "5.11", title: "linearizable reads from followers see every write", limit: 8 * time.Minute,
		can: func(c *cluster.Cluster) error {
			if !c.Features().Linearizable {
				return scenario.Skipf("%s has no linearizable reads from followers: they lag, and do not know by how much", c.Target().Name())
			}
			return nil
		},
		configs: map[string]string{"lockstep.read.consistency": "linearizable"},
		// Few enough for a search through all orders.
		perSecond: 20,
		beside:    seesAll,
		happen: func(ctx context.Context, p *party) error {
			if err := p.outlast(ctx, faults.Isolated(p.cluster, p.follower), 0); err != nil {
				return err
			}
			p.read(ctx, resumeWithin, "after the follower was reached again")
			return p.outlast(ctx, faults.Killed(p.cluster, p.leader), 0)
		}})
}

// seesAll starts a session on each node that is promised all that was acknowledged before each of its questions.
func seesAll(m *member) {
	for _, n := range cluster.Nodes() {
		s := &session{m: m, name: fmt.Sprintf("sees-all-%d", n), pick: func() int { return n }, pause: 100 * time.Millisecond,
			wait: 20 * time.Millisecond, atEnd: true}
		m.c.Promise(m.topic, s.name, history.PromisedLinearizable, "")
		m.c.Promise(m.topic, s.name, history.PromisedOwnWrites, m.load.Handle)
		s.start()
	}
}
