package node

import (
	"context"
	"fmt"
	"testing"
	"time"

	"lockstep/broker/internal/config"
)

// three are the nodes of a cluster in this process.
type three struct {
	t     testing.TB
	cfgs  [3]*config.Config
	nodes [3]*Node
	stops [3]func()
}

func startThree(t testing.TB, change func(*config.Config)) *three {
	t.Helper()
	c := &three{t: t}
	peers := map[int32]string{}
	for i := range c.cfgs {
		c.cfgs[i] = alone(t, t.TempDir())
		c.cfgs[i].NodeID = int32(i + 1)
		peers[int32(i+1)] = c.cfgs[i].RaftListen
	}
	for i := range c.cfgs {
		c.cfgs[i].Peers = peers
		change(c.cfgs[i])
		c.start(i)
	}
	t.Cleanup(func() {
		for i := range c.stops {
			c.stop(i)
		}
	})
	for i := range c.nodes {
		c.until(fmt.Sprintf("node %d is ready", i+1), func() bool { return c.nodes[i].notReady() == "" })
	}
	return c
}

func (c *three) start(i int) {
	c.t.Helper()
	n, err := Open(c.cfgs[i], "test", silent)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	c.nodes[i] = n
	c.stops[i] = func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Errorf("node %d: %v", i+1, err)
		}
		c.stops[i] = nil
	}
}

func (c *three) stop(i int) {
	if c.stops[i] != nil {
		c.stops[i]()
	}
}

func (c *three) until(what string, cond func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("it did not come true that %s", what)
		}
	}
}

// replica is what a node says of its replica of the one partition.
func (c *three) replica(i int) replicaView {
	c.t.Helper()
	v := c.nodes[i].view()
	if len(v.Replicas) != 1 {
		c.t.Fatalf("node %d has %d replicas", i+1, len(v.Replicas))
	}
	return v.Replicas[0]
}
