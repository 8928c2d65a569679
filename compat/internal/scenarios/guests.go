package scenarios

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/scenario"
)

// guest is a cell whose topic has its leader where the scenario wants it, with a writer that tells what became of each
// record and the client under test as a reader.
type guest struct {
	c      *scenario.Cell
	topic  scenario.Topic
	client clients.Client
	writer clients.Client
	load   *scenario.Load
}

// host prepares one cell: a topic that leader leads, a writer, and the client under test.
func host(ctx context.Context, c *scenario.Cell, leader int) (*guest, error) {
	g := &guest{c: c}
	var err error
	if g.topic, err = c.Topic(ctx, 6, func(l int) bool { return l == leader }); err != nil {
		return nil, err
	}
	if g.client, err = c.StartUnderTest(ctx); err != nil {
		return nil, err
	}
	g.writer = g.client
	if !c.Kind.Acks || !idempotent(g.client) { // the record counts are exact
		if g.writer, err = c.Start(ctx, clients.Default(), "writer"); err != nil {
			return nil, err
		}
	}
	g.load, err = c.OpenLoad(ctx, g.writer, "writer", g.topic)
	return g, err
}

// reads waits until the reader has been given everything below end.
func (g *guest) reads(ctx context.Context, end int64, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return g.c.H.Until(ctx, fmt.Sprintf("everything below offset %d", end), reader, func(x history.Tally) bool { return x.Next >= end })
}

// leave ends the clients and compares the replicas, from the beginning to end.
func (g *guest) leave(ctx context.Context, end int64) error {
	g.c.ExpectAll(g.topic, reader, 0, end)
	if g.writer != g.client {
		g.c.Fail(g.writer.Close(ctx))
	}
	if err := g.client.Close(ctx); err != nil {
		return err
	}
	_, err := g.c.CompareReplicas(ctx, g.topic, 0, end)
	return err
}

// follow opens the reader, steered to the follower.
func (g *guest) follow(ctx context.Context, follower int) error {
	return g.client.OpenConsumer(ctx, reader, g.c.FromFollower(g.topic, follower))
}

// guests hosts every cell, one after the other; those that cannot begin are told so. They are a party without warm-up.
func guests(ctx context.Context, cells []*scenario.Cell, leader int, prepare func(context.Context, *guest) error) (*party, []*guest, error) {
	p := &party{cluster: cells[0].Cluster, leader: leader, follower: partyFollower}
	var all []*guest
	for _, c := range cells {
		g, err := host(ctx, c, leader)
		if err == nil {
			err = prepare(ctx, g)
		}
		c.Fail(err)
		if err != nil {
			continue
		}
		all = append(all, g)
		p.members = append(p.members, &member{c: c, topic: g.topic, client: g.client, writer: g.writer, load: g.load})
	}
	if len(all) == 0 {
		return nil, nil, errors.New("no client could begin")
	}
	return p, all, nil
}

// everyone does the same for all guests at the same time.
func everyone(all []*guest, do func(*guest) error) {
	var wg sync.WaitGroup
	for _, g := range all {
		wg.Go(func() { g.c.Fail(do(g)) })
	}
	wg.Wait()
}
