package raw

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Produce is one question to store batches in one partition.
type Produce struct {
	Topic     string
	TopicID   [16]byte // used from version 13 on
	Partition int32
	// Acks is -1 (all), 1 or, with no answer from the broker at all, 0.
	Acks int16
	// Timeout is how long the broker may wait for the acks; 0 means 10 s.
	Timeout time.Duration
	// Batches are the bytes as they go over the wire, as Build or BuildAs made them.
	Batches []byte
	// Version is the highest to use; 0 means 12, the newest that names topics by name.
	Version int16
}

// Produced is what a broker said to it. What it did not say is -1.
type Produced struct {
	Error         error // the partition's error code, as kerr has it; nil: none
	Message       string
	BaseOffset    int64
	LogAppendTime int64
	LogStart      int64
	CurrentLeader Leader // KIP-951
	Took          time.Duration
}

// Produce asks once. A partition's error code is in the answer; the error tells of the connection or of the response as
// a whole. With Acks 0 it returns when everything is sent, with an answer that says nothing.
func (c *Conn) Produce(ctx context.Context, p Produce) (*Produced, error) {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = p.Acks, 10_000
	if p.Timeout != 0 {
		req.TimeoutMillis = int32(p.Timeout.Milliseconds())
	}
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = p.Topic, p.TopicID
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = p.Partition, p.Batches
	t.Partitions = append(t.Partitions, part)
	req.Topics = append(req.Topics, t)
	atMost := p.Version
	if atMost == 0 {
		atMost = 12
	}
	start := time.Now()
	r, err := c.Do(ctx, req, atMost)
	if err != nil {
		return nil, err
	}
	out := &Produced{BaseOffset: -1, LogAppendTime: -1, LogStart: -1, CurrentLeader: Leader{-1, -1}, Took: time.Since(start)}
	if p.Acks == 0 {
		return out, nil
	}
	resp := r.(*kmsg.ProduceResponse)
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("produce: sent one partition, got %d topics back", len(resp.Topics))
	}
	got := resp.Topics[0].Partitions[0]
	out.Error, out.BaseOffset, out.LogAppendTime, out.LogStart = kerr.ErrorForCode(got.ErrorCode), got.BaseOffset, got.LogAppendTime, got.LogStartOffset
	out.CurrentLeader = Leader{int(got.CurrentLeader.LeaderID), got.CurrentLeader.LeaderEpoch}
	if got.ErrorMessage != nil {
		out.Message = *got.ErrorMessage
	}
	return out, nil
}

// Append is Produce of one batch with acks=all; it returns the offset at which it was acknowledged, and an error code
// as an error.
func (c *Conn) Append(ctx context.Context, topic string, partition int32, batch []byte) (int64, error) {
	got, err := c.Produce(ctx, Produce{Topic: topic, Partition: partition, Acks: -1, Batches: batch})
	if err != nil {
		return 0, err
	}
	if got.Error != nil {
		return 0, fmt.Errorf("produce to %s-%d: %w", topic, partition, got.Error)
	}
	return got.BaseOffset, nil
}

// Producer is what makes a batch idempotent: who sends it, and the sequence number of its first record.
type Producer struct {
	ID       int64
	Epoch    int16
	Sequence int32
}

// Nobody is the producer of batches that are not idempotent.
var Nobody = Producer{-1, -1, -1}

// InitProducer asks for a producer's id and epoch, for idempotence without transactions. Its sequence starts at 0.
func (c *Conn) InitProducer(ctx context.Context) (Producer, error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch = -1, -1
	r, err := c.Do(ctx, req, 5)
	if err != nil {
		return Nobody, err
	}
	resp := r.(*kmsg.InitProducerIDResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return Nobody, fmt.Errorf("ask for a producer id: %w", err)
	}
	return Producer{ID: resp.ProducerID, Epoch: resp.ProducerEpoch}, nil
}
