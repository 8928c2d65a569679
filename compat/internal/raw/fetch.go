package raw

import (
	"context"
	"fmt"

	"lockstep/compat/internal/history"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Fetch is one question for one partition. The zero values of the limits mean 50 MiB and 500 ms.
type Fetch struct {
	Topic     string
	TopicID   [16]byte // used from version 13 on
	Partition int32
	Offset    int64
	Rack      string
	MaxWaitMS int32
	MinBytes  int32
	MaxBytes  int32
	// Version is the highest to use; 0 means 12, the newest that names topics by name.
	Version int16
	// LeaderEpoch as the client believes it, plus one; 0 leaves it out (-1 on the wire).
	LeaderEpochPlus1 int32
}

// Answer is the partition's part of a Fetch response.
type Answer = kmsg.FetchResponseTopicPartition

// Fetch asks once and returns the answer, whose ErrorCode may be set. The error tells of the connection or of the
// response as a whole.
func (c *Conn) Fetch(ctx context.Context, f Fetch) (*Answer, error) {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.SessionEpoch = -1, -1
	req.ReplicaState.ID = -1
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = orElse(f.MaxWaitMS, 500), f.MinBytes, orElse(f.MaxBytes, 50<<20)
	req.Rack = f.Rack
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = f.Topic, f.TopicID
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.CurrentLeaderEpoch = f.Partition, f.Offset, f.LeaderEpochPlus1-1
	part.PartitionMaxBytes = req.MaxBytes
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)

	atMost := f.Version
	if atMost == 0 {
		atMost = 12
	}
	r, err := c.Do(ctx, req, atMost)
	if err != nil {
		return nil, err
	}
	resp := r.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("fetch: asked for one partition, got %d topics", len(resp.Topics))
	}
	return &resp.Topics[0].Partitions[0], nil
}

func orElse(v, otherwise int32) int32 {
	if v == 0 {
		return otherwise
	}
	return v
}

// Range is what one replica's log holds of a range of offsets.
type Range struct {
	Batches []history.RawBatch
	Records []Stored
	Bytes   int64 // of whole batches
}

// Stored is a record as decoded from a raw batch.
type Stored struct {
	Offset        int64
	TimestampType string
	Record        *history.Record
}

// FetchRange reads offsets [from, to) at addr until it has them all or ctx ends. An error code of the partition
// is an error, with what was read so far.
func FetchRange(ctx context.Context, addr, topic string, partition int32, from, to int64) (Range, error) {
	var out Range
	c, err := Dial(ctx, addr)
	if err != nil {
		return out, err
	}
	defer c.Close()
	for next := from; next < to; {
		a, err := c.Fetch(ctx, Fetch{Topic: topic, Partition: partition, Offset: next, MinBytes: 1, MaxBytes: 4 << 20})
		if err != nil {
			return out, err
		}
		if err := kerr.ErrorForCode(a.ErrorCode); err != nil {
			return out, fmt.Errorf("fetch %s-%d at offset %d: %w", topic, partition, next, err)
		}
		batches, err := Split(a.RecordBatches)
		if err != nil {
			return out, fmt.Errorf("fetch %s-%d at offset %d: %w", topic, partition, next, err)
		}
		for _, b := range batches {
			out.Bytes += int64(b.Length)
		}
		out.Batches = append(out.Batches, batches...)
		stored, err := Decode(topic, a, next)
		if err != nil {
			return out, err
		}
		out.Records = append(out.Records, stored...)
		if n := len(batches); n > 0 {
			next = batches[n-1].LastOffset + 1
		}
	}
	return out, nil
}

// Decode gives the records of an answer from offset on; franz-go decompresses and parses them.
func Decode(topic string, a *Answer, offset int64) ([]Stored, error) {
	o := kgo.ProcessFetchPartitionOpts{Topic: topic, Partition: a.Partition, Offset: offset}
	got, _ := kgo.ProcessFetchPartition(o, a, kgo.DefaultDecompressor(), nil)
	if got.Err != nil {
		return nil, fmt.Errorf("decode %s-%d at offset %d: %w", topic, a.Partition, offset, got.Err)
	}
	out := make([]Stored, 0, len(got.Records))
	for _, r := range got.Records {
		h := &history.Record{Key: history.Of(r.Key), Value: history.Of(r.Value), Timestamp: r.Timestamp.UnixMilli()}
		for _, x := range r.Headers {
			h.Headers = append(h.Headers, history.Header{Name: x.Key, Value: history.Of(x.Value)})
		}
		kind := "create"
		if r.Attrs.TimestampType() == 1 {
			kind = "append"
		}
		out = append(out, Stored{r.Offset, kind, h})
	}
	return out, nil
}

// Produce sends one batch, as Build made it, and returns the offset it was acknowledged at (acks=all).
func (c *Conn) Produce(ctx context.Context, topic string, partition int32, batch []byte) (int64, error) {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, batch
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	r, err := c.Do(ctx, req, 12) // 13 names topics by id
	if err != nil {
		return 0, err
	}
	resp := r.(*kmsg.ProduceResponse)
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("produce: sent one partition, got %d topics back", len(resp.Topics))
	}
	got := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return 0, fmt.Errorf("produce to %s-%d: %w", topic, partition, err)
	}
	return got.BaseOffset, nil
}
