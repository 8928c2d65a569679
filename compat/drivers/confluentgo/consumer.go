package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"lockstep/compat/drivers/protocol"
)

type consumer struct {
	client *kafka.Consumer
	topic  string
	group  bool
	tell   protocol.Listener
}

func (driver) OpenConsumer(bootstrap []string, topic string, c protocol.ConsumerConfig, l protocol.Listener) (protocol.Consumer, error) {
	conf := newConfig(bootstrap)
	conf["check.crcs"] = true
	conf["enable.auto.commit"] = false
	conf["isolation.level"] = text(c.Isolation, "read_uncommitted") // the library's own default is read_committed
	conf["group.id"] = text(c.Group, "unused")                      // must be set, also where nothing is ever committed
	conf["auto.offset.reset"] = "error"
	if c.Group != "" {
		conf["auto.offset.reset"] = "earliest"
	}
	if c.Rack != "" {
		conf["client.rack"] = c.Rack
	}
	conf.set("fetch.wait.max.ms", c.MaxWaitMS)
	conf.set("fetch.max.bytes", c.FetchMaxBytes)
	client, err := kafka.NewConsumer((*kafka.ConfigMap)(&conf))
	if err != nil {
		return nil, err
	}
	consumer := &consumer{client: client, topic: topic, group: c.Group != "", tell: l}
	if c.Group != "" {
		err = client.Subscribe(topic, consumer.rebalanced)
	} else {
		err = client.Assign(consumer.assignment(c.Partitions, c.Offsets))
	}
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	return consumer, nil
}

func (c *consumer) assignment(partitions []int32, offsets []int64) []kafka.TopicPartition {
	var all []kafka.TopicPartition
	for i, p := range partitions {
		at := kafka.OffsetBeginning
		if len(offsets) > 0 {
			at = kafka.Offset(offsets[i])
		}
		all = append(all, kafka.TopicPartition{Topic: &c.topic, Partition: p, Offset: at})
	}
	return all
}

// rebalanced only tells: the binding assigns by itself where the callback has not.
func (c *consumer) rebalanced(_ *kafka.Consumer, e kafka.Event) error {
	c.tell.Notice(protocol.NoticeRebalance, e.String())
	return nil
}

// batch bounds how many events one Poll serves, so that commands come in between.
const batch = 500

// Poll serves one event and then those that are there already.
func (c *consumer) Poll(timeout time.Duration) {
	wait := int(timeout.Milliseconds())
	for range batch {
		switch e := c.client.Poll(wait).(type) {
		case nil:
			return
		case *kafka.Message:
			c.message(e)
		case kafka.Error:
			notice(c.tell, "", e)
		}
		wait = 0
	}
}

func (c *consumer) message(m *kafka.Message) {
	if m.TopicPartition.Error != nil {
		var err kafka.Error
		if errors.As(m.TopicPartition.Error, &err) {
			notice(c.tell, fmt.Sprintf("partition %d", m.TopicPartition.Partition), err)
		}
		return
	}
	r := protocol.Record{Key: m.Key, Value: m.Value, Timestamp: m.Timestamp.UnixMilli()}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, protocol.Header{Name: h.Key, Value: h.Value})
	}
	kind := "create"
	if m.TimestampType == kafka.TimestampLogAppendTime {
		kind = "append"
	}
	c.tell.Record(m.TopicPartition.Partition, int64(m.TopicPartition.Offset), kind, r)
}

// Seek moves an assigned partition. The library refuses one that it does not fetch at the moment (just assigned, or
// ended by a reset): one that was assigned by hand is then assigned anew, as any program would have to do.
func (c *consumer) Seek(partition int32, offset int64) error {
	at := kafka.TopicPartition{Topic: &c.topic, Partition: partition, Offset: kafka.Offset(offset)}
	err := c.client.Seek(at, 0)
	var refused kafka.Error
	if c.group || !errors.As(err, &refused) || refused.Code() != kafka.ErrState {
		return err
	}
	if err := c.client.IncrementalUnassign([]kafka.TopicPartition{at}); err != nil {
		return err
	}
	return c.client.IncrementalAssign([]kafka.TopicPartition{at})
}

func (c *consumer) Commit() error {
	_, err := c.client.Commit()
	var none kafka.Error
	if errors.As(err, &none) && none.Code() == kafka.ErrNoOffset {
		return nil // nothing was read since the last commit
	}
	return err
}

func (c *consumer) Close() error { return c.client.Close() }
