package raw

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// MetadataAll asks one broker for every topic.
func (c *Conn) MetadataAll(ctx context.Context) (*kmsg.MetadataResponse, error) {
	return c.metadata(ctx, nil)
}

// Metadata asks one broker for topics (none: for brokers only). It creates none.
func (c *Conn) Metadata(ctx context.Context, topics ...string) (*kmsg.MetadataResponse, error) {
	asked := []kmsg.MetadataRequestTopic{}
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		asked = append(asked, t)
	}
	return c.metadata(ctx, asked)
}

func (c *Conn) metadata(ctx context.Context, topics []kmsg.MetadataRequestTopic) (*kmsg.MetadataResponse, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = topics
	r, err := c.Do(ctx, req, -1)
	if err != nil {
		return nil, err
	}
	return r.(*kmsg.MetadataResponse), nil
}

// Leadership is what a broker believes of a partition.
type Leadership struct {
	TopicID [16]byte
	Leader
	Replicas, InSync []int
}

// Leader asks this broker who leads the partition. The error wraps the partition's or the topic's error code.
func (c *Conn) Leader(ctx context.Context, topic string, partition int32) (Leadership, error) {
	var out Leadership
	m, err := c.Metadata(ctx, topic)
	if err != nil {
		return out, err
	}
	for _, t := range m.Topics {
		if t.Topic == nil || *t.Topic != topic {
			continue
		}
		out.TopicID = t.TopicID
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return out, fmt.Errorf("metadata of %s: %w", topic, err)
		}
		for _, p := range t.Partitions {
			if p.Partition != partition {
				continue
			}
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return out, fmt.Errorf("metadata of %s-%d: %w", topic, partition, err)
			}
			if p.Leader < 0 {
				return out, fmt.Errorf("metadata of %s-%d: %w", topic, partition, kerr.LeaderNotAvailable)
			}
			out.Leader = Leader{int(p.Leader), p.LeaderEpoch}
			out.Replicas, out.InSync = ints(p.Replicas), ints(p.ISR)
			return out, nil
		}
	}
	return out, fmt.Errorf("metadata of %s-%d: %w", topic, partition, kerr.UnknownTopicOrPartition)
}

func ints(in []int32) []int {
	out := make([]int, len(in))
	for i, x := range in {
		out[i] = int(x)
	}
	return out
}

// CreateTopic asks this broker, which must be the controller where the target insists on that (kerr.NotController).
// A topic that is there already is no error.
func (c *Conn) CreateTopic(ctx context.Context, topic string, partitions int32, configs map[string]string) error {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, 3
	for k, v := range configs {
		cfg := kmsg.NewCreateTopicsRequestTopicConfig()
		cfg.Name, cfg.Value = k, kmsg.StringPtr(v)
		t.Configs = append(t.Configs, cfg)
	}
	req.Topics = append(req.Topics, t)
	r, err := c.Do(ctx, req, -1)
	if err != nil {
		return err
	}
	resp := r.(*kmsg.CreateTopicsResponse)
	if len(resp.Topics) != 1 {
		return fmt.Errorf("create topic %s: %d topics in the response", topic, len(resp.Topics))
	}
	got := resp.Topics[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		text := ""
		if got.ErrorMessage != nil {
			text = ": " + *got.ErrorMessage
		}
		return fmt.Errorf("create topic %s: %w%s", topic, err, text)
	}
	return nil
}

// Timestamps that ListOffsets takes for a place in the log instead of a time.
const (
	Latest       int64 = -1
	Earliest     int64 = -2
	MaxTimestamp int64 = -3
)

// ListOffsets is one question for an offset of one partition.
type ListOffsets struct {
	Topic     string
	Partition int32
	Timestamp int64 // ms since 1970, or one of the places above
	// LeaderEpoch is the epoch that the client believes in; nil leaves it out.
	LeaderEpoch   *int32
	ReadCommitted bool
}

// Listed is the answer. What the broker did not say is -1.
type Listed struct {
	Error       error // the partition's error code, as kerr has it; nil: none
	Offset      int64
	Timestamp   int64
	LeaderEpoch int32
}

// ListOffsets asks once. A partition's error code is in the answer.
func (c *Conn) ListOffsets(ctx context.Context, l ListOffsets) (*Listed, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	if l.ReadCommitted {
		req.IsolationLevel = 1
	}
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = l.Topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch, p.Timestamp = l.Partition, -1, l.Timestamp
	if l.LeaderEpoch != nil {
		p.CurrentLeaderEpoch = *l.LeaderEpoch
	}
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	r, err := c.Do(ctx, req, 8)
	if err != nil {
		return nil, err
	}
	resp := r.(*kmsg.ListOffsetsResponse)
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("list offsets: asked for one partition, got %d topics", len(resp.Topics))
	}
	got := resp.Topics[0].Partitions[0]
	return &Listed{kerr.ErrorForCode(got.ErrorCode), got.Offset, got.Timestamp, got.LeaderEpoch}, nil
}

// EndOffset asks for the latest offset (the high watermark), which normally only the leader tells. An error code is an
// error.
func (c *Conn) EndOffset(ctx context.Context, topic string, partition int32) (int64, error) {
	got, err := c.ListOffsets(ctx, ListOffsets{Topic: topic, Partition: partition, Timestamp: Latest})
	if err != nil {
		return 0, err
	}
	if got.Error != nil {
		return 0, fmt.Errorf("list offsets of %s-%d: %w", topic, partition, got.Error)
	}
	return got.Offset, nil
}

// QuorumLeader is the node that leads the quorum of Kafka's controllers (KIP-595).
func (c *Conn) QuorumLeader(ctx context.Context) (int, error) {
	req, topic := kmsg.NewPtrDescribeQuorumRequest(), kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	req.Topics = append(req.Topics, topic)
	r, err := c.Do(ctx, req, -1)
	if err != nil {
		return 0, err
	}
	resp := r.(*kmsg.DescribeQuorumResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return 0, fmt.Errorf("describe the quorum: %w", err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("describe the quorum: %d topics in the answer", len(resp.Topics))
	}
	p := resp.Topics[0].Partitions[0]
	return int(p.LeaderID), kerr.ErrorForCode(p.ErrorCode)
}
