package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"lockstep/compat/drivers/protocol"
)

// recheckPreferred is how soon the client asks the leader anew which replica to read from. The default of 30 minutes
// would have every test of a moved or lost preferred replica wait for it.
const recheckPreferred = 5 * time.Second

type consumer struct {
	client *kgo.Client
	topic  string
	group  bool
	tell   protocol.Listener
}

func (driver) OpenConsumer(bootstrap []string, topic string, c protocol.ConsumerConfig, l protocol.Listener) (protocol.Consumer, error) {
	opts := append(common(bootstrap),
		kgo.RecheckPreferredReplicaInterval(recheckPreferred),
		kgo.KeepRetryableFetchErrors(),
	)
	switch c.Isolation {
	case "", "read_uncommitted":
	case "read_committed":
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	default:
		return nil, fmt.Errorf("unknown isolation %q", c.Isolation)
	}
	if c.Rack != "" {
		opts = append(opts, kgo.Rack(c.Rack))
	}
	if c.MaxWaitMS > 0 {
		opts = append(opts, kgo.FetchMaxWait(time.Duration(c.MaxWaitMS)*time.Millisecond))
	}
	if c.FetchMaxBytes > 0 {
		opts = append(opts, kgo.FetchMaxBytes(int32(c.FetchMaxBytes)))
	}
	if c.Group != "" {
		opts = append(opts, groupOptions(topic, c.Group, l)...)
	} else {
		at := map[int32]kgo.Offset{}
		for i, p := range c.Partitions {
			at[p] = kgo.NoResetOffset().AtStart()
			if len(c.Offsets) > 0 {
				at[p] = kgo.NoResetOffset().At(c.Offsets[i])
			}
		}
		opts = append(opts,
			kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at}),
			kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	return &consumer{client: client, topic: topic, group: c.Group != "", tell: l}, nil
}

func groupOptions(topic, group string, l protocol.Listener) []kgo.Opt {
	on := func(what string) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, moved map[string][]int32) {
			l.Notice(protocol.NoticeRebalance, fmt.Sprintf("%s %v", what, moved[topic]))
		}
	}
	return []kgo.Opt{
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(on("assigned")),
		kgo.OnPartitionsRevoked(on("revoked")),
		kgo.OnPartitionsLost(on("lost")),
	}
}

func (c *consumer) Poll(timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	fetches := c.client.PollFetches(ctx)
	fetches.EachError(func(_ string, partition int32, err error) {
		var loss *kgo.ErrDataLoss
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil: // the poll found nothing
		case errors.Is(err, kerr.OffsetOutOfRange), errors.As(err, &loss):
			c.tell.Notice(protocol.NoticeReset, fmt.Sprintf("partition %d: %v", partition, err))
		default:
			c.tell.Notice(protocol.NoticeError, fmt.Sprintf("partition %d: %v", partition, err))
		}
	})
	fetches.EachRecord(func(r *kgo.Record) {
		record := protocol.Record{Key: r.Key, Value: r.Value, Timestamp: r.Timestamp.UnixMilli()}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, protocol.Header{Name: h.Key, Value: h.Value})
		}
		kind := "create"
		if r.Attrs.TimestampType() == 1 {
			kind = "append"
		}
		c.tell.Record(r.Partition, r.Offset, kind, record)
	})
}

// Seek moves an assigned partition. SetOffsets serves only partitions that have been polled before, which a group's
// member must live with; a partition that was assigned by hand is taken off and put back at its new offset.
func (c *consumer) Seek(partition int32, offset int64) error {
	if c.group {
		c.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{c.topic: {partition: {Epoch: -1, Offset: offset}}})
		return nil
	}
	c.client.RemoveConsumePartitions(map[string][]int32{c.topic: {partition}})
	c.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{
		c.topic: {partition: kgo.NoResetOffset().At(offset)},
	})
	return nil
}

func (c *consumer) Commit() error { return c.client.CommitUncommittedOffsets(context.Background()) }

func (c *consumer) Close() error {
	c.client.Close() // leaves the group
	return nil
}
