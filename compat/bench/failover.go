package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/records"

	"github.com/twmb/franz-go/pkg/kgo"
)

// failoverRows are how long nothing can be written when a leader is gone.
func failoverRows() []Row {
	return []Row{{Name: "failover", Class: Defaults, Pairs: 4, Measure: failover,
		What: "kill -9 of the leader (of five in a pair) until a write is acknowledged: client: franz-go as it comes, one record after the other; broker: both others asked every millisecond",
		Figures: []Figure{
			{Name: "client", Unit: "ms", Goal: ratioAtMost(0.1)},
			{Name: "client_worst", Unit: "ms"},
			{Name: "broker", Unit: "ms"},
			{Name: "broker_worst", Unit: "ms", Goal: oursAtMost(600, "ms")},
		}}}
}

func failover(ctx context.Context, s *System) (map[string]float64, error) {
	topic, err := newTopic(ctx, s.Cluster, 1)
	if err != nil {
		return nil, err
	}
	var clients, brokers []float64
	for trial := range s.Bench.Count(5, 1) {
		t := trialOf{c: s.Cluster, topic: topic}
		dead, err := t.run(ctx)
		if err != nil {
			return nil, fmt.Errorf("trial %d: %w", trial+1, err)
		}
		clients, brokers = append(clients, millis(t.client)), append(brokers, millis(t.broker))
		if trial == 0 {
			x, y := t.timeline()
			s.Series("records acknowledged a second by seconds from the kill", x, y)
		}
		if err := errors.Join(s.Cluster.StartNode(ctx, dead), s.Cluster.WaitReady(ctx)); err != nil {
			return nil, fmt.Errorf("after trial %d: %w", trial+1, err)
		}
		if err := await(ctx, time.Minute, func() error { return led(ctx, s.Cluster, topic, 1) }); err != nil {
			return nil, fmt.Errorf("after trial %d: %w", trial+1, err)
		}
	}
	return map[string]float64{
		"client": median(clients), "client_worst": quantile(clients, 1),
		"broker": median(brokers), "broker_worst": quantile(brokers, 1),
	}, nil
}

// trialOf is one kill.
type trialOf struct {
	c     *cluster.Cluster
	topic string

	killed         time.Time
	client, broker time.Duration // from the kill

	mu   sync.Mutex // guards acks
	acks []time.Time
}

const (
	// settle is how long the client has been writing when the leader is killed: longer than the five seconds for which franz-go
	// keeps metadata before it looks again, so that it is not still waiting from its start.
	settle = 6 * time.Second
	// calm is how long the client has to be writing again for a trial to be over.
	calm = time.Second
)

// run returns the node that it has killed.
func (t *trialOf) run(ctx context.Context) (dead int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	writing, stop := context.WithCancel(ctx)
	defer stop()
	wrote := make(chan error, 1)
	go func() { wrote <- t.write(writing) }()
	if err := await(ctx, 30*time.Second, func() error { return t.calmly(time.Now()) }); err != nil {
		return 0, fmt.Errorf("before the kill: %w", err)
	}

	leader, _, err := placeOf(ctx, t.c, t.topic)
	if err != nil {
		return 0, err
	}
	t.killed = time.Now()
	if err := t.c.Kill(ctx, leader); err != nil {
		return 0, err
	}
	if err := t.ask(ctx, leader); err != nil {
		return 0, err
	}
	if err := await(ctx, 60*time.Second, t.recovered); err != nil {
		return 0, fmt.Errorf("after the kill: %w", err)
	}
	stop()
	return leader, <-wrote
}

// write has a stock client write one record after the other until it is told to stop.
func (t *trialOf) write(ctx context.Context) error {
	cl, err := client(t.c.Bootstrap(), noLinger(), kgo.DefaultProduceTopic(t.topic))
	if err != nil {
		return err
	}
	defer cl.Close()
	for ctx.Err() == nil {
		err := cl.ProduceSync(ctx, &kgo.Record{Value: []byte("x")}).FirstErr()
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("the stock client gave up: %w", err)
		}
		if err == nil {
			t.mu.Lock()
			t.acks = append(t.acks, time.Now())
			t.mu.Unlock()
		}
	}
	return nil
}

// calmly is nil when the client has been writing for a while.
func (t *trialOf) calmly(now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.acks) == 0 || now.Sub(t.acks[0]) < settle {
		return fmt.Errorf("the client has not been writing for %v", settle)
	}
	return nil
}

// recovered is nil when the client has been writing again for a while; t.client is then the end of its longest silence.
func (t *trialOf) recovered() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	longest, end := time.Duration(0), time.Time{}
	for i := 1; i < len(t.acks); i++ {
		if silence := t.acks[i].Sub(t.acks[i-1]); t.acks[i].After(t.killed) && silence > longest {
			longest, end = silence, t.acks[i]
		}
	}
	now := time.Now()
	if end.IsZero() || now.Sub(t.acks[len(t.acks)-1]) > longest || now.Sub(end) < calm {
		return fmt.Errorf("the client is silent for %v", now.Sub(t.acks[len(t.acks)-1]))
	}
	t.client = end.Sub(t.killed)
	return nil
}

// ask has the nodes that live take a write, each again a millisecond after it has refused.
func (t *trialOf) ask(ctx context.Context, dead int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	first := make(chan time.Time, cluster.Size)
	var wg sync.WaitGroup
	for _, n := range cluster.Others(dead) {
		wg.Go(func() { askOne(ctx, t.c.Direct(n), t.topic, first) })
	}
	defer wg.Wait()
	defer cancel()
	select {
	case at := <-first:
		t.broker = at.Sub(t.killed)
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no node took a write: %w", ctx.Err())
	}
}

func askOne(ctx context.Context, addr, topic string, first chan<- time.Time) {
	batch, err := raw.Build("none", []records.Record{{Value: []byte("y"), Timestamp: time.Now().UnixMilli()}})
	if err != nil {
		return
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		conn, err := raw.Dial(ctx, addr)
		for err == nil {
			var got *raw.Produced
			got, err = conn.Produce(ctx, raw.Produce{Topic: topic, Acks: -1, Batches: batch})
			if err == nil && got.Error == nil {
				first <- time.Now()
				conn.Close()
				return
			}
			<-tick.C
		}
		if conn != nil {
			conn.Close()
		}
		<-tick.C
	}
}

// timeline is how many records a second were acknowledged to the client, in steps of 100 ms, by seconds from the kill.
func (t *trialOf) timeline() (x, y []float64) {
	const step = 100 * time.Millisecond
	t.mu.Lock()
	defer t.mu.Unlock()
	i := 0
	for i < len(t.acks) && t.acks[i].Sub(t.killed) < -calm {
		i++
	}
	for from := -calm; from < t.client+calm; from += step {
		n := 0
		for ; i < len(t.acks) && t.acks[i].Sub(t.killed) < from+step; i++ {
			n++
		}
		x, y = append(x, from.Seconds()), append(y, float64(n)/step.Seconds())
	}
	return x, y
}
