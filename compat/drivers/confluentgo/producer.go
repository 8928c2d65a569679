package main

import (
	"errors"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"lockstep/compat/drivers/protocol"
)

type producer struct {
	client  *kafka.Producer
	topic   string
	reports sync.WaitGroup // the goroutine that serves them
}

func (driver) OpenProducer(bootstrap []string, topic string, c protocol.ProducerConfig) (protocol.Producer, error) {
	conf := newConfig(bootstrap)
	conf["acks"] = text(c.Acks, "all")
	conf["compression.type"] = text(c.Codec, "none")
	conf["enable.idempotence"] = c.Idempotent
	conf["linger.ms"] = c.LingerMS
	conf["go.delivery.report.fields"] = "none" // no copies of what was sent
	conf.set("batch.size", c.BatchBytes)
	conf.set("delivery.timeout.ms", c.DeliveryTimeoutMS)
	conf.set("message.max.bytes", c.MaxRequestBytes)
	client, err := kafka.NewProducer((*kafka.ConfigMap)(&conf))
	if err != nil {
		return nil, err
	}
	p := &producer{client: client, topic: topic}
	p.reports.Go(p.serve)
	return p, nil
}

// serve hands out delivery reports until the client is closed. Other events are errors that the library retries; a
// producer has no notices, its records' fates tell all.
func (p *producer) serve() {
	for e := range p.client.Events() {
		if m, ok := e.(*kafka.Message); ok {
			m.Opaque.(func(int64, error))(int64(m.TopicPartition.Offset), m.TopicPartition.Error)
		}
	}
}

func (p *producer) Send(partition int32, r protocol.Record, done func(int64, error)) {
	m := &kafka.Message{
		TopicPartition: kafka.TopicPartition{Topic: &p.topic, Partition: partition},
		Key:            r.Key,
		Value:          r.Value,
		Opaque: func(offset int64, err error) {
			if offset < 0 {
				offset = -1 // librdkafka's "unknown" is another number
			}
			done(offset, err)
		},
	}
	if r.Timestamp > 0 {
		m.Timestamp = time.UnixMilli(r.Timestamp)
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, kafka.Header{Key: h.Name, Value: h.Value})
	}
	for {
		err := p.client.Produce(m, nil)
		var full kafka.Error
		if errors.As(err, &full) && full.Code() == kafka.ErrQueueFull {
			time.Sleep(10 * time.Millisecond) // the library has no way to wait for room
			continue
		}
		if err != nil {
			done(-1, err)
		}
		return
	}
}

func (p *producer) Close(grace time.Duration) {
	p.client.Flush(int(grace.Milliseconds()))
	_ = p.client.Purge(kafka.PurgeQueue | kafka.PurgeInFlight) // reports what is left as failed
	p.client.Flush(1000)
	p.client.Close()
	p.reports.Wait()
}
