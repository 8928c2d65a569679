package scenarios

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/scenario"
)

// party is many clients on one cluster under the same faults, each with a topic of its own, a writer that never stops and
// a reader that reads from a follower. It is how scenarios that mostly wait are run with every client at once.
type party struct {
	follower int // that everyone reads from
	members  []*member
	window   scenario.Window // opened before the first client was there
}

// member is one cell's part.
type member struct {
	c      *scenario.Cell
	topic  scenario.Topic
	client clients.Client // under test: the reader, and the writer where it can tell what became of its records
	writer clients.Client
	load   *scenario.Load
}

const (
	reader = "reader"
	// warmRecords are read by each client, one client after the other, before any fault: with nothing else going on,
	// the brokers' counters tell who served this client.
	warmRecords = 300
	// loadPerSecond is what each client's writer writes in a second.
	loadPerSecond = 100
	// progress is how many records make a step forward.
	progress = 50
)

// invite starts every cell's client and has it read from the follower. Cells that cannot begin are told so and left out; an
// error means that none could.
func invite(ctx context.Context, cells []*scenario.Cell, follower int) (*party, error) {
	p := &party{follower: follower}
	var err error
	if p.window, err = cells[0].OpenWindow(ctx); err != nil {
		return nil, err
	}
	for _, c := range cells {
		m, err := begin(ctx, c, follower)
		if scenario.IsUnknown(err) && ctx.Err() == nil {
			c.Again(err)
			m, err = begin(ctx, c, follower)
		}
		c.Fail(err)
		if err == nil {
			p.members = append(p.members, m)
		}
	}
	if len(p.members) == 0 {
		return nil, errors.New("no client could begin")
	}
	return p, nil
}

// begin brings one client to where it reads from the follower, and proves that it does.
func begin(ctx context.Context, c *scenario.Cell, follower int) (*member, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	m := &member{c: c}
	var err error
	// Some partition of six has another leader.
	if m.topic, err = c.Topic(ctx, 6, func(leader int) bool { return leader != follower }); err != nil {
		return nil, err
	}
	if m.client, err = c.StartUnderTest(ctx); err != nil {
		return nil, err
	}
	m.writer = m.client
	if !c.Kind.Acks {
		if m.writer, err = c.Start(ctx, clients.Default(), "writer"); err != nil {
			return nil, err
		}
	}
	window, err := c.OpenWindow(ctx)
	if err != nil {
		return nil, err
	}
	if m.load, err = c.OpenLoad(ctx, m.writer, "writer", m.topic); err != nil {
		return nil, err
	}
	if err := m.load.Send(ctx, warmRecords); err != nil {
		return nil, err
	}
	if err := m.client.OpenConsumer(ctx, reader, c.FromFollower(m.topic, follower)); err != nil {
		return nil, err
	}
	if err := c.H.Until(ctx, "the first records", reader, func(x history.Tally) bool { return x.Read >= warmRecords }); err != nil {
		return nil, err
	}
	if err := c.AwaitServed(ctx, window, warmRecords); err != nil {
		return nil, c.UnlessMoved(ctx, m.topic, fmt.Errorf("the client does not read from a follower: %w", err))
	}
	served := c.ServedSince(ctx, window)
	c.Result.Served.Leader, c.Result.Served.Follower = served.Leader, served.Follower
	return m, nil
}

// stillFollows makes sure that the node is still a follower for everyone before its links are cut: else a cut would be one
// of the leader's, which is another scenario.
func (p *party) stillFollows(ctx context.Context) error {
	for _, m := range p.members {
		leader, err := m.c.LeaderNow(ctx, m.topic)
		if err != nil {
			return err
		}
		if leader == p.follower {
			return scenario.Unknownf("the leader of %s-%d moved to node %d, whose link was to be cut as a follower's", m.topic.Name, m.topic.Partition, leader)
		}
	}
	return nil
}

// each runs do for every member at the same time; an error is that cell's complaint.
func (p *party) each(do func(*member) error) {
	var wg sync.WaitGroup
	for _, m := range p.members {
		wg.Go(func() { m.c.Fail(do(m)) })
	}
	wg.Wait()
}

// write starts every writer.
func (p *party) write() {
	for _, m := range p.members {
		m.load.Start(loadPerSecond)
	}
}

// read waits until every reader has gone a step forward.
func (p *party) read(ctx context.Context, within time.Duration, when string) {
	p.each(func(m *member) error {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		if err := m.c.AwaitReads(ctx, reader, progress); err != nil {
			return fmt.Errorf("no progress of the reader %s: %w", when, err)
		}
		return nil
	})
}

// acks waits until every writer has gone a step forward.
func (p *party) acks(ctx context.Context, within time.Duration, when string) {
	p.each(func(m *member) error {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		if err := m.load.AwaitAcks(ctx, progress); err != nil {
			return fmt.Errorf("no progress of the writer %s: %w", when, err)
		}
		return nil
	})
}

// finish stops the writers, has every reader read to the end, ends the clients, and copies every replica.
func (p *party) finish(ctx context.Context) {
	p.each(func(m *member) error {
		ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
		defer cancel()
		if err := m.load.Stop(ctx); err != nil {
			return err
		}
		end, err := m.c.ReadToEnd(ctx, m.topic, 0, reader)
		if err != nil {
			return err
		}
		if m.writer != m.client {
			m.c.Fail(m.writer.Close(ctx))
		}
		if err := m.client.Close(ctx); err != nil {
			return err
		}
		_, err = m.c.CompareReplicas(ctx, m.topic, 0, end)
		return err
	})
	p.proveTraffic(ctx)
}

// proveTraffic: what the members had read before the first fault came down the edges they read over. (Whose bytes
// were whose, toxiproxy does not tell; that each reads from a follower, begin has shown by the brokers' counters.)
func (p *party) proveTraffic(ctx context.Context) {
	down := map[cluster.Edge]int64{}
	for _, m := range p.members {
		read := 0
		for _, e := range m.c.H.Events() {
			if e.Kind == history.Read && e.Handle == reader && read < warmRecords {
				down[m.c.FollowerEdge(p.follower)] += e.Record.Size()
				read++
			}
		}
	}
	_, err := p.members[0].c.AwaitTraffic(ctx, p.window, down)
	for _, m := range p.members {
		m.c.Fail(err)
	}
}

// edges are the edges over which the members read from the follower.
func (p *party) edges() []cluster.Edge {
	var out []cluster.Edge
	seen := map[cluster.Edge]bool{}
	for _, m := range p.members {
		if e := m.c.FollowerEdge(p.follower); !seen[e] {
			seen[e] = true
			out = append(out, e)
		}
	}
	return out
}

// fault injects or heals, and tells every member's history of it. An error is everybody's.
func (p *party) fault(ctx context.Context, do func(context.Context, *history.Cell) error) error {
	h := p.members[0].c.H
	before := len(h.Events())
	err := do(ctx, h)
	for _, e := range h.Events()[before:] {
		switch e.Kind {
		case history.Fault, history.Bitten, history.Healed, history.Gone, history.Wiped:
			for _, m := range p.members[1:] {
				m.c.H.Append(e)
			}
		}
	}
	return err
}

// hold lets a fault last.
func hold(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
