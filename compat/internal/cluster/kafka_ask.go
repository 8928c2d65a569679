package cluster

import (
	"context"
	"fmt"
	"slices"

	"lockstep/compat/internal/raw"
)

// PeerGreeting implements Target: controllers take questions for versions like any listener.
func (Kafka) PeerGreeting(int, int) raw.Greeting { return raw.KafkaGreeting() }

// Transfer implements Target: Kafka elects the preferred replica on request, so the node is made that and elected. It stays
// the preferred one.
func (Kafka) Transfer(ctx context.Context, c *Cluster, topic string, partition int32, to int) error {
	if err := c.AskController(ctx, func(conn *raw.Conn) error {
		replicas := append([]int{to}, Others(to)...)
		return conn.Reassign(ctx, topic, partition, replicas)
	}); err != nil {
		return fmt.Errorf("make node %d the preferred replica of %s-%d: %w", to, topic, partition, err)
	}
	if err := c.AskController(ctx, func(conn *raw.Conn) error { return conn.ElectPreferred(ctx, topic, partition) }); err != nil {
		return fmt.Errorf("elect node %d as the leader of %s-%d: %w", to, topic, partition, err)
	}
	return nil
}

// Beyond implements Target: the log is larger than what lies below the high watermark.
func (Kafka) Beyond(ctx context.Context, c *Cluster, node int, topic string, partition int32) (bool, string, error) {
	conn, err := raw.Dial(ctx, c.Direct(node))
	if err != nil {
		return false, "", err
	}
	defer conn.Close()
	a, err := conn.Fetch(ctx, raw.Fetch{Topic: topic, Partition: partition, MaxWait: raw.NoWait})
	if err == nil {
		err = a.Error
	}
	if err != nil {
		return false, "", err
	}
	below, err := raw.FetchRange(ctx, c.Direct(node), topic, partition, a.LogStart, a.HighWatermark)
	if err != nil {
		return false, "", err
	}
	size, err := conn.LogSize(ctx, topic, partition)
	if err != nil {
		return false, "", err
	}
	return size > below.Bytes, fmt.Sprintf("node %d: %d bytes, of which %d lie below the high watermark %d", node, size, below.Bytes, a.HighWatermark), nil
}

// overseer implements overseen: brokers report to the controller that leads the quorum.
func (Kafka) overseer(ctx context.Context, c *Cluster) (int, error) {
	conn, err := raw.Dial(ctx, c.Direct(Nodes()[0]))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return conn.QuorumLeader(ctx)
}

// Ready implements Target: there is nothing that Kafka tells beside its metadata.
func (Kafka) Ready(ctx context.Context, c *Cluster) error { return allKnown(ctx, c) }

// Settled implements Target: every partition is led by its preferred replica, to which Kafka hands it back within seconds.
func (Kafka) Settled(ctx context.Context, c *Cluster) error {
	conn, err := raw.Dial(ctx, c.Direct(Nodes()[0]))
	if err != nil {
		return err
	}
	defer conn.Close()
	m, err := conn.MetadataAll(ctx)
	if err != nil {
		return err
	}
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			if slices.Index(p.Replicas, p.Leader) != 0 {
				return fmt.Errorf("%s-%d is led by node %d, its replicas are %v", *t.Topic, p.Partition, p.Leader, p.Replicas)
			}
		}
	}
	return nil
}
