package scenarios

import (
	"context"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/scenario"
)

// 5.8: a follower and then the leader is frozen for a while (SIGSTOP) under readers and writers: its connections stay, and
// it wakes up believing what it believed.
//
// Must be seen: clients go on while the leader is frozen, and after the follower is back; nothing that the old leader
// had or says when it wakes up is lost, doubled or changed.
func paused() *scenario.Scenario {
	return together(outing{id: "5.8", title: "a frozen follower, a frozen leader", limit: 6 * time.Minute,
		happen: func(ctx context.Context, p *party) error {
			return p.steps(ctx,
				step{"follower frozen", faults.Paused(p.cluster, p.follower), everybody},
				step{"leader frozen", faults.Paused(p.cluster, p.leader), nobody})
		}})
}

// everybody is for faults that are healed before most clients give up: a connection that is merely silent is waited
// for by clients for up to a minute (5.4 does that).
func everybody(*member) bool { return true }

// 5.9: the follower's link gets worse and worse under readers: answers come in small pieces, late, and then each
// connection is reset as soon as something is said on it.
//
// Must be seen: readers go on while pieces are small and late; after resets they go on by themselves; nothing is lost,
// doubled or changed, and nothing damaged is taken for a record.
func badLink() *scenario.Scenario {
	return together(outing{id: "5.9", title: "slices, latency and resets on the follower's link under readers", limit: 6 * time.Minute,
		happen: func(ctx context.Context, p *party) error {
			return p.steps(ctx,
				step{"follower's link sliced", faults.Slicer(p.cluster, p.edges()...), nobody},
				step{"follower's link 100 ms late", faults.Latency(p.cluster, 100*time.Millisecond, p.edges()...), nobody},
				step{"follower's link resets", faults.ResetPeer(p.cluster, p.edges()...), everybody})
		}})
}

// 5.10: links between nodes are cut in one direction only, or all of the leader's, while clients reach every node.
//
// Must be seen: clients go on during each cut (readers of the local-read listener when it is healed, where their follower
// hears nothing); a leader without its followers acknowledges nothing that its successor does not have.
func lopsidedCuts() *scenario.Scenario {
	return together(outing{id: "5.10", title: "links between nodes cut in one direction, and all of the leader's", limit: 8 * time.Minute,
		happen: func(ctx context.Context, p *party) error {
			return p.steps(ctx,
				step{"leader does not reach the follower", faults.OneWay(p.cluster, p.leader, p.follower), local},
				step{"follower does not reach the leader", faults.OneWay(p.cluster, p.follower, p.leader), nobody},
				step{"leader isolated, links refused", faults.IsolatedRefused(p.cluster, p.leader), nobody},
				step{"leader isolated, links black-holed", faults.Isolated(p.cluster, p.leader), nobody},
				step{"no peers' link of the follower, in one direction", faults.BlackHole(p.cluster,
					cluster.RaftEdge(1, p.follower), cluster.RaftEdge(3, p.follower)), local})
		}})
}
