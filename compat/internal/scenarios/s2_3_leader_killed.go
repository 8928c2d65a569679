package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/scenario"
)

// 2.3: the leader is killed (kill -9) while clients have fetches open: one reader of each at the leader itself, the other
// at a follower, whose fetch waits for what the leader would have sent.
//
// Must be seen: the kill bites; both readers go on by themselves with what the next leader takes; nothing lost, nothing
// doubled; the killed node comes back and has the same.
func leaderKilled() *scenario.Scenario {
	return together(outing{id: "2.3", title: "the leader is killed during fetches from it and from a follower", limit: 5 * time.Minute,
		happen: func(ctx context.Context, p *party) error {
			p.each(func(m *member) error {
				if err := m.client.OpenConsumer(ctx, leaderReader, m.c.FromFollower(m.topic, p.leader)); err != nil {
					return err
				}
				return m.c.AwaitReads(ctx, leaderReader, progress)
			})
			kill := faults.Killed(p.cluster, p.leader)
			if err := p.fault(ctx, kill.Inject); err != nil {
				return err
			}
			p.each(func(m *member) error { return goOnWithout(ctx, p, m) })
			return p.fault(ctx, kill.Heal)
		}})
}

// leaderReader reads from the leader while there is one to read from.
const leaderReader = "leader-reader"

// goOnWithout waits until writer and readers go on while the leader is dead. The reader that was at the leader ends there,
// and was to read all up to where it is.
func goOnWithout(ctx context.Context, p *party, m *member) error {
	ctx, cancel := context.WithTimeout(ctx, resumeWithin)
	defer cancel()
	if err := m.load.AwaitAcks(ctx, progress); err != nil {
		return fmt.Errorf("the writer does not go on without node %d: %w", p.leader, err)
	}
	written := m.c.H.Tally(m.load.Handle).Next
	beyond := func(x history.Tally) bool { return x.Next >= written }
	if m.c.Kind.Local { // this one knows no address but the dead node's
		return m.c.H.Until(ctx, "what the next leader took", reader, beyond)
	}
	for _, handle := range []string{leaderReader, reader} {
		if err := m.c.H.Until(ctx, "what the next leader took", handle, beyond); err != nil {
			return fmt.Errorf("%s does not go on without node %d: %w", handle, p.leader, err)
		}
	}
	m.c.H.Append(history.Event{Kind: history.Expect, Handle: leaderReader, Topic: m.topic.Name, Partition: m.topic.Partition, To: written})
	return nil
}
