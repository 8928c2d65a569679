package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/scenario"

	"github.com/twmb/franz-go/pkg/kerr"
)

// counted is a cell whose topic holds an exact number of records, which its client has been given by one follower.
type counted struct {
	c        *scenario.Cell
	topic    scenario.Topic
	follower int
	client   clients.Client
	writer   clients.Client // the client, unless it cannot tell the fate of its records
	load     *scenario.Load
}

// seat makes a topic of n records that a client of the cell has written, or had written for it.
func seat(ctx context.Context, c *scenario.Cell, n int64) (*counted, error) {
	t, err := c.Topic(ctx, 1, nil)
	if err != nil {
		return nil, err
	}
	x := &counted{c: c, topic: t, follower: t.Followers[0]}
	if x.client, err = c.StartUnderTest(ctx); err != nil {
		return nil, err
	}
	x.writer = x.client
	if !c.Kind.Acks {
		if x.writer, err = c.Start(ctx, clients.Default(), "writer"); err != nil {
			return nil, err
		}
	}
	if x.load, err = c.OpenLoad(ctx, x.writer, "writer", t); err != nil {
		return nil, err
	}
	return x, x.send(ctx, n)
}

// count is seat, and has the client read the records from a follower, which is proved by the brokers' counters.
func count(ctx context.Context, c *scenario.Cell, n int64) (*counted, error) {
	x, err := seat(ctx, c, n)
	if err != nil {
		return nil, err
	}
	w, err := c.OpenWindow(ctx)
	if err != nil {
		return nil, err
	}
	if err := x.client.OpenConsumer(ctx, reader, c.FromFollower(x.topic, x.follower)); err != nil {
		return nil, err
	}
	if err := c.H.Until(ctx, "the first records", reader, func(r history.Tally) bool { return r.Next >= n }); err != nil {
		return nil, err
	}
	if err := c.AwaitServed(ctx, w, n); err != nil {
		return nil, c.UnlessMoved(ctx, x.topic, fmt.Errorf("the client does not read from a follower: %w", err))
	}
	served := c.ServedSince(ctx, w)
	c.Result.Served.Leader, c.Result.Served.Follower = served.Leader, served.Follower
	return x, nil
}

// send has n records written and acknowledged, and checks that the log ends where they end.
func (x *counted) send(ctx context.Context, n int64) error {
	before := x.c.H.Tally(x.load.Handle)
	if err := x.load.Send(ctx, int(n)); err != nil {
		return err
	}
	after := x.c.H.Tally(x.load.Handle)
	if after.Acked-before.Acked != n || after.Next != after.Acked {
		return fmt.Errorf("%d of %d records were acknowledged, the highest at offset %d", after.Acked-before.Acked, n, after.Next-1)
	}
	return nil
}

// askFollower asks the follower past all proxies, over the ordinary or the local-read listener.
func (x *counted) askFollower(ctx context.Context, local bool, offset int64) (*raw.Answer, []raw.Stored, error) {
	addr := x.c.Cluster.Direct(x.follower)
	session := "probe"
	if local {
		addr, session = x.c.Cluster.DirectLocal(x.follower), "probe-local"
	}
	return x.c.ProbeOnce(ctx, session, x.follower, addr, raw.Fetch{Topic: x.topic.Name, Partition: x.topic.Partition, Offset: offset,
		MaxWait: 200 * time.Millisecond, MinBytes: 1})
}

// holds checks that the follower gives out offsets 0 to n-1, under right CRCs, and has a high watermark of n.
func (x *counted) holds(ctx context.Context, n int64) error {
	next := int64(0)
	for next < n {
		a, got, err := x.askFollower(ctx, false, next)
		switch {
		case err != nil:
			return err
		case a.Error != nil || a.HighWatermark != n || a.Preferred != -1 || len(got) == 0:
			return fmt.Errorf("node %d at offset %d: error %v, high watermark %d, preferred %d, %d records; expected records and high watermark %d",
				x.follower, next, a.Error, a.HighWatermark, a.Preferred, len(got), n)
		}
		for _, b := range a.Batches {
			if b.CRC != b.Computed {
				return fmt.Errorf("node %d: the batch at %d has CRC %08x, its bytes have %08x", x.follower, b.BaseOffset, b.CRC, b.Computed)
			}
		}
		for _, r := range got {
			if r.Offset != next {
				return fmt.Errorf("node %d: offset %d came where %d belongs", x.follower, r.Offset, next)
			}
			next++
		}
	}
	if next != n {
		return fmt.Errorf("node %d gave out %d records, not %d", x.follower, next, n)
	}
	return nil
}

// nothingAt checks that the follower, cut off, gives out nothing at offset n: empty with a high watermark of n; once its
// lease has run out it sends readers to the leader it knew, or answers with an error that names none. The local-read listener's clients know no other node, and always
// get the first.
func (x *counted) nothingAt(ctx context.Context, n int64) error {
	for _, local := range []bool{false, true} {
		if local && !x.c.Cluster.Features().LocalListener {
			continue
		}
		a, got, err := x.askFollower(ctx, local, n)
		if err != nil {
			return err
		}
		x.c.H.Logf("cut off, local %v, asked for offset %d: %d records, high watermark %d, error %v", local, n, len(got), a.HighWatermark, a.Error)
		leaseOver := !local && a.Error == kerr.NotLeaderForPartition && a.CurrentLeader.ID == -1
		sent := !local && a.Preferred == x.topic.Leader
		empty := a.Error == nil && a.HighWatermark == n && (a.Preferred == -1 || sent)
		if len(got) > 0 || len(a.Batches) > 0 || !empty && !leaseOver {
			return fmt.Errorf("node %d, cut off, local %v, offset %d: %d records, high watermark %d, error %v; expected none, and %d",
				x.follower, local, n, len(got), a.HighWatermark, a.Error, n)
		}
	}
	return nil
}

// finish has the client read to the end, ends it, and compares all replicas.
func (x *counted) finish(ctx context.Context, want int64) error {
	end, err := x.c.ReadToEnd(ctx, x.topic, 0, reader)
	if err != nil {
		return err
	}
	if end != want {
		return fmt.Errorf("the log ends at %d, not at %d", end, want)
	}
	if x.writer != x.client {
		x.c.Fail(x.writer.Close(ctx))
	}
	if err := x.client.Close(ctx); err != nil {
		return err
	}
	_, err = x.c.CompareReplicas(ctx, x.topic, 0, end)
	return err
}
