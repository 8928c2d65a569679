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
// is sent, by a raw writer that has its producer id already (to give one, something would have to be committed), and lies in
// the logs of leader and follower. Followers are asked for it with a wait of 500 ms, and again with a wait longer than the
// cut; the leader is asked all the time for it and for the latest offset.
//
// Must be seen: empty answers after about 500 ms with high watermark 0; no acknowledgement; no reader is given the record,
// and the leader does not count it; when the links are back and it commits, the question that waits is answered at once, by
// the follower itself.
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
	inCut, healing := context.WithCancel(ctx)
	defer healing()
	sent, parked, withheld := map[*guest]chan error{}, map[*guest]chan error{}, map[*guest]chan error{}
	writers := map[*guest]*rawWriter{}
	for _, g := range all {
		if writers[g], err = openRawWriter(ctx, g.c, g.topic, onlyWriter); err != nil {
			return err
		}
		parked[g] = begin(func() error { return released(ctx, g, p.follower) })
		withheld[g] = begin(func() error { return withholds(inCut, g) })
	}
	cut := faults.Unacknowledged(cl, p.leader, p.follower).Then(func() {
		for _, g := range all {
			sent[g] = begin(func() error {
				_, err := writers[g].write(ctx, leaderFirst(g.topic)...)
				return err
			})
		}
	})
	if err := p.fault(ctx, cut.Inject); err != nil {
		return err
	}
	everyone(all, func(g *guest) error { return waits(ctx, g) })
	healing()
	for _, g := range all {
		g.c.Fail(<-withheld[g])
		nothingTold(ctx, g, p.follower)
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

// nothingTold judges what everybody was told while the record could not be committed.
func nothingTold(ctx context.Context, g *guest, follower int) {
	if x := g.c.H.Tally(reader); x.Read > 0 {
		g.c.Fail(errors.New("a reader was given a record that cannot be committed"))
	}
	if x := g.c.H.Tally(onlyWriter); x.Acked > 0 {
		g.c.Fail(errors.New("a record was acknowledged that cannot be committed"))
	}
	if !g.c.Failed() {
		g.c.Fail(stored(ctx, g, follower))
	}
}

// begin does something meanwhile; the channel gets what came of it.
func begin(do func() error) chan error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	return done
}

// onlyWriter writes the record that cannot be committed.
const onlyWriter = "raw-writer"

// withholds asks the leader for the record and for the latest offset until ctx ends: it may not tell of a record that it
// cannot commit. It leads no longer soon after the cut, and refuses both; before that it must have been asked.
func withholds(ctx context.Context, g *guest) error {
	told := 0
	for ctx.Err() == nil {
		counts := g.c.H.Tally(onlyWriter).Sent > 0
		latest, err := askAny(ctx, g.c, g.topic.Leader, func(ctx context.Context, c *raw.Conn) (*raw.Listed, error) {
			a, got, err := g.c.Probe(ctx, "of-the-leader", g.topic.Leader, c, raw.Fetch{Topic: g.topic.Name, Partition: g.topic.Partition, MaxWait: raw.NoWait})
			if err != nil {
				return nil, err
			}
			if len(got) > 0 || a.HighWatermark > 0 {
				return &raw.Listed{Offset: max(a.HighWatermark, int64(len(got)))}, nil
			}
			return c.ListOffsets(ctx, raw.ListOffsets{Topic: g.topic.Name, Partition: g.topic.Partition, Timestamp: raw.Latest})
		})
		if err == nil && latest.Error == nil {
			if latest.Offset > 0 {
				return fmt.Errorf("the leader says that the log ends at %d, though nothing can have been committed", latest.Offset)
			}
			if counts {
				told++
			}
		}
		if hold(ctx, 20*time.Millisecond) != nil {
			break
		}
	}
	if told == 0 {
		return scenario.Unknownf("the leader was not asked for the latest offset between the record and its loss of leadership")
	}
	g.c.H.Logf("with the record in its log, the leader said %d times that it ends at 0", told)
	return nil
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
	if err := g.c.H.Until(ctx, "the acknowledgement", onlyWriter, func(x history.Tally) bool { return x.Acked == 1 }); err != nil {
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
