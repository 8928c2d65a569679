package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/scenario"
)

// 8.1: a group's consumer reads 100 records and commits; each node in turn is killed (kill -9), its coordinator among them;
// 100 more are written, and another consumer of the group goes on.
//
// Must be seen: it begins with the first record that was not committed, and misses none.
func committedOffsets() *scenario.Scenario {
	return &scenario.Scenario{ID: "8.1", Title: "committed offsets outlive their coordinator", Limit: 6 * time.Minute, Faults: true,
		With: func(k clients.Kind) bool { return k.Name != "kcat" }, // its group mode cannot be told to commit at a place
		RunAll: func(ctx context.Context, cells []*scenario.Cell) error {
			const n = 100
			p, all, err := guests(ctx, cells, partyLeader, func(ctx context.Context, g *guest) error { return g.asGroup(ctx, "first", 0, n) })
			if err != nil {
				return err
			}
			for _, node := range cluster.Nodes() {
				kill := faults.Killed(p.cluster, node)
				if err := p.fault(ctx, kill.Inject); err != nil {
					return err
				}
				if err := p.fault(ctx, kill.Heal); err != nil {
					return err
				}
			}
			// One after the other: the counters of a fault tell nothing here, but machines with few cores start slowly.
			for _, g := range all {
				g.c.Fail(g.asGroup(ctx, "second", n, 2*n))
			}
			everyone(all, func(g *guest) error {
				if g.writer != g.client {
					g.c.Fail(g.writer.Close(ctx))
				}
				if err := g.client.Close(ctx); err != nil {
					return err
				}
				_, err := g.c.CompareReplicas(ctx, g.topic, 0, 2*n)
				return err
			})
			return nil
		}}
}

// asGroup writes the records [from, to), has a consumer of the topic's group read them and commit, and ends it. It must
// begin at from.
func (g *guest) asGroup(ctx context.Context, handle string, from, to int64) error {
	ctx, cancel := context.WithTimeout(ctx, resumeWithin)
	defer cancel()
	if err := g.load.Send(ctx, int(to-from)); err != nil {
		return err
	}
	o := g.c.FromFollower(g.topic, partyFollower)
	o.Group = g.topic.Name + "-group"
	if err := g.client.OpenConsumer(ctx, handle, o); err != nil {
		return err
	}
	if err := g.c.H.Until(ctx, fmt.Sprintf("everything below offset %d", to), handle, func(x history.Tally) bool { return x.Next >= to }); err != nil {
		return err
	}
	for _, e := range g.c.H.Events() {
		if e.Kind == history.Read && e.Handle == handle {
			if e.Offset != from {
				return fmt.Errorf("the group's committed offset is %d, and its next consumer began at %d", from, e.Offset)
			}
			break
		}
	}
	g.c.H.Append(history.Event{Kind: history.Expect, Handle: handle, Topic: g.topic.Name, Partition: g.topic.Partition, Offset: from, To: to})
	if err := g.client.Commit(ctx, handle); err != nil {
		return err
	}
	return g.client.CloseHandle(ctx, handle)
}
