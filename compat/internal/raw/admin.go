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

// Leader is the node that this broker believes to lead the partition, and the topic's id. The error wraps the
// partition's or the topic's error code.
func (c *Conn) Leader(ctx context.Context, topic string, partition int32) (int, [16]byte, error) {
	m, err := c.Metadata(ctx, topic)
	if err != nil {
		return 0, [16]byte{}, err
	}
	for _, t := range m.Topics {
		if t.Topic == nil || *t.Topic != topic {
			continue
		}
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return 0, t.TopicID, fmt.Errorf("metadata of %s: %w", topic, err)
		}
		for _, p := range t.Partitions {
			if p.Partition == partition {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return 0, t.TopicID, fmt.Errorf("metadata of %s-%d: %w", topic, partition, err)
				}
				if p.Leader < 0 {
					return 0, t.TopicID, fmt.Errorf("metadata of %s-%d: %w", topic, partition, kerr.LeaderNotAvailable)
				}
				return int(p.Leader), t.TopicID, nil
			}
		}
	}
	return 0, [16]byte{}, fmt.Errorf("metadata of %s-%d: %w", topic, partition, kerr.UnknownTopicOrPartition)
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

// EndOffset asks for the latest offset (the high watermark), which normally only the leader tells.
func (c *Conn) EndOffset(ctx context.Context, topic string, partition int32) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.CurrentLeaderEpoch, p.Timestamp = partition, -1, -1
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	r, err := c.Do(ctx, req, 8)
	if err != nil {
		return 0, err
	}
	resp := r.(*kmsg.ListOffsetsResponse)
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("list offsets: asked for one partition, got %d topics", len(resp.Topics))
	}
	got := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return 0, fmt.Errorf("list offsets of %s-%d: %w", topic, partition, err)
	}
	return got.Offset, nil
}
