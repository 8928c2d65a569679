package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/scenario"
)

// 1.4: nothing can commit: one follower gets what the leader sends, and no answer comes back, the other is cut off. A record
// is sent, and lies in the logs of leader and follower. Followers are asked for it with a wait of 500 ms, and again with a
// wait longer than the cut.
//
// Must be seen: empty answers after about 500 ms with high watermark 0; no acknowledgement, and no reader is given the
// record; when the links are back and it commits, the question that waits is answered at once, by the follower itself.
func commitWait() *scenario.Scenario {
	return &scenario.Scenario{ID: "1.4", Title: "a fetch waits for the commit", Limit: 5 * time.Minute, Faults: true, RunAll: runCommitWait}
}

const (
	// waitFor is the wait that the plan asks for, with what a busy machine may add.
	waitFor     = 500 * time.Millisecond
	waitAtLeast = 490 * time.Millisecond
	waitAtMost  = 1500 * time.Millisecond
	// releasedWithin bounds how long after the commit a parked fetch may be answered; it takes a millisecond or so, but the
	// machine is busy with clients that reconnect.
	releasedWithin = time.Second
)

func runCommitWait(ctx context.Context, cells []*scenario.Cell) error {
	cl := cells[0].Cluster
	if f := cl.Features(); !f.PeerLinks || !f.Reconfigure {
		return scenario.Skipf("it takes links between each pair of nodes, and nodes that can be started with other settings")
	}
	// With the usual lease, followers would soon send readers away instead of letting them wait.
	if err := cl.Reconfigure(ctx, map[string]string{"LOCKSTEP_LEASE": "60s"}); err != nil {
		return err
	}
	p, all, err := guests(ctx, cells, partyLeader, func(ctx context.Context, g *guest) error { return g.follow(ctx, partyFollower) })
	if err != nil {
		return err
	}
	if err := p.stillFollows(ctx); err != nil {
		return err
	}
	sent := make(map[*guest]chan error)
	parked := make(map[*guest]chan error)
	for _, g := range all {
		sent[g], parked[g] = make(chan error, 1), make(chan error, 1)
		go func() { parked[g] <- released(ctx, g, p.follower) }()
	}
	cut := faults.Unacknowledged(cl, p.leader, p.follower).Then(func() {
		for _, g := range all {
			go func() { sent[g] <- g.load.Send(ctx, 1) }()
		}
	})
	if err := p.fault(ctx, cut.Inject); err != nil {
		return err
	}
	everyone(all, func(g *guest) error { return waits(ctx, g) })
	for _, g := range all {
		if x := g.c.H.Tally(reader); x.Read > 0 {
			g.c.Fail(errors.New("a reader was given a record that cannot be committed"))
		}
		if x := g.c.H.Tally("writer"); x.Acked > 0 {
			g.c.Fail(errors.New("a record was acknowledged that cannot be committed"))
		}
		if !g.c.Failed() {
			g.c.Fail(stored(ctx, g, p.follower))
		}
	}
	if err := p.fault(ctx, cut.Heal); err != nil {
		return err
	}
	everyone(all, func(g *guest) error {
		if err := <-sent[g]; err != nil {
			return err
		}
		if err := <-parked[g]; err != nil {
			return err
		}
		if err := g.reads(ctx, 1, resumeWithin); err != nil {
			return err
		}
		return g.leave(ctx, 1)
	})
	return cl.Reconfigure(ctx, nil)
}

// stored shows that the record is there to be shown: in the follower's log, above what is committed.
func stored(ctx context.Context, g *guest, follower int) error {
	more, saw, err := g.c.Cluster.Beyond(ctx, follower, g.topic.Name, g.topic.Partition)
	if err != nil {
		return err
	}
	g.c.H.Logf("%s", saw)
	if more {
		return nil
	}
	return scenario.Unknownf("the record that cannot be committed did not reach the follower: there was nothing to be shown")
}

// waits asks both followers with the plan's wait.
func waits(ctx context.Context, g *guest) error {
	for _, f := range g.topic.Followers {
		a, got, err := g.c.ProbeOnce(ctx, fmt.Sprintf("probe-%d", f), f, g.c.Cluster.Direct(f), raw.Fetch{Topic: g.topic.Name,
			Partition: g.topic.Partition, MaxWait: waitFor, MinBytes: 1, Rack: cluster.Rack(f)})
		if err != nil {
			return err
		}
		what := fmt.Sprintf("fetch of node %d while nothing can commit", f)
		if a.Error != nil || len(got) > 0 || a.HighWatermark != 0 || a.Preferred != -1 {
			return fmt.Errorf("%s: %d records, high watermark %d, preferred %d, error %v; expected none, 0, -1", what, len(got), a.HighWatermark, a.Preferred, a.Error)
		}
		if a.Took < waitAtLeast || a.Took > waitAtMost {
			return fmt.Errorf("%s: answered after %v, expected about %v", what, a.Took, waitFor)
		}
	}
	return nil
}

// released asks the follower with a wait longer than the cut, and compares when the answer came with when the writer
// heard of the commit.
func released(ctx context.Context, g *guest, follower int) error {
	const session, long = "parked", 60 * time.Second
	f := raw.Fetch{Topic: g.topic.Name, Partition: g.topic.Partition, MaxWait: long, MinBytes: 1, Rack: cluster.Rack(follower)}
	a, got, err := g.c.ProbeOnce(ctx, session, follower, g.c.Cluster.Direct(follower), f)
	at := time.Now()
	if err != nil {
		return fmt.Errorf("the fetch that waits for the commit: %w", err)
	}
	if len(got) != 1 || a.HighWatermark != 1 || a.Error != nil {
		return fmt.Errorf("the fetch that waits for the commit: %d records, high watermark %d, error %v after %v", len(got), a.HighWatermark, a.Error, a.Took)
	}
	if err := g.c.H.Until(ctx, "the acknowledgement", "writer", func(x history.Tally) bool { return x.Acked == 1 }); err != nil {
		return err
	}
	for _, e := range g.c.H.Events() {
		if e.Kind == history.Acked {
			late := at.Sub(time.Unix(0, e.At))
			g.c.H.Logf("the fetch that waited was answered %v after the writer was", late.Round(time.Microsecond))
			if late > releasedWithin {
				return fmt.Errorf("the fetch that waits for the commit was answered %v after it", late)
			}
		}
	}
	return nil
}
