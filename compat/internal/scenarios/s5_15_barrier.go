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
// Must be seen: a batch sent again is answered with the offset it has, also by the successor of a leader that acknowledged it
// and died, and lies there once (oracle 2); the latest offset never goes back, for a new leader says nothing before it knows
// what was committed; nor does any high watermark (oracle 5).
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
			for i := range 2 {
				if err := p.settle(ctx); err != nil {
					return err
				}
				if err := acrossDeath(ctx, p, fmt.Sprintf("sent-to-both-%d", i+1)); err != nil {
					return err
				}
			}
			return nil
		}})
}

// acrossDeath kills the leader right after a record of each member was acknowledged, and sends the record to the next one:
// what a producer does that has not heard the acknowledgement.
func acrossDeath(ctx context.Context, p *party, handle string) error {
	writers := map[*member]*rawWriter{}
	for _, m := range p.members {
		w, err := openRawWriter(ctx, m.c, m.topic, handle)
		if err == nil {
			_, err = w.write(ctx, leaderFirst(m.topic)...)
		}
		if err != nil {
			return err
		}
		writers[m] = w
	}
	kill := faults.Killed(p.cluster, p.leader)
	p.mustGoOn(kill, resumeWithin)
	if err := p.fault(ctx, kill.Inject); err != nil {
		return err
	}
	p.each(func(m *member) error { return writers[m].storedOnce(ctx, cluster.Others(p.leader)...) })
	p.acks(ctx, resumeWithin, "during "+kill.Name)
	return p.fault(ctx, kill.Heal)
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
		if _, err := w.write(m.ctx, leaderFirst(m.topic)...); err != nil {
			return err
		}
		if w.n%3 == 0 {
			if err := w.storedOnce(m.ctx, leaderFirst(m.topic)...); err != nil {
				return err
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
