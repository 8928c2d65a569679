package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"lockstep/compat/internal/raw"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrCannot is wrapped by errors of what this target or this runtime cannot do at all: a cell that needs it is a skip.
var ErrCannot = errors.New("not possible here")

// stopWithin is how long a graceful stop may take.
const stopWithin = 30 * time.Second

// Reconfigure stops all nodes gracefully, starts them on their data with these settings in addition to the plan's (nil:
// the plan's own again), and waits until the cluster is settled. Settings are Lockstep's environment variables; another
// target translates those that it has something of the kind for, and an error wraps ErrCannot for the others.
func (c *Cluster) Reconfigure(ctx context.Context, env map[string]string) error {
	return c.reconfigure(ctx, env, c.Members()...)
}

// ReconfigureNode is Reconfigure of one node while the others go on.
func (c *Cluster) ReconfigureNode(ctx context.Context, node int, env map[string]string) error {
	return c.reconfigure(ctx, env, node)
}

func (c *Cluster) reconfigure(ctx context.Context, env map[string]string, nodes ...int) error {
	extra, err := c.target.Settings(env)
	if err != nil {
		return fmt.Errorf("configure %s: %w", c.target.Name(), err)
	}
	c.logger.Info("reconfigure", "nodes", nodes, "settings", extra)
	if err := c.stopAll(ctx, nodes); err != nil {
		return fmt.Errorf("reconfigure: %w", err)
	}
	for _, n := range nodes {
		c.setExtra(n, extra)
		if err := c.StartNode(ctx, n); err != nil {
			return fmt.Errorf("reconfigure: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return c.waitSettled(ctx)
}

// stopAll stops those that run, all at the same time.
func (c *Cluster) stopAll(ctx context.Context, nodes []int) error {
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(nodes))
	for i, n := range nodes {
		if c.Running(n) {
			wg.Go(func() { errs[i] = c.Stop(ctx, n) })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// stopChanged ends nodes that run with settings of a scenario's and forgets those, so that they start as planned.
func (c *Cluster) stopChanged(ctx context.Context, nodes []int) error {
	dead := func(n int) bool { return !c.Running(n) }
	left := slices.ContainsFunc(c.Members(), dead)
	for _, n := range nodes {
		if c.Running(n) {
			if err := c.rt.resume(ctx, n); err != nil {
				return fmt.Errorf("resume node %d: %w", n, err)
			}
		}
	}
	// Where a cell has left nodes dead, others may not be able to end in good order: those of Kafka want a controller for it.
	if err := c.stopAll(ctx, nodes); err != nil && !left {
		return err
	}
	for _, n := range nodes {
		if c.Running(n) {
			if err := c.Kill(ctx, n); err != nil {
				return err
			}
		}
		c.setExtra(n, nil)
	}
	return nil
}

// nodePlan is what a node is told when it starts next.
func (c *Cluster) nodePlan(node int) NodePlan {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.plan.nodes[node]
	p.Extra = map[string]string{}
	maps.Copy(p.Extra, c.base)
	maps.Copy(p.Extra, c.extra[node])
	return p
}

func (c *Cluster) setExtra(node int, extra map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(extra) == 0 {
		delete(c.extra, node)
		return
	}
	c.extra[node] = maps.Clone(extra)
}

// reconfigured are the nodes that run with settings beside the plan's.
func (c *Cluster) reconfigured() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []int
	for _, n := range c.Members() {
		if len(c.extra[n]) > 0 {
			out = append(out, n)
		}
	}
	return out
}

// Wipe empties the data directory of a node that does not run.
func (c *Cluster) Wipe(ctx context.Context, node int) error {
	if c.Running(node) {
		return fmt.Errorf("wipe node %d: it runs", node)
	}
	return c.act("wipe", node, c.rt.wipe(ctx, c.nodePlan(node)))
}

// Transfer asks the leader of a shard to hand its leadership to a node. It returns when the leader has agreed, which
// may be before the others know.
func (c *Cluster) Transfer(ctx context.Context, shard, to int) error {
	if !c.Features().Replicas {
		return fmt.Errorf("transfer shard %d: %s has no shards: %w", shard, c.target.Name(), ErrCannot)
	}
	leader, err := c.ShardLeader(ctx, shard)
	if err != nil {
		return fmt.Errorf("transfer shard %d: %w", shard, err)
	}
	c.logger.Info("transfer", "shard", shard, "from", leader, "to", to)
	url := fmt.Sprintf("http://%s/admin/transfer?shard=%d&to=%d", c.plan.direct[leader].http, shard, to)
	if err := httpPost(ctx, url); err != nil {
		return fmt.Errorf("transfer shard %d from node %d to node %d: %w", shard, leader, to, err)
	}
	return nil
}

// TransferPartition hands a partition's leadership to a node, whatever the target has for that: for Lockstep it is the
// partition's shard that moves, and all that is in it.
func (c *Cluster) TransferPartition(ctx context.Context, topic string, partition int32, to int) error {
	return c.target.Transfer(ctx, c, topic, partition, to)
}

// Beyond tells whether a node's own log of a partition holds more than the node knows to be committed, and what it saw.
func (c *Cluster) Beyond(ctx context.Context, node int, topic string, partition int32) (bool, string, error) {
	return c.target.Beyond(ctx, c, node, topic, partition)
}

// ShardOf is the shard that a partition is in.
func (c *Cluster) ShardOf(ctx context.Context, topic string, partition int32) (int, error) {
	var last error
	for _, n := range c.Members() {
		s, err := c.Status(ctx, n)
		if err != nil {
			last = err
			continue
		}
		for _, r := range s.Replicas {
			if r.Topic == topic && r.Partition == partition {
				return r.Shard, nil
			}
		}
	}
	return 0, errors.Join(fmt.Errorf("no node tells in which shard %s-%d is", topic, partition), last)
}

// ShardLeader is the node that calls itself the leader of a shard, in the newest epoch.
func (c *Cluster) ShardLeader(ctx context.Context, shard int) (int, error) {
	leader, epoch := 0, int32(-1)
	var errs []error
	for _, n := range c.Members() {
		s, err := c.Status(ctx, n)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, sh := range s.Shards {
			if sh.Shard == shard && sh.Role == "leader" && sh.Epoch > epoch {
				leader, epoch = n, sh.Epoch
			}
		}
	}
	if leader == 0 {
		return 0, errors.Join(fmt.Errorf("no node leads shard %d", shard), errors.Join(errs...))
	}
	return leader, nil
}

func httpPost(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHTTP))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return err
}

// AskController asks nodes in turn until one does not say that another is the controller (kerr.NotController): some targets
// insist on that one.
func (c *Cluster) AskController(ctx context.Context, ask func(*raw.Conn) error) error {
	var last error
	for _, n := range Nodes() {
		conn, err := raw.Dial(ctx, c.Direct(n))
		if err == nil {
			err = ask(conn)
			conn.Close()
		}
		if err == nil {
			return nil
		}
		last = fmt.Errorf("node %d: %w", n, err)
		if !errors.Is(err, kerr.NotController) {
			return last
		}
	}
	return last
}
