package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/records"
)

// widest is the widest limit, in kB/s, that can be told from none: more than a few times as much, and a busy machine's
// own pace is a limit as well.
const widest = 2000

// Bandwidth limits each connection over edges to kbps kB/s (1000 bytes) in each direction. What it does is measured: over a
// client's edge, what comes back to many small questions asked at once; over a peers' edge, how soon what was written to a
// leader is on the follower at its far end.
func Bandwidth(c *cluster.Cluster, kbps int, edges ...cluster.Edge) Fault {
	return narrow(c, "bandwidth", kbps, 1, edges)
}

// Link makes each edge one link that carries kbps kB/s in each direction, which all connections over it share. It is measured
// as Bandwidth is, over two connections at once.
func Link(c *cluster.Cluster, kbps int, edges ...cluster.Edge) Fault {
	return narrow(c, "link", kbps, 2, edges)
}

func narrow(c *cluster.Cluster, kind string, kbps, conns int, edges []cluster.Edge) Fault {
	narrow := toxic{kind: kind, streams: bothWays, attrs: map[string]any{"rate": kbps}}
	return Fault{
		Name: fmt.Sprintf("%s %d kB/s on %v", kind, kbps, edges),
		inject: func(ctx context.Context) error {
			if kbps < 1 || kbps > widest {
				return fmt.Errorf("a limit of %d kB/s, of which 1 to %d can be measured", kbps, widest)
			}
			return possible(c, edges, func(e cluster.Edge) error { return narrow.add(c, e) })(ctx)
		},
		heal: each(edges, func(e cluster.Edge) error { return narrow.remove(c, e) }),
		probe: all(edges, func(ctx context.Context, e cluster.Edge) (feel, string) {
			pace, err := measure(ctx, c, e, kbps*1000, conns)
			if err != nil {
				return between, fmt.Sprintf("%s: %v", e, err)
			}
			saw := fmt.Sprintf("%s: %.0f kB/s", e, pace/1000)
			switch limit := float64(kbps * 1000); {
			case pace <= 1.3*limit:
				return bites, saw
			case pace >= 2*limit:
				return gone, saw
			default:
				return between, saw
			}
		}),
		within: 2 * linkFeltWithin,
	}
}

// measureFor is how long a measurement takes at the limit, and measureWithin how long it may.
const (
	measureFor    = 500 * time.Millisecond
	measureWithin = 8 * time.Second
)

// measure finds the bytes per second that an edge carries, from as many bytes as the limit lets pass in measureFor: over so many
// connections at once where it is a client's.
func measure(ctx context.Context, c *cluster.Cluster, e cluster.Edge, limit, conns int) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, measureWithin)
	defer cancel()
	size := int(float64(limit) * measureFor.Seconds())
	if from, to, peers := e.Ends(); peers {
		return measureReplication(ctx, c, from, to, size)
	}
	one, err := raw.Ping(ctx, c.Reach(e), c.Greeting(e), 1)
	if err != nil {
		return 0, err
	}
	var mu sync.Mutex // guards bytes and errs
	bytes, errs := 0, []error(nil)
	start := time.Now()
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			many, err := raw.Ping(ctx, c.Reach(e), c.Greeting(e), 1+size/one.Bytes/conns)
			mu.Lock()
			defer mu.Unlock()
			bytes += many.Bytes
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return float64(bytes) / time.Since(start).Seconds(), errors.Join(errs...)
}

// canary is the topic that measurements are written to.
const (
	canary           = "compat-canary"
	canaryPartitions = 12 // each node leads some
	canaryBatch      = 256 << 10
)

// measureReplication writes some bytes to a partition that node from leads, and takes the time until node to has them.
func measureReplication(ctx context.Context, c *cluster.Cluster, from, to, size int) (float64, error) {
	if !c.Features().Replicas {
		return 0, fmt.Errorf("%s does not tell how far its replicas are: %w", c.Target().Name(), cluster.ErrCannot)
	}
	conn, err := raw.Dial(ctx, c.Direct(from))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	partition, err := canaryLedBy(ctx, conn, from)
	if err != nil {
		return 0, err
	}
	batch, err := raw.Build("none", []records.Record{{Value: make([]byte, min(size, canaryBatch)), Timestamp: time.Now().UnixMilli()}})
	if err != nil {
		return 0, err
	}
	start := time.Now()
	sent, last := 0, int64(0)
	for sent < size {
		if last, err = conn.Append(ctx, canary, partition, batch); err != nil {
			return 0, err
		}
		sent += len(batch)
	}
	if err := awaitReplica(ctx, c, to, partition, last+1); err != nil {
		return 0, err
	}
	return float64(sent) / time.Since(start).Seconds(), nil
}

// canaryLedBy is a partition of the canary's topic that the node leads by its own account. The topic is made where it is
// not there.
func canaryLedBy(ctx context.Context, conn *raw.Conn, node int) (int32, error) {
	if err := conn.CreateTopic(ctx, canary, canaryPartitions, nil); err != nil {
		return 0, err
	}
	var last error
	for p := range int32(canaryPartitions) {
		now, err := conn.Leader(ctx, canary, p)
		if err == nil && now.ID == node {
			return p, nil
		}
		last = err
	}
	return 0, fmt.Errorf("node %d leads none of %d partitions (last: %v)", node, canaryPartitions, last)
}

// awaitReplica waits until a node's replica of a canary's partition has its high watermark at end.
func awaitReplica(ctx context.Context, c *cluster.Cluster, node int, partition int32, end int64) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := c.Status(ctx, node)
		if err != nil {
			return err
		}
		for _, r := range s.Replicas {
			if r.Topic == canary && r.Partition == partition && r.HighWatermark >= end {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("node %d does not have %s-%d up to %d: %w", node, canary, partition, end, ctx.Err())
		}
	}
}
