package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"
)

const (
	// answerWithin is how long a probe waits for an answer over a link before it takes it for dead; answers on a healthy
	// one take a millisecond or so.
	answerWithin = time.Second
	// linkFeltWithin bounds how long a fault of a link may take to be felt or to be gone.
	linkFeltWithin = 20 * time.Second
)

// overLinks is a fault of edges, and of those over which the same nodes talk beside them: what is done to each of them and
// taken back, and how that is felt. It is named by what it is and the edges that were asked for.
func overLinks(c *cluster.Cluster, what string, edges []cluster.Edge, inject, heal func(cluster.Edge) error, felt func([]cluster.Edge) probe) Fault {
	links := c.Links(edges...)
	return Fault{
		Name:   fmt.Sprintf("%s %v", what, edges),
		inject: possible(c, links, inject),
		heal:   each(links, heal),
		probe:  felt(links),
		within: linkFeltWithin,
	}
}

// Refused cuts edges the loud way: connections are reset and new ones are refused.
func Refused(c *cluster.Cluster, edges ...cluster.Edge) Fault {
	set := func(enabled bool) func(cluster.Edge) error {
		return func(e cluster.Edge) error { return c.Proxies.SetEnabled(e, enabled) }
	}
	return overLinks(c, "refused", edges, set(false), set(true),
		cutFelt(c, func(err error) bool { return !errors.Is(err, context.DeadlineExceeded) }))
}

// BlackHole cuts edges the quiet way: connections stay, new ones are accepted, and nothing passes in either direction.
// Healing resets the connections that were caught in it.
func BlackHole(c *cluster.Cluster, edges ...cluster.Edge) Fault {
	return toxicOver(c, "black hole", edges, hole,
		cutFelt(c, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }))
}

// hole drops all data, for as long as it is there: a timeout of 0 means never.
var hole = toxic{kind: "timeout", streams: bothWays, attrs: map[string]any{"timeout": 0}}

// ResetPeer lets connections be made over edges and resets each as soon as something is said on it.
func ResetPeer(c *cluster.Cluster, edges ...cluster.Edge) Fault {
	reset := toxic{kind: "reset_peer", streams: []string{"upstream"}, attrs: map[string]any{"timeout": 0}}
	return toxicOver(c, "reset peer", edges, reset, cutFelt(c, func(err error) bool {
		return !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, syscall.ECONNREFUSED)
	}))
}

// toxicOver is overLinks for a toxic.
func toxicOver(c *cluster.Cluster, what string, edges []cluster.Edge, t toxic, felt func([]cluster.Edge) probe) Fault {
	return overLinks(c, what, edges, func(e cluster.Edge) error { return t.add(c, e) }, func(e cluster.Edge) error { return t.remove(c, e) }, felt)
}

// cutFelt is cutProbe of whatever edges.
func cutFelt(c *cluster.Cluster, like func(error) bool) func([]cluster.Edge) probe {
	return func(edges []cluster.Edge) probe { return cutProbe(c, edges, like) }
}

// OneWay is a black hole for what node from asks of node to, while to still asks from: over a peers' edge go one's
// questions and the other's answers to them.
func OneWay(c *cluster.Cluster, from, to int) Fault {
	f := BlackHole(c, cluster.RaftEdge(from, to))
	f.Name = fmt.Sprintf("one way: node %d does not reach node %d", from, to)
	return f
}

// Isolated cuts a node off from its peers with black holes in both directions; clients still reach it.
func Isolated(c *cluster.Cluster, node int) Fault {
	f := BlackHole(c, peerEdges(node)...)
	f.Name, f.probe = fmt.Sprintf("node %d isolated by black holes", node), both(f.probe, aloneProbe(c, node))
	return f
}

// IsolatedRefused is Isolated the loud way.
func IsolatedRefused(c *cluster.Cluster, node int) Fault {
	f := Refused(c, peerEdges(node)...)
	f.Name, f.probe = fmt.Sprintf("node %d isolated, its peers' links refused", node), both(f.probe, aloneProbe(c, node))
	return f
}

// Unacknowledged leaves a leader without any answer, while one follower still gets what it sends: the answers on the edge
// between the two are dropped, and all other links between nodes are black holes. For a moment, until it sees that it has
// lost its majority, the leader takes records that reach the follower's log and cannot be committed. Where all replicas in
// sync have to acknowledge, it takes no more than that the third says nothing, for as long as that one counts.
func Unacknowledged(c *cluster.Cluster, leader, follower int) Fault {
	if c.Features().AllInSync {
		for _, third := range cluster.Others(leader) {
			if third != follower {
				return Isolated(c, third)
			}
		}
	}
	mute := toxic{kind: "timeout", streams: []string{"downstream"}, attrs: map[string]any{"timeout": 0}}
	open := cluster.RaftEdge(leader, follower)
	var others []cluster.Edge
	for _, from := range cluster.Nodes() {
		for _, to := range cluster.Others(from) {
			if e := cluster.RaftEdge(from, to); e != open {
				others = append(others, e)
			}
		}
	}
	others = c.Links(others...)
	edges := append(others, open)
	return Fault{
		Name: fmt.Sprintf("nothing can commit: node %d gets no answers, node %d gets its records", leader, follower),
		inject: func(ctx context.Context) error {
			if err := possible(c, others, func(e cluster.Edge) error { return hole.add(c, e) })(ctx); err != nil {
				return err
			}
			return mute.add(c, open)
		},
		heal: func(ctx context.Context) error {
			if err := mute.remove(c, open); err != nil {
				return err
			}
			return each(others, func(e cluster.Edge) error { return hole.remove(c, e) })(ctx)
		},
		// The answer is dropped, and the end of the connection after it is not: toxiproxy passes that on.
		probe: cutProbe(c, edges, func(err error) bool {
			return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF)
		}),
		within: linkFeltWithin,
	}
}

// peerEdges are all edges between a node and its peers.
func peerEdges(node int) []cluster.Edge {
	var out []cluster.Edge
	for _, peer := range cluster.Others(node) {
		out = append(out, cluster.RaftEdge(node, peer), cluster.RaftEdge(peer, node))
	}
	return out
}

// cutProbe finds that edges are cut when nothing comes back over any of them, in the way that like recognises, and when
// those who are joined by them say that they have not heard each other. The cut is gone when every edge answers, and they
// hear each other.
func cutProbe(c *cluster.Cluster, edges []cluster.Edge, like func(error) bool) probe {
	return all(edges, func(ctx context.Context, e cluster.Edge) (feel, string) {
		took, err := ping(ctx, c, e, answerWithin)
		saw := fmt.Sprintf("%s: %s after %v", e, orAnswered(err), took.Round(time.Millisecond))
		felt := between
		switch {
		case err == nil:
			felt = gone
		case like(err):
			felt = bites
		}
		if from, to, peers := e.Ends(); peers && c.Features().Replicas {
			heard, said := heardOver(ctx, c, from, to)
			saw += ", " + said
			if h := heard.feel(); h != unfelt && h != felt {
				felt = between
			}
		}
		return felt, saw
	})
}

// ping is one exchange over a fresh connection, the smallest that needs both directions.
func ping(ctx context.Context, c *cluster.Cluster, e cluster.Edge, within time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	start := time.Now()
	_, err := raw.Ping(ctx, c.Reach(e), c.Greeting(e), 1)
	return time.Since(start), err
}

func orAnswered(err error) string {
	if err == nil {
		return "an answer"
	}
	return err.Error()
}
