package raw

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Reassign gives a partition these replicas, in this order: the first is the one that is to lead (KIP-455).
func (c *Conn) Reassign(ctx context.Context, topic string, partition int32, replicas []int) error {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.TimeoutMillis = 10_000
	t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
	p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
	t.Topic, p.Partition = topic, partition
	for _, r := range replicas {
		p.Replicas = append(p.Replicas, int32(r))
	}
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	r, err := c.Do(ctx, req, -1)
	if err != nil {
		return err
	}
	resp := r.(*kmsg.AlterPartitionAssignmentsResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return fmt.Errorf("reassign: %w", err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("reassign %s-%d: %w", t.Topic, p.Partition, err)
			}
		}
	}
	return nil
}

// ElectPreferred has a partition's preferred replica, the first, elected as its leader (KIP-460). That it leads already is no
// error.
func (c *Conn) ElectPreferred(ctx context.Context, topic string, partition int32) error {
	req := kmsg.NewPtrElectLeadersRequest()
	req.TimeoutMillis, req.ElectionType = 10_000, 0
	t := kmsg.NewElectLeadersRequestTopic()
	t.Topic, t.Partitions = topic, []int32{partition}
	req.Topics = append(req.Topics, t)
	r, err := c.Do(ctx, req, -1)
	if err != nil {
		return err
	}
	resp := r.(*kmsg.ElectLeadersResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return fmt.Errorf("elect: %w", err)
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil && !errors.Is(err, kerr.ElectionNotNeeded) {
				return fmt.Errorf("elect the preferred leader of %s-%d: %w", t.Topic, p.Partition, err)
			}
		}
	}
	return nil
}

// LogSize asks a broker for the size of its own log of a partition, in bytes (KIP-113).
func (c *Conn) LogSize(ctx context.Context, topic string, partition int32) (int64, error) {
	req := kmsg.NewPtrDescribeLogDirsRequest()
	t := kmsg.NewDescribeLogDirsRequestTopic()
	t.Topic, t.Partitions = topic, []int32{partition}
	req.Topics = append(req.Topics, t)
	r, err := c.Do(ctx, req, -1)
	if err != nil {
		return 0, err
	}
	for _, dir := range r.(*kmsg.DescribeLogDirsResponse).Dirs {
		if err := kerr.ErrorForCode(dir.ErrorCode); err != nil {
			return 0, fmt.Errorf("describe log directory %s: %w", dir.Dir, err)
		}
		for _, t := range dir.Topics {
			for _, p := range t.Partitions {
				if t.Topic == topic && p.Partition == partition && !p.IsFuture {
					return p.Size, nil
				}
			}
		}
	}
	return 0, fmt.Errorf("describe log directories: nothing of %s-%d", topic, partition)
}
