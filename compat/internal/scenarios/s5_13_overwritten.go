package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/records"
	"lockstep/compat/internal/scenario"
)

// 5.13: the leader is cut off from its peers and goes on taking records, which cannot be committed; another leader is
// elected and puts other records in their places; then the old leader hears of it. Sessions on every replica read all
// the time.
//
// Must be seen: the old leader had such records in its log, and has them no longer; no reader of any replica was ever shown
// one (oracle 4); what the new leader acknowledged lies in their places on all replicas.
func overwritten() *scenario.Scenario {
	return together(outing{id: "5.13", title: "a suffix that is replaced was never shown", limit: 6 * time.Minute,
		beside: onEvery,
		happen: func(ctx context.Context, p *party) error {
			cut := faults.Isolated(p.cluster, p.leader)
			h := p.members[0].c
			alone := p.cluster.Direct(p.leader)
			// Before the cut is felt: afterwards the old leader knows that it is none.
			stranded := make(chan error, 1)
			go func() { stranded <- strand(ctx, h, p.members[0].topic, alone) }()
			if err := p.fault(ctx, cut.Inject); err != nil {
				return err
			}
			p.acks(ctx, resumeWithin, "with the old leader cut off")
			if err := <-stranded; err != nil {
				return err
			}
			if err := p.fault(ctx, cut.Heal); err != nil {
				return err
			}
			return nil
		}})
}

// strand sends records to a leader until it no longer takes any, and waits for its log to end above what it knows to be
// committed. The records of whose fate nothing was heard are those that must not be shown unless they are committed.
func strand(ctx context.Context, c *scenario.Cell, t scenario.Topic, addr string) error {
	const handle = "stranded"
	for n := int64(0); ; n++ {
		r := records.Record{Key: []byte("stranded"), Value: fmt.Appendf(nil, "stranded-%d", n), Timestamp: time.Now().UnixMilli()}
		batch, err := raw.Build("none", []records.Record{r})
		if err != nil {
			return err
		}
		at := history.Event{Handle: handle, N: n, Topic: t.Name, Partition: t.Partition}
		sent := at
		sent.Kind, sent.Record = history.Sent, records.ForHistory(r)
		c.H.Append(sent)
		got, err := produceOnce(ctx, addr, raw.Produce{Topic: t.Name, Partition: t.Partition, Acks: -1, Timeout: 2 * time.Second, Batches: batch})
		switch {
		case err == nil && got.Error == nil:
			acked := at
			acked.Kind, acked.Offset = history.Acked, got.BaseOffset
			c.H.Append(acked)
			continue
		case err == nil:
			err = got.Error
		}
		failed := at
		failed.Kind, failed.Error = history.Failed, err.Error()
		c.H.Append(failed)
		return heldBack(ctx, c, t)
	}
}

func produceOnce(ctx context.Context, addr string, p raw.Produce) (*raw.Produced, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := raw.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Produce(ctx, p)
}

// heldBack shows the bite: the old leader's log holds what was not committed.
func heldBack(ctx context.Context, c *scenario.Cell, t scenario.Topic) error {
	more, saw, err := c.Cluster.Beyond(ctx, t.Leader, t.Name, t.Partition)
	if err != nil {
		return err
	}
	c.H.Logf("the old leader, %s", saw)
	if !more {
		return scenario.Unknownf("nothing was there to be replaced: %s", saw)
	}
	return nil
}
