package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/records"
	"lockstep/compat/internal/scenario"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// 5.16: what real clients have tripped over, one raw question each, with nothing broken. The history names every check
// that passed; clients have no part in it.
//
// Must be seen: the answers in the table below.
func protocolTraps() *scenario.Scenario {
	return &scenario.Scenario{ID: "5.16", Title: "answers that clients have tripped over", Limit: 2 * time.Minute,
		With: func(k clients.Kind) bool { return k.Name == clients.Default().Name },
		Run: func(ctx context.Context, c *scenario.Cell) error {
			t, err := c.Topic(ctx, 6, func(leader int) bool { return leader == partyLeader })
			if err != nil {
				return err
			}
			const perBatch = 50
			n, err := c.ProduceRaw(ctx, t, perBatch)
			if err != nil {
				return err
			}
			x := &traps{c: c, t: t, perBatch: perBatch, end: int64(n)}
			if err := x.followersHold(ctx); err != nil {
				return err
			}
			for _, trap := range x.all() {
				if err := trap.check(ctx); err != nil {
					c.Fail(c.UnlessMoved(ctx, x.t, fmt.Errorf("%s: %w", trap.name, err)))
					continue
				}
				c.H.Logf("as it should be: %s", trap.name)
			}
			if _, err := c.CompareReplicas(ctx, t, 0, x.end); err != nil {
				return err
			}
			c.Result.Records = x.end
			return nil
		}}
}

// traps are the checks on one partition, which holds a batch in each codec.
type traps struct {
	c        *scenario.Cell
	t        scenario.Topic
	perBatch int64
	end      int64
}

type trap struct {
	name  string
	check func(context.Context) error
}

func (x *traps) all() []trap {
	return []trap{
		{"a follower asked with its own rack gives records, and names no preferred replica, not even itself", x.staysHere},
		{"a leader asked from a follower's rack names that follower at once, with the true high watermark and no records", x.sentToFollower},
		{"the preferred replica is among the metadata's brokers and replicas", x.preferredIsKnown},
		{"a leader asked from nobody's rack serves", x.nobodysRack},
		{"offset above the high watermark of a follower: waits, then empty, no error, true high watermark", x.aboveHighWatermark},
		{"below Fetch v11 a follower refuses, and leaves the high watermark out", x.tooOldForFollowers},
		{"a batch larger than the limit comes whole", x.largerThanLimit},
		{"an offset in the middle of a batch: the batch that contains it comes first", x.middleOfBatch},
		{"a question that a follower has held is answered as soon as its own high watermark moves", x.woken(x.follower())},
		{"a question that the leader has held is answered as soon as its high watermark moves", x.woken(x.t.Leader)},
		{"many ListOffsets to a follower are each refused, and the connection lives", x.manyListOffsets},
		{"responses on one connection come in the order of the requests", x.inOrder},
		{"a time's offset is that of the first record that is not older, in every codec; there is none after the newest", x.byTime},
		{"the newest epoch ends at the high watermark; of one before the first record nothing is there", x.epochEnds},
		{"no records are empty records, and not null, in every version", x.emptyRecords},
		// The last one: it may have to move the leader.
		{"an older leader epoch is fenced and the leader named; a newer one is unknown", x.epochs},
	}
}

func (x *traps) follower() int { return partyFollower }

// ask fetches once from a node and notes it.
func (x *traps) ask(ctx context.Context, node int, f raw.Fetch) (*raw.Answer, error) {
	f.Topic, f.TopicID, f.Partition = x.t.Name, x.t.ID, x.t.Partition
	a, _, err := x.c.ProbeOnce(ctx, fmt.Sprintf("trap-on-%d", node), node, x.c.Cluster.Direct(node), f)
	return a, err
}

// followersHold waits until every node serves all that was written.
func (x *traps) followersHold(ctx context.Context) error {
	for _, n := range cluster.Nodes() {
		for {
			a, err := x.ask(ctx, n, raw.Fetch{Offset: x.end - 1, MinBytes: 1, MaxWait: time.Second})
			if err != nil {
				return err
			}
			if a.HighWatermark >= x.end {
				break
			}
		}
	}
	return nil
}

func (x *traps) staysHere(ctx context.Context) error {
	a, err := x.ask(ctx, x.follower(), raw.Fetch{Rack: cluster.Rack(x.follower()), MinBytes: 1})
	return errors.Join(err, expect(a, nil, x.end, -1, true))
}

func (x *traps) sentToFollower(ctx context.Context) error {
	for i := range 2 { // a leader that counts visits keeps who comes again and again
		a, err := x.ask(ctx, x.t.Leader, raw.Fetch{Rack: cluster.Rack(x.follower()), MinBytes: 1, MaxWait: 5 * time.Second, Offset: int64(i)})
		if err := errors.Join(err, expect(a, nil, x.end, x.follower(), false)); err != nil {
			return err
		}
		if a.Took > time.Second {
			return fmt.Errorf("the answer came after %v", a.Took)
		}
	}
	return nil
}

func (x *traps) preferredIsKnown(ctx context.Context) error {
	conn, err := raw.Dial(ctx, x.c.Cluster.Direct(x.t.Leader))
	if err != nil {
		return err
	}
	defer conn.Close()
	m, err := conn.Metadata(ctx, x.t.Name)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(m.Brokers, func(b kmsg.MetadataResponseBroker) bool { return int(b.NodeID) == x.follower() }) {
		return fmt.Errorf("node %d is not among the brokers", x.follower())
	}
	l, err := conn.Leader(ctx, x.t.Name, x.t.Partition)
	if err == nil && !slices.Contains(l.Replicas, x.follower()) {
		err = fmt.Errorf("node %d is not among the replicas %v", x.follower(), l.Replicas)
	}
	return err
}

func (x *traps) nobodysRack(ctx context.Context) error {
	a, err := x.ask(ctx, x.t.Leader, raw.Fetch{Rack: "nowhere", MinBytes: 1})
	return errors.Join(err, expect(a, nil, x.end, -1, true))
}

func (x *traps) aboveHighWatermark(ctx context.Context) error {
	const wait = 300 * time.Millisecond
	a, err := x.ask(ctx, x.follower(), raw.Fetch{Offset: x.end + 5, MinBytes: 1, MaxWait: wait})
	if err := errors.Join(err, expect(a, nil, x.end, -1, false)); err != nil {
		return err
	}
	if a.Took < wait*9/10 {
		return fmt.Errorf("the answer came after %v already", a.Took)
	}
	return nil
}

func (x *traps) tooOldForFollowers(ctx context.Context) error {
	a, err := x.ask(ctx, x.follower(), raw.Fetch{MinBytes: 1, Version: 10})
	return errors.Join(err, expect(a, kerr.NotLeaderForPartition, -1, -1, false))
}

// secondEpoch makes sure that there is an older epoch than the leader's: where the first is 0, -1 is none at all.
func (x *traps) secondEpoch(ctx context.Context) (now raw.Leadership, err error) {
	leader := func(ctx context.Context, conn *raw.Conn) (raw.Leadership, error) {
		return conn.Leader(ctx, x.t.Name, x.t.Partition)
	}
	if now, err = askAny(ctx, x.c, x.t.Leader, leader); err != nil || now.Epoch > 0 {
		return now, err
	}
	there := faults.Transferred(x.c.Cluster, x.t.Name, x.t.Partition, x.follower())
	if err := errors.Join(there.Inject(ctx, x.c.H), there.Heal(ctx, x.c.H)); err != nil {
		return now, err
	}
	for { // until both know that it is back
		now, err = askAny(ctx, x.c, x.t.Leader, leader)
		seen, err2 := askAny(ctx, x.c, x.follower(), leader)
		if err == nil && err2 == nil && now.ID == x.t.Leader && now.Leader == seen.Leader {
			x.t.Epoch = now.Epoch // from here on: it was moved for this
			return now, nil
		}
		if wait := hold(ctx, 50*time.Millisecond); wait != nil {
			return now, errors.Join(wait, err, err2)
		}
	}
}

func (x *traps) epochs(ctx context.Context) error {
	now, err := x.secondEpoch(ctx)
	if err != nil {
		return err
	}
	for _, node := range []int{x.t.Leader, x.follower()} {
		older, newer := now.Epoch-1, now.Epoch+5
		a, err := x.ask(ctx, node, raw.Fetch{MinBytes: 1, LeaderEpoch: &older})
		if err := errors.Join(err, expect(a, kerr.FencedLeaderEpoch, -1, -1, false)); err != nil {
			return fmt.Errorf("older, node %d: %w", node, err)
		}
		if a.CurrentLeader != now.Leader {
			// And go on: what a newer epoch is answered with is another question.
			x.c.Fail(fmt.Errorf("an older leader epoch is fenced: node %d names %+v as the leader, not %+v", node, a.CurrentLeader, now.Leader))
		}
		a, err = x.ask(ctx, node, raw.Fetch{MinBytes: 1, LeaderEpoch: &newer})
		if err := errors.Join(err, expect(a, kerr.UnknownLeaderEpoch, -1, -1, false)); err != nil {
			return fmt.Errorf("newer, node %d: %w", node, err)
		}
	}
	return nil
}

func (x *traps) largerThanLimit(ctx context.Context) error {
	for _, node := range []int{x.t.Leader, x.follower()} {
		a, err := x.ask(ctx, node, raw.Fetch{MinBytes: 1, MaxBytes: 1})
		if err := errors.Join(err, expect(a, nil, x.end, -1, true)); err != nil {
			return fmt.Errorf("node %d: %w", node, err)
		}
		if len(a.Batches) != 1 || a.Batches[0].BaseOffset != 0 {
			return fmt.Errorf("node %d: %d batches", node, len(a.Batches))
		}
	}
	return nil
}

func (x *traps) middleOfBatch(ctx context.Context) error {
	for _, node := range []int{x.t.Leader, x.follower()} {
		for base := int64(0); base < x.end; base += x.perBatch {
			for _, offset := range []int64{base + 1, base + x.perBatch/2, base + x.perBatch - 1} {
				a, err := x.ask(ctx, node, raw.Fetch{Offset: offset, MinBytes: 1})
				if err := errors.Join(err, expect(a, nil, x.end, -1, true)); err != nil {
					return fmt.Errorf("offset %d, node %d: %w", offset, node, err)
				}
				if a.Batches[0].BaseOffset != base {
					return fmt.Errorf("offset %d, node %d: the first batch begins at %d", offset, node, a.Batches[0].BaseOffset)
				}
			}
		}
	}
	return nil
}

// expect looks at what an answer says.
func expect(a *raw.Answer, code error, hw int64, preferred int, records bool) error {
	switch {
	case a == nil:
		return errors.New("no answer")
	case !errors.Is(a.Error, code):
		return fmt.Errorf("error %v, not %v", a.Error, code)
	case a.HighWatermark != hw:
		return fmt.Errorf("high watermark %d, not %d", a.HighWatermark, hw)
	case a.Preferred != preferred:
		return fmt.Errorf("preferred replica %d, not %d", a.Preferred, preferred)
	case (len(a.Batches) > 0) != records:
		return fmt.Errorf("%d batches", len(a.Batches))
	}
	return nil
}

// one writes one more record.
func (x *traps) one(ctx context.Context) error {
	r := records.Record{Value: []byte("one more"), Timestamp: time.Now().UnixMilli()}
	batch, err := raw.Build("none", []records.Record{r})
	if err != nil {
		return err
	}
	e := history.Event{Handle: "one-more", N: x.end, Topic: x.t.Name, Partition: x.t.Partition}
	sent := e
	sent.Kind, sent.Record = history.Sent, records.ForHistory(r)
	x.c.H.Append(sent)
	offset, err := askAny(ctx, x.c, x.t.Leader, func(ctx context.Context, c *raw.Conn) (int64, error) {
		return c.Append(ctx, x.t.Name, x.t.Partition, batch)
	})
	if err != nil {
		return err
	}
	e.Kind, e.Offset = history.Acked, offset
	x.c.H.Append(e)
	x.end = offset + 1
	return nil
}
