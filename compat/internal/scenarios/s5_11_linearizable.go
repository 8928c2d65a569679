package scenarios

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/scenario"
)

// 5.11: topics whose reads are linearizable: every client writes to one and reads from a follower, and on every node a raw
// session asks again and again where the log ends: while the follower is cut off; while the leader is, the loud way, so that
// another one is elected and acknowledges records before the old one has noticed; and while the leader dies.
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
			if err := p.settle(ctx); err != nil {
				return err
			}
			if err := deposed(ctx, p); err != nil {
				return err
			}
			if err := p.settle(ctx); err != nil {
				return err
			}
			return p.outlast(ctx, faults.Killed(p.cluster, p.leader), 0)
		}})
}

// mostPast is how many records are written past an old leader at most: an order of all has to be found.
const mostPast = 40

// deposed cuts the leader off from its peers. They see its connections end and elect another one at once, which
// acknowledges what is written to it; the old one learns nothing of that, and believes for a while that it leads.
func deposed(ctx context.Context, p *party) error {
	writers := map[*member]*rawWriter{}
	for _, m := range p.members {
		w, err := openRawWriter(ctx, m.c, m.topic, "past-the-old-leader")
		if err != nil {
			return err
		}
		writers[m] = w
	}
	inCut, healing := context.WithCancel(ctx)
	var writing sync.WaitGroup
	cut := faults.IsolatedRefused(p.cluster, p.leader).Then(func() {
		for m, w := range writers {
			writing.Go(func() {
				for w.n < mostPast && hold(inCut, 25*time.Millisecond) == nil {
					if _, err := w.write(inCut, cluster.Others(p.leader)...); err != nil {
						m.c.Fail(err)
						return
					}
				}
			})
		}
	})
	err := p.outlast(ctx, cut, 0)
	healing()
	writing.Wait()
	return err
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
