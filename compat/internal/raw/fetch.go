package raw

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"lockstep/compat/internal/history"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Fetch is one question for one partition, as a consumer asks it.
type Fetch struct {
	Topic     string
	TopicID   [16]byte // used from version 13 on
	Partition int32
	Offset    int64
	Rack      string
	// MaxWait is how long the broker may hold the question until there is something to say: 0 means 500 ms, NoWait none.
	MaxWait  time.Duration
	MinBytes int32
	// MaxBytes bounds the answer, and the partition's part of it; 0 means 50 MiB.
	MaxBytes int32
	// Version is the highest to use; 0 means 12, the newest that names topics by name.
	Version int16
	// LeaderEpoch is the epoch that the client believes in; nil leaves it out.
	LeaderEpoch *int32
	// ReadCommitted asks for committed transactions only.
	ReadCommitted bool
}

// NoWait as a Fetch's MaxWait has the broker answer at once.
const NoWait time.Duration = -1

// Answer is what a broker said of the partition. What it did not say is -1.
type Answer struct {
	Error         error // the partition's error code, as kerr has it; nil: none
	HighWatermark int64
	LastStable    int64
	LogStart      int64
	Preferred     int // KIP-392: the replica to ask instead
	CurrentLeader Leader
	Endpoints     []Endpoint // KIP-951: where the leader named above is to be found
	Batches       []history.RawBatch
	Throttle      time.Duration
	Took          time.Duration // from the question's first byte to the answer's last
	Version       int16         // of the request
	// Body is the partition's part as it came.
	Body *kmsg.FetchResponseTopicPartition
}

// Leader is who leads a partition, in which epoch.
type Leader struct {
	ID    int
	Epoch int32
}

// Endpoint is where a node is to be found.
type Endpoint struct {
	Node int
	Addr string // host:port
}

// Fetch asks once. A partition's error code is in the answer; the error tells of the connection, of the response as a
// whole, or of batches that cannot be looked at.
func (c *Conn) Fetch(ctx context.Context, f Fetch) (*Answer, error) {
	atMost := f.Version
	if atMost == 0 {
		atMost = 12
	}
	start := time.Now()
	req := f.request()
	r, err := c.Do(ctx, req, atMost)
	if err != nil {
		return nil, err
	}
	took := time.Since(start)
	resp := r.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("fetch: asked for one partition, got %d topics", len(resp.Topics))
	}
	p := &resp.Topics[0].Partitions[0]
	a := &Answer{
		Error: kerr.ErrorForCode(p.ErrorCode), HighWatermark: p.HighWatermark, LastStable: p.LastStableOffset, LogStart: p.LogStartOffset,
		Preferred: int(p.PreferredReadReplica), CurrentLeader: Leader{int(p.CurrentLeader.LeaderID), p.CurrentLeader.LeaderEpoch},
		Throttle: time.Duration(resp.ThrottleMillis) * time.Millisecond, Took: took, Version: req.Version, Body: p,
	}
	for _, b := range resp.Brokers {
		a.Endpoints = append(a.Endpoints, Endpoint{int(b.NodeID), net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))})
	}
	if a.Batches, err = Split(p.RecordBatches); err != nil {
		return a, fmt.Errorf("fetch %s-%d at offset %d: %w", f.Topic, f.Partition, f.Offset, err)
	}
	return a, nil
}

func (f Fetch) request() *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.SessionEpoch = -1, -1
	req.ReplicaState.ID = -1
	req.Rack, req.MinBytes, req.MaxBytes = f.Rack, f.MinBytes, f.MaxBytes
	if f.MaxBytes == 0 {
		req.MaxBytes = 50 << 20
	}
	switch {
	case f.MaxWait == 0:
		req.MaxWaitMillis = 500
	case f.MaxWait > 0:
		req.MaxWaitMillis = int32(f.MaxWait.Milliseconds())
	}
	if f.ReadCommitted {
		req.IsolationLevel = 1
	}
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = f.Topic, f.TopicID
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.CurrentLeaderEpoch = f.Partition, f.Offset, -1
	if f.LeaderEpoch != nil {
		part.CurrentLeaderEpoch = *f.LeaderEpoch
	}
	part.PartitionMaxBytes = req.MaxBytes
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	return req
}

// Range is what one replica's log holds of a range of offsets.
type Range struct {
	Batches []history.RawBatch
	Records []Stored
	Bytes   int64   // of whole batches
	Last    *Answer // the last one; nil where none came
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
			if out.Last != nil && len(out.Last.Batches) == 0 && out.Last.HighWatermark > next {
				err = fmt.Errorf("nothing is given at offset %d, though the high watermark is said to be %d: %w", next, out.Last.HighWatermark, err)
			}
			return out, err
		}
		out.Last = a
		if a.Error != nil {
			return out, fmt.Errorf("fetch %s-%d at offset %d: %w", topic, partition, next, a.Error)
		}
		for _, b := range a.Batches {
			out.Bytes += int64(b.Length)
		}
		out.Batches = append(out.Batches, a.Batches...)
		stored, err := Decode(topic, a, next)
		if err != nil {
			return out, err
		}
		out.Records = append(out.Records, stored...)
		if n := len(a.Batches); n > 0 {
			next = a.Batches[n-1].LastOffset + 1
		}
	}
	return out, nil
}

// Decode gives the records of an answer from offset on; franz-go decompresses and parses them.
func Decode(topic string, a *Answer, offset int64) ([]Stored, error) {
	o := kgo.ProcessFetchPartitionOpts{Topic: topic, Partition: a.Body.Partition, Offset: offset}
	got, _ := kgo.ProcessFetchPartition(o, a.Body, kgo.DefaultDecompressor(), nil)
	if got.Err != nil {
		return nil, fmt.Errorf("decode %s-%d at offset %d: %w", topic, a.Body.Partition, offset, got.Err)
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
