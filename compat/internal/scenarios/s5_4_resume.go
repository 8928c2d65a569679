package scenarios

import (
	"context"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/scenario"
)

// 5.4: how long each client stands still, as a reader from a follower and as a writer, when the follower is cut from its
// leader, when the follower is killed, when the leader is killed, and when the follower's machine falls silent: black
// holes on all its links.
//
// Must be seen: everyone was reading from the follower; each fault bites; while it lasts, every client goes on by itself
// within a bound. Readers of the local-read listener know no other address, and go on when it is healed.
func timeToResume() *scenario.Scenario {
	return together(outing{id: "5.4", title: "time to resume after each fault, for every client", limit: 12 * time.Minute,
		happen: func(ctx context.Context, p *party) error {
			return p.steps(ctx,
				step{"follower cut from its leader", faults.Isolated(p.cluster, p.follower), local},
				step{"follower killed", faults.Killed(p.cluster, p.follower), deaf},
				step{"leader killed", faults.Killed(p.cluster, p.leader), nobody},
				// The last one: a leader keeps readers that came back from a hole to itself for minutes.
				step{"follower black-holed", faults.BlackHole(p.cluster, edgesOf(p.follower)...), deaf})
		}})
}

// edgesOf are all links of a node: clients' and peers'.
func edgesOf(node int) []cluster.Edge {
	out := []cluster.Edge{cluster.ClientEdge(node), cluster.LocalEdge(node)}
	for _, peer := range cluster.Others(node) {
		out = append(out, cluster.RaftEdge(node, peer), cluster.RaftEdge(peer, node))
	}
	return out
}

// deaf readers stay with a follower that tells them to ask another (old versions of librdkafka, which kcat is often built
// with, do so until their lease on it ends, 5 minutes after they were sent there), or know no other address.
func deaf(m *member) bool { return local(m) || m.c.Kind.Clings }
