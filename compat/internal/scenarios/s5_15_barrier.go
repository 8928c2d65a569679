package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/scenario"
)

// 5.15: the leader dies, is back, and dies again. Beside the clients, an idempotent raw writer sends every batch until it is
// acknowledged, and many of them once more; sessions ask every node for the latest offset; others have long polls open.
//
// Must be seen: a batch sent again is answered with the offset it has, also by another leader, and lies there once
// (oracle 2); the latest offset never goes back, for a new leader says nothing before it knows what was committed; nor does
// any high watermark (oracle 5).
func newLeaderBarrier() *scenario.Scenario {
	return together(outing{id: "5.15", title: "a new leader takes nothing back and stores nothing twice", limit: 8 * time.Minute,
		beside: func(m *member) {
			m.wg.Go(func() { m.c.Fail(writeTwice(m)) })
			m.wg.Go(func() { m.c.Fail(latestNeverFalls(m)) })
			for _, n := range cluster.Nodes() {
				(&session{m: m, name: fmt.Sprintf("long-poll-%d", n), pick: func() int { return n }, pause: time.Millisecond, wait: 2 * time.Second}).start()
			}
		},
		happen: func(ctx context.Context, p *party) error {
			for range 2 {
				if err := p.settle(ctx); err != nil {
					return err
				}
				if err := p.outlast(ctx, faults.Killed(p.cluster, p.leader), 0); err != nil {
					return err
				}
			}
			return nil
		}})
}

// askAny asks a node for something over a connection of its own.
func askAny[T any](ctx context.Context, c *scenario.Cell, node int, ask func(context.Context, *raw.Conn) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	conn, err := raw.Dial(ctx, c.Cluster.Direct(node))
	if err != nil {
		var none T
		return none, err
	}
	defer conn.Close()
	return ask(ctx, conn)
}

// writeTwice writes one record after the other, each until it is acknowledged and every third one once more, until the
// member's writers have ended.
func writeTwice(m *member) error {
	w, err := openRawWriter(m.ctx, m.c, m.topic, "writes-twice")
	if err != nil {
		return err
	}
	for m.ctx.Err() == nil {
		offset, err := w.write(m.ctx, leaderFirst(m.topic)...)
		if err != nil {
			return err
		}
		if w.n%3 == 0 {
			again, err := w.again(m.ctx, leaderFirst(m.topic)...)
			if err == nil && again != offset {
				return fmt.Errorf("%s: record %d was acknowledged at offset %d, and sent again at %d", w.handle, w.n-1, offset, again)
			}
		}
		if hold(m.ctx, 20*time.Millisecond) != nil {
			return nil
		}
	}
	return nil
}

// latestNeverFalls asks one node after the other for the latest offset; only a leader tells.
func latestNeverFalls(m *member) error {
	var highest int64
	told := 0
	for i := 0; m.ctx.Err() == nil; i++ {
		node := 1 + i%cluster.Size
		got, err := askAny(m.ctx, m.c, node, func(ctx context.Context, c *raw.Conn) (*raw.Listed, error) {
			return c.ListOffsets(ctx, raw.ListOffsets{Topic: m.topic.Name, Partition: m.topic.Partition, Timestamp: raw.Latest})
		})
		if err == nil && got.Error == nil {
			told++
			if got.Offset < highest {
				return fmt.Errorf("node %d says that the latest offset is %d; before, one said %d", node, got.Offset, highest)
			}
			highest = got.Offset
		}
		if hold(m.ctx, 10*time.Millisecond) != nil {
			break
		}
	}
	if told == 0 {
		return scenario.Unknownf("no node ever told the latest offset")
	}
	m.c.H.Logf("the latest offset was told %d times, and never fell", told)
	return nil
}
