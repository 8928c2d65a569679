package scenario

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lockstep/compat/drivers/protocol"
	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/records"
)

// Load is a producer that writes at a steady rate in the background.
type Load struct {
	Handle string

	c      *Cell
	client clients.Client
	topic  Topic
	rs     []records.Record // sent round and round
	next   int64
	stop   chan struct{}
	done   chan error
}

// loadEvery is how often a load sends.
const loadEvery = 50 * time.Millisecond

// mostOpen bounds the records of a load that wait for their fate: during a fault it must not fill the memory.
const mostOpen = 3000

// OpenLoad opens a producer for a load: Send and Start make it write.
func (c *Cell) OpenLoad(ctx context.Context, client clients.Client, handle string, t Topic) (*Load, error) {
	err := client.OpenProducer(ctx, handle, clients.ProducerOptions{Bootstrap: c.Cluster.Bootstrap(), Topic: t.Name, Codec: "none",
		Idempotent: slices.Contains(client.Info().Features, protocol.FeatureIdempotence), LingerMS: 5})
	if err != nil {
		return nil, err
	}
	l := &Load{Handle: handle, c: c, client: client, topic: t, stop: make(chan struct{}), done: make(chan error, 1)}
	base := c.now().UnixMilli()
	if c.Kind.Plain {
		l.rs = records.Plain(c.Seed, 20_000, base)
	} else {
		// Fewer than 100, so that none is near the size limit.
		l.rs = records.Nasty(c.Seed, 99, base, records.LimitsOf(client.Info().Features))
	}
	return l, nil
}

// Send sends n records now and waits until the fate of each is known. Not while the load runs.
func (l *Load) Send(ctx context.Context, n int) error {
	if err := l.send(n); err != nil {
		return err
	}
	return l.client.Flush(ctx, l.Handle)
}

// Start makes the load write perSecond records a second until Stop.
func (l *Load) Start(perSecond int) {
	go func() { l.done <- l.run(perSecond) }()
}

func (l *Load) run(perSecond int) error {
	tick := time.NewTicker(max(loadEvery, time.Second/time.Duration(perSecond)))
	defer tick.Stop()
	each := max(1, perSecond*int(loadEvery/time.Millisecond)/1000)
	for {
		select {
		case <-l.stop:
			return nil
		case <-tick.C:
		}
		x := l.c.H.Tally(l.Handle)
		if x.Sent-x.Acked-x.Failed > mostOpen {
			continue
		}
		if err := l.send(each); err != nil {
			return err
		}
	}
}

func (l *Load) send(n int) error {
	batch := make([]records.Record, 0, n)
	first := l.next
	for range n {
		r := l.rs[l.next%int64(len(l.rs))]
		// Its number makes each record unlike all others, so that a second copy is told from another record.
		r.Timestamp += l.next
		batch = append(batch, r)
		l.next++
	}
	if err := l.client.Send(l.Handle, l.topic.Partition, first, batch); err != nil {
		return fmt.Errorf("%s: %w", l.Handle, err)
	}
	return nil
}

// Stop ends the sending and waits until the fate of every record is known.
func (l *Load) Stop(ctx context.Context) error {
	close(l.stop)
	if err := <-l.done; err != nil {
		return err
	}
	return l.client.Flush(ctx, l.Handle)
}

// AwaitAcks waits until n more records have been acknowledged than now.
func (l *Load) AwaitAcks(ctx context.Context, n int64) error {
	from := l.c.H.Tally(l.Handle).Acked
	return l.c.H.Until(ctx, fmt.Sprintf("%d more acknowledgements", n), l.Handle, func(x history.Tally) bool { return x.Acked >= from+n })
}

// AwaitReads waits until a reader has been given n more records than now.
func (c *Cell) AwaitReads(ctx context.Context, reader string, n int64) error {
	from := c.H.Tally(reader).Read
	return c.H.Until(ctx, fmt.Sprintf("%d more records", n), reader, func(x history.Tally) bool { return x.Read >= from+n })
}
