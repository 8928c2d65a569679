package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// partitions of topics whose throughput is measured: two for each node to lead.
const partitions = 6

var topicNumber atomic.Int64

// newTopic creates a topic with a name of its own and a replica on every node, and waits until every node knows a leader
// of every partition.
func newTopic(ctx context.Context, c *cluster.Cluster, partitions int) (string, error) {
	name := fmt.Sprintf("bench-%d", topicNumber.Add(1))
	conn, err := raw.Dial(ctx, c.Direct(1))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := create(ctx, conn, name, partitions, len(c.Members()), nil); err != nil {
		return "", err
	}
	return name, await(ctx, 30*time.Second, func() error { return led(ctx, c, name, partitions) })
}

// create asks once. A topic that is there already is no error.
func create(ctx context.Context, conn *raw.Conn, name string, partitions, replicas int, configs map[string]string) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 30_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, int32(partitions), int16(replicas)
	for key, value := range configs {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = key, &value
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	resp, err := conn.Do(ctx, req, -1)
	if err != nil {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	err = kerr.ErrorForCode(resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	return nil
}

// led is nil when every node names a leader, and all replicas as in sync, for every partition.
func led(ctx context.Context, c *cluster.Cluster, topic string, partitions int) error {
	for _, n := range c.Members() {
		conn, err := raw.Dial(ctx, c.Direct(n))
		if err != nil {
			return err
		}
		for p := range partitions {
			l, err := conn.Leader(ctx, topic, int32(p))
			if err == nil && len(l.InSync) != len(c.Members()) {
				err = fmt.Errorf("%s-%d has %d replicas in sync", topic, p, len(l.InSync))
			}
			if err != nil {
				conn.Close()
				return err
			}
		}
		conn.Close()
	}
	return nil
}

// await asks until there is no error any more, for at most so long.
func await(ctx context.Context, atMost time.Duration, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("still not so: %w", err)
		}
	}
}
