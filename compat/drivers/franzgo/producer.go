package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"lockstep/compat/drivers/protocol"
)

type producer struct {
	client *kgo.Client
	// timeout is each record's, 0 for none. It is the limit of a context and not RecordDeliveryTimeout, which counts from
	// the record's own timestamp: one that is set, and old, has timed out before it was sent.
	timeout time.Duration
}

func (driver) OpenProducer(bootstrap []string, topic string, c protocol.ProducerConfig) (protocol.Producer, error) {
	compression, err := codec(c.Codec)
	if err != nil {
		return nil, err
	}
	opts := append(common(bootstrap),
		kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(compression),
		kgo.ProducerLinger(time.Duration(c.LingerMS)*time.Millisecond),
	)
	switch c.Acks {
	case "", "all":
		opts = append(opts, kgo.RequiredAcks(kgo.AllISRAcks()))
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()))
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()))
	default:
		return nil, fmt.Errorf("unknown acks %q", c.Acks)
	}
	if !c.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	if c.MaxRequestBytes > 0 {
		opts = append(opts, kgo.ProducerBatchMaxBytes(int32(c.MaxRequestBytes)))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	return &producer{client: client, timeout: time.Duration(c.DeliveryTimeoutMS) * time.Millisecond}, nil
}

func (p *producer) Send(partition int32, r protocol.Record, done func(int64, error)) {
	record := &kgo.Record{Partition: partition, Key: r.Key, Value: r.Value}
	if r.Timestamp > 0 {
		record.Timestamp = time.UnixMilli(r.Timestamp)
	}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
	}
	ctx, cancel := context.WithCancel(context.Background())
	if p.timeout > 0 {
		ctx, cancel = context.WithTimeout(context.Background(), p.timeout)
	}
	p.client.Produce(ctx, record, func(r *kgo.Record, err error) {
		cancel()
		done(r.Offset, err)
	})
}

func (p *producer) Close(grace time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = p.client.Flush(ctx)
	p.client.Close() // fails what is left
}
