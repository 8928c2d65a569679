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

// 5.18: all nodes are killed at the same time (kill -9) once everything is acknowledged, and started again.
//
// Must be seen: no node runs for a while; afterwards every record is there, on every replica, and readers go on with it.
func allKilled() *scenario.Scenario {
	return &scenario.Scenario{ID: "5.18", Title: "kill -9 of all nodes at the same time", Limit: 4 * time.Minute, Faults: true,
		RunAll: func(ctx context.Context, cells []*scenario.Cell) error {
			const n = 200
			p, all, err := guests(ctx, cells, partyLeader, written(n, partyFollower))
			if err != nil {
				return err
			}
			kill := faults.AllKilled(p.cluster)
			if err := p.fault(ctx, kill.Inject); err != nil {
				return err
			}
			if err := p.fault(ctx, kill.Heal); err != nil {
				return err
			}
			everyone(all, func(g *guest) error {
				switch end, err := g.c.End(ctx, g.topic); {
				case err != nil:
					return fmt.Errorf("where the log ends after all nodes were killed: %w", err)
				case end < n:
					return fmt.Errorf("%d records were acknowledged before all nodes were killed; now the log ends at %d: the others are lost", n, end)
				}
				return asMuchAgain(ctx, g, n)
			})
			return nil
		}}
}

// written has a guest's writer write n records, and its reader read them from a follower.
func written(n int64, follower int) func(context.Context, *guest) error {
	return func(ctx context.Context, g *guest) error {
		if err := g.load.Send(ctx, int(n)); err != nil {
			return err
		}
		w, err := g.c.OpenWindow(ctx)
		if err != nil {
			return err
		}
		if err := g.follow(ctx, follower); err != nil {
			return err
		}
		if err := g.reads(ctx, n, resumeWithin); err != nil {
			return err
		}
		if err := g.c.AwaitServed(ctx, w, n); err != nil {
			return g.c.UnlessMoved(ctx, g.topic, err)
		}
		served := g.c.ServedSince(ctx, w)
		g.c.Result.Served.Leader, g.c.Result.Served.Follower = served.Leader, served.Follower
		return nil
	}
}

// asMuchAgain has a guest who has n records write as many again, read them, and leave.
func asMuchAgain(ctx context.Context, g *guest, n int64) error {
	if err := g.load.Send(ctx, int(n)); err != nil {
		return err
	}
	if err := g.reads(ctx, 2*n, resumeWithin); err != nil {
		return err
	}
	return g.leave(ctx, 2*n)
}

// 5.19: a follower is cut off from its peers, killed (kill -9), and started again while it hears nobody.
//
// Must be seen: it serves what it served before, by itself, and nothing less; when the cut is healed everyone goes on.
func restartedAlone() *scenario.Scenario {
	return &scenario.Scenario{ID: "5.19", Title: "a follower that restarts cut off serves what it served", Limit: 4 * time.Minute, Faults: true,
		RunAll: func(ctx context.Context, cells []*scenario.Cell) error {
			const n = 200
			p, all, err := guests(ctx, cells, partyLeader, written(n, partyFollower))
			if err != nil {
				return err
			}
			cut := faults.Isolated(p.cluster, p.follower)
			if err := p.fault(ctx, cut.Inject); err != nil {
				return err
			}
			if err := p.cluster.Kill(ctx, p.follower); err != nil {
				return err
			}
			if err := p.cluster.StartNode(ctx, p.follower); err != nil {
				return err
			}
			everyone(all, func(g *guest) error { return servesAgain(ctx, g, p.follower, n) })
			if err := p.fault(ctx, cut.Heal); err != nil {
				return err
			}
			everyone(all, func(g *guest) error { return asMuchAgain(ctx, g, n) })
			return nil
		}}
}

// servesAgain asks a node that has just been started until it answers: its first answer must be whole.
func servesAgain(ctx context.Context, g *guest, node int, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, resumeWithin)
	defer cancel()
	f := raw.Fetch{Topic: g.topic.Name, Partition: g.topic.Partition, MaxWait: raw.NoWait, Rack: cluster.Rack(node)}
	for {
		a, got, err := g.c.ProbeOnce(ctx, "after-restart", node, g.c.Cluster.Direct(node), f)
		switch {
		case err != nil:
			if holdErr := hold(ctx, 100*time.Millisecond); holdErr != nil {
				return fmt.Errorf("node %d does not answer after its restart: %w", node, err)
			}
			continue
		case a.Error != nil || a.HighWatermark != n || int64(len(got)) != n:
			return fmt.Errorf("node %d served %d records before its restart; now: %d records, high watermark %d, error %v", node, n, len(got), a.HighWatermark, a.Error)
		}
		return nil
	}
}
