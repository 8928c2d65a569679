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
	cluster  *cluster.Cluster
	leader   int // of everyone's partition when the party began
	follower int // that everyone reads from
	members  []*member
	window   scenario.Window // opened before the first client was there
	wg       sync.WaitGroup  // of raw sessions
	bounded  map[string]bool // names of faults after which everyone has to go on
}

// Who leads and who is read from when a party begins.
const (
	partyLeader   = 1
	partyFollower = 2
)

// member is one cell's part.
type member struct {
	c      *scenario.Cell
	topic  scenario.Topic
	client clients.Client // under test: the reader, and the writer where it can tell what became of its records
	writer clients.Client
	load   *scenario.Load
	// ctx and wg are what its raw sessions run under.
	ctx context.Context
	wg  *sync.WaitGroup
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
func invite(ctx context.Context, cells []*scenario.Cell, configs map[string]string) (*party, error) {
	p := &party{cluster: cells[0].Cluster, leader: partyLeader, follower: partyFollower, bounded: map[string]bool{}}
	var err error
	if p.window, err = cells[0].OpenWindow(ctx); err != nil {
		return nil, err
	}
	for _, c := range cells {
		m, err := p.begin(ctx, c, configs)
		if scenario.IsUnknown(err) && ctx.Err() == nil {
			c.Again(err)
			m, err = p.begin(ctx, c, configs)
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
func (p *party) begin(ctx context.Context, c *scenario.Cell, configs map[string]string) (*member, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	m := &member{c: c}
	var err error
	// Of six partitions each node leads some.
	if m.topic, err = c.TopicWith(ctx, configs, 6, func(leader int) bool { return leader == p.leader }); err != nil {
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
	if err := m.client.OpenConsumer(ctx, reader, c.FromFollower(m.topic, p.follower)); err != nil {
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

// stillFollows makes sure that the leader is where it was before something is done to it or to the follower: else it would
// be done to the other.
func (p *party) stillFollows(ctx context.Context) error {
	for _, m := range p.members {
		leader, err := m.c.LeaderNow(ctx, m.topic)
		if err != nil {
			return err
		}
		if leader != p.leader {
			return scenario.Unknownf("the leader of %s-%d moved from node %d to node %d", m.topic.Name, m.topic.Partition, p.leader, leader)
		}
	}
	return nil
}

// settle waits until leaders are where they were before the last fault.
func (p *party) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		err := p.stillFollows(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
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
func (p *party) write(perSecond int) {
	if perSecond == 0 {
		perSecond = loadPerSecond
	}
	for _, m := range p.members {
		m.load.Start(perSecond)
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

// abandon ends the writers of a party that will not be finished, so that nothing of it is told to the next try.
func (p *party) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for _, m := range p.members {
		wg.Go(func() {
			if err := m.load.Stop(ctx); err != nil {
				m.c.H.Logf("the writer did not end: %v", err)
			}
		})
	}
	wg.Wait()
}

// finish stops the writers and then the raw sessions, has every reader read to the end, ends the clients, and copies every
// replica.
func (p *party) finish(ctx context.Context, stopSessions func()) {
	p.each(func(m *member) error {
		ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
		defer cancel()
		return m.load.Stop(ctx)
	})
	stopSessions()
	p.wg.Wait()
	p.each(func(m *member) error {
		ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
		defer cancel()
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
