package faults

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
)

// hearsay is what nodes say of having heard each other.
type hearsay int

const (
	unsaid hearsay = iota // nothing
	silent
	heard
	mixed // heard in some shards, not in others
)

// silentAfter is how long nodes have not heard each other when it is called silence. Leaders say something about
// ten times in this time.
const silentAfter = time.Second

// heardOver is what node from says of node to: a leader counts the time since each follower answered it, and it asks over the
// edge from-to. A node that leads nothing asks nobody, and nothing is said.
func heardOver(ctx context.Context, c *cluster.Cluster, from, to int) (hearsay, string) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	s, err := c.Status(ctx, from)
	if err != nil {
		return unsaid, fmt.Sprintf("node %d says nothing: %v", from, err)
	}
	var ages []int64
	for _, sh := range s.Shards {
		if sh.Role != "leader" {
			continue
		}
		for _, f := range sh.Followers {
			if f.Node == to {
				ages = append(ages, f.LastContactMS)
			}
		}
	}
	if len(ages) == 0 {
		return unsaid, fmt.Sprintf("node %d leads nothing", from)
	}
	return judge(ages), fmt.Sprintf("node %d heard node %d %v ms ago", from, to, ages)
}

// aloneProbe finds that a node is alone when it has heard nobody for a while in any of its shards: no leader as a follower, no
// majority as a leader.
func aloneProbe(c *cluster.Cluster, node int) probe {
	return func(ctx context.Context) (feel, string) {
		if !c.Features().Replicas {
			return unfelt, ""
		}
		ctx, cancel := context.WithTimeout(ctx, answerWithin)
		defer cancel()
		s, err := c.Status(ctx, node)
		if err != nil {
			return between, fmt.Sprintf("node %d says nothing: %v", node, err)
		}
		var ages []int64
		for _, sh := range s.Shards {
			ages = append(ages, sh.LastContactMS)
		}
		saw := fmt.Sprintf("node %d heard its shards' others %v ms ago", node, ages)
		return judge(ages).feel(), saw
	}
}

// feel is what hearsay means for a fault that keeps nodes from hearing each other.
func (h hearsay) feel() feel {
	return map[hearsay]feel{unsaid: unfelt, silent: bites, heard: gone, mixed: between}[h]
}

// judge calls it silence when none was heard for a while, in ms; -1 is never.
func judge(ages []int64) hearsay {
	old := 0
	for _, age := range ages {
		if age < 0 || age >= silentAfter.Milliseconds() {
			old++
		}
	}
	switch {
	case len(ages) == 0:
		return unsaid
	case old == len(ages):
		return silent
	case old == 0:
		return heard
	}
	return mixed
}
