package scenarios

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/records"
	"lockstep/compat/internal/report"
	"lockstep/compat/internal/scenario"
)

// 3.1: three readers of one partition, first all on its leader, without a rack; then each with the rack of another node. Each
// node's link to its clients carries linkKBps, which its readers share, however many they are: so little that no processor
// is busy, and what a second reader is given at the leader the first one is not. (make bench has what three wide links carry.)
//
// Must be seen: all on the leader, they fill its link and no other; spread, each node serves one of them over its own link, and
// together they get scalesBy times as much a second; every reader is given every record, once. Tools are left out, as in 5.5.
func readScaling() *scenario.Scenario {
	return &scenario.Scenario{ID: "3.1", Title: "three readers on the leader, then one at each node, over links of the same width", Limit: 3 * time.Minute, Faults: true,
		With: func(k clients.Kind) bool { return k.Acks }, Run: func(ctx context.Context, c *scenario.Cell) error {
			if !c.Cluster.Features().Traffic {
				return scenario.Skipf("what crosses the links is not the clients' alone here, and shows nothing")
			}
			s, err := newScaled(ctx, c)
			if err != nil {
				return err
			}
			return c.UnlessMoved(ctx, s.topic, s.run(ctx))
		}}
}

const (
	// linkKBps is what a node's link to its clients carries, in kB/s.
	linkKBps = 1000
	// What each reader reads: all three together take 4.5 s over one link, and 1.5 s over three.
	scaledRecords, scaledBytes = 150, 10_000
	// scalesBy is what spreading the readers is worth at least. Three links carry three times as much as one; it takes clients
	// some tenths of a second to begin, which count.
	scalesBy = 1.8
	// linkFilled and linkHeld bound what a link that is short carries, as a part of its width.
	linkFilled, linkHeld = 0.75, 1.1
	// scaledTries is how often both are measured until it is seen: a busy machine is slow at times, never fast.
	scaledTries = 3
)

// scaled is a partition that is read by three readers.
type scaled struct {
	*counted
	end, stored int64
}

// newScaled writes what is to be read. What replicas store of it is compared before anybody reads.
func newScaled(ctx context.Context, c *scenario.Cell) (*scaled, error) {
	x, err := seat(ctx, c, 0)
	if err != nil {
		return nil, err
	}
	rs := records.Large(c.Seed, scaledRecords, scaledBytes, time.Now().UnixMilli())
	const piece = 50
	for i := 0; i < len(rs); i += piece {
		if err := x.writer.Send(x.load.Handle, x.topic.Partition, int64(i), rs[i:i+piece]); err != nil {
			return nil, err
		}
	}
	if err := x.writer.Flush(ctx, x.load.Handle); err != nil {
		return nil, err
	}
	s := &scaled{counted: x}
	if s.end, err = c.End(ctx, x.topic); err != nil {
		return nil, err
	}
	if s.end != scaledRecords {
		return nil, fmt.Errorf("the log ends at %d, not at %d", s.end, scaledRecords)
	}
	s.stored, err = c.CompareReplicas(ctx, x.topic, 0, s.end)
	return s, err
}

func (s *scaled) run(ctx context.Context) error {
	c := s.c
	var edges []cluster.Edge
	for _, n := range cluster.Nodes() {
		edges = append(edges, c.FollowerEdge(n))
	}
	narrow := faults.Link(c.Cluster, linkKBps, edges...)
	if err := narrow.Inject(ctx, c.H); err != nil {
		return err
	}
	var judged error
	for try := range scaledTries {
		x := &report.Scaling{LinkKBps: linkKBps}
		var err error
		if x.Leader, err = s.read(ctx, fmt.Sprintf("leader-%d", try), []int{s.topic.Leader, s.topic.Leader, s.topic.Leader}); err != nil {
			return fmt.Errorf("all on the leader: %w", err)
		}
		if x.Spread, err = s.read(ctx, fmt.Sprintf("spread-%d", try), cluster.Nodes()); err != nil {
			return fmt.Errorf("spread: %w", err)
		}
		x.Times = x.Leader.Seconds / x.Spread.Seconds // they were given the same records
		c.H.Logf("all on the leader: %s; spread: %s; %.2f ×", told(x.Leader), told(x.Spread), x.Times)
		c.Result.Scaling = x
		if judged = judgeScaling(x, s.topic.Leader); judged == nil {
			break
		}
	}
	if err := narrow.Heal(ctx, c.H); err != nil {
		return err
	}
	if judged != nil {
		return judged
	}
	return s.client.Close(ctx)
}

// read has as many readers as nodes read everything, each at its own, and returns what each node's link carried meanwhile.
func (s *scaled) read(ctx context.Context, name string, at []int) (report.Carried, error) {
	c, out := s.c, report.Carried{Bytes: map[int]int64{}}
	w, err := c.OpenWindow(ctx)
	if err != nil {
		return out, err
	}
	before := c.Cluster.NodeCounts(ctx)
	var handles []string
	on := map[int]int64{}
	for _, n := range cluster.Nodes() {
		on[n] = 0
	}
	start := time.Now()
	opened := make(chan error, len(at))
	for i, n := range at {
		handle, o := fmt.Sprintf("%s-%d", name, i+1), c.FromFollower(s.topic, n)
		if n == s.topic.Leader {
			o.Rack = "" // consumers that know of no racks read from the leader
		}
		handles = append(handles, handle)
		on[n]++
		go func() { opened <- s.client.OpenConsumer(ctx, handle, o) }()
	}
	for range at {
		if err := <-opened; err != nil {
			return out, err
		}
	}
	if _, err := c.ReadToEnd(ctx, s.topic, 0, handles...); err != nil {
		return out, err
	}
	out.Seconds = time.Since(start).Seconds()
	served, after := c.ServedSince(ctx, w), c.Cluster.NodeCounts(ctx)
	for _, h := range handles {
		if t := c.H.Tally(h); t.Read != s.end {
			return out, fmt.Errorf("%s was given %d records, of %d", h, t.Read, s.end)
		}
	}
	// Toxiproxy counts connections when they have ended.
	if err := s.closeAll(ctx, handles); err != nil {
		return out, err
	}
	for n, readers := range on {
		if out.Bytes[n], err = c.AwaitTraffic(ctx, w, map[cluster.Edge]int64{c.FollowerEdge(n): readers * s.stored}); err != nil {
			return out, err
		}
		if out.Bytes[n] >= (readers+1)*s.stored {
			return out, fmt.Errorf("%d bytes came down the link of node %d, which has %d readers of %d", out.Bytes[n], n, readers, s.stored)
		}
	}
	c.Result.Served.Leader, c.Result.Served.Follower = c.Result.Served.Leader+served.Leader, c.Result.Served.Follower+served.Follower
	for _, f := range s.topic.Followers {
		c.Result.ProxyBytesFollower += out.Bytes[f]
	}
	if !c.Cluster.Features().Counters {
		return out, nil
	}
	return out, balanced(c, s.topic, on, before, after, s.end)
}

func (s *scaled) closeAll(ctx context.Context, handles []string) error {
	var wg sync.WaitGroup
	for _, h := range handles {
		wg.Go(func() { s.c.Fail(s.client.CloseHandle(ctx, h)) })
	}
	wg.Wait()
	return ctx.Err()
}

// judgeScaling: links were what was short, they were as narrow as they were meant to be, and three carried more than one.
func judgeScaling(x *report.Scaling, leader int) error {
	width := float64(x.LinkKBps)
	for n := range x.Spread.Bytes {
		if most := max(x.Leader.KBps(n), x.Spread.KBps(n)); most > linkHeld*width {
			return scenario.Unknownf("%.0f kB/s came down the link of node %d, which is to carry %d", most, n, x.LinkKBps)
		}
	}
	if got := x.Leader.KBps(leader); got < linkFilled*width {
		return scenario.Unknownf("three readers got %.0f kB/s from the leader, whose link carries %d: the link is not what was short", got, x.LinkKBps)
	}
	if x.Times < scalesBy {
		return fmt.Errorf("readers at three nodes got %.2f times as much as at the leader alone, less than %.1f times: %s, then %s",
			x.Times, scalesBy, told(x.Leader), told(x.Spread))
	}
	return nil
}

// told is what links carried, in words.
func told(x report.Carried) string {
	var nodes []string
	for _, n := range cluster.Nodes() {
		nodes = append(nodes, fmt.Sprintf("node %d %d kB", n, x.Bytes[n]/1000))
	}
	return fmt.Sprintf("%s in %.1f s", strings.Join(nodes, ", "), x.Seconds)
}
