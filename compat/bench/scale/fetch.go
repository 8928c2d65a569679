package scale

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Reader reads one partition from its beginning to its end, again and again.
type Reader struct {
	Addrs     map[int32]string // of each node
	Topic     string
	Partition int32
	Leader    int32  // where it begins
	Rack      string // "": it stays with the leader; else it goes where the leader sends it (KIP-392)
	MaxBytes  int32  // of one answer
	// Check, if set, is given each answer's batches and the offset that was asked for.
	Check func(batches []byte, from int64) error

	bytes atomic.Int64 // of batches
	at    atomic.Int32 // the node that answers
}

// Bytes of batches that it has read so far.
func (r *Reader) Bytes() int64 { return r.bytes.Load() }

// At is the node that it reads from.
func (r *Reader) At() int32 { return r.at.Load() }

// Run reads until ctx ends, which is no error.
func (r *Reader) Run(ctx context.Context) error {
	node := r.Leader
	for ctx.Err() == nil {
		next, err := r.readAt(ctx, node)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("read %s-%d at node %d: %w", r.Topic, r.Partition, node, err)
		}
		node = next
	}
	return nil
}

// readAt reads from a node until that says to go to another one.
func (r *Reader) readAt(ctx context.Context, node int32) (next int32, err error) {
	addr, ok := r.Addrs[node]
	if !ok {
		return node, fmt.Errorf("there is no such node")
	}
	p, err := openPipe(ctx, addr)
	if err != nil {
		return node, err
	}
	defer p.c.Close()
	r.at.Store(node)
	var buf []byte
	for offset := int64(0); ; {
		if err := p.send(r.request(offset)); err != nil {
			return node, err
		}
		if buf, err = p.receive(buf); err != nil {
			return node, err
		}
		part, err := answered(buf)
		if err != nil {
			return node, err
		}
		if part.PreferredReadReplica >= 0 && part.PreferredReadReplica != node {
			return part.PreferredReadReplica, nil
		}
		end, err := walk(part.RecordBatches, offset)
		if err != nil {
			return node, err
		}
		if r.Check != nil {
			if err := r.Check(part.RecordBatches, offset); err != nil {
				return node, err
			}
		}
		r.bytes.Add(int64(len(part.RecordBatches)))
		if offset = end; offset >= part.HighWatermark {
			offset = 0
		}
	}
}

func (r *Reader) request(offset int64) kmsg.Request {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.ReplicaID, req.SessionEpoch = fetchVersion, -1, -1
	req.Rack, req.MinBytes, req.MaxBytes, req.MaxWaitMillis = r.Rack, 1, r.MaxBytes, 500
	t := kmsg.NewFetchRequestTopic()
	t.Topic = r.Topic
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.CurrentLeaderEpoch, part.PartitionMaxBytes = r.Partition, offset, -1, r.MaxBytes
	t.Partitions = append(t.Partitions, part)
	req.Topics = append(req.Topics, t)
	return req
}

// answered is the one partition of a Fetch answer.
func answered(frame []byte) (*kmsg.FetchResponseTopicPartition, error) {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = fetchVersion
	if err := resp.ReadFrom(frame[5:]); err != nil { // correlation id, and no tags
		return nil, err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, errors.New("an answer for other partitions")
	}
	p := &resp.Topics[0].Partitions[0]
	return p, kerr.ErrorForCode(p.ErrorCode)
}

// walk goes from batch to batch and returns the offset after the last whole one. Batches have to follow each other from
// the one that holds offset on.
func walk(batches []byte, offset int64) (int64, error) {
	const header, lengthAt, lastDeltaAt = 61, 8, 23
	next := int64(-1)
	for len(batches) >= header {
		size := 12 + int(int32(binary.BigEndian.Uint32(batches[lengthAt:])))
		if size < header {
			return 0, fmt.Errorf("a batch of %d bytes", size)
		}
		if size > len(batches) {
			break // Kafka cuts the last one
		}
		base := int64(binary.BigEndian.Uint64(batches))
		end := base + int64(int32(binary.BigEndian.Uint32(batches[lastDeltaAt:]))) + 1
		if next >= 0 && base != next || next < 0 && (base > offset || end <= offset) {
			return 0, fmt.Errorf("a batch of offsets %d to %d where %d was due", base, end-1, max(next, offset))
		}
		next, batches = end, batches[size:]
	}
	return max(next, offset), nil
}

// Readers run together.
type Readers []*Reader

// Measure lets them run for warm and then counts for span. The result has the bytes that came from each node within span.
// They all have to be at work by then, or it is an error. look is called at the beginning of span and at its end.
func (rs Readers) Measure(ctx context.Context, warm, span time.Duration, look func(end bool) error) (map[int32]int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(rs))
	for _, r := range rs {
		go func() { ended <- r.Run(ctx) }()
	}
	wait := func(d time.Duration) error {
		select {
		case err := <-ended:
			return errors.Join(err, io.ErrUnexpectedEOF)
		case <-time.After(d):
			return nil
		}
	}
	if err := wait(warm); err != nil {
		return nil, err
	}
	if err := look(false); err != nil {
		return nil, err
	}
	before := make([]int64, len(rs))
	for i, r := range rs {
		before[i] = r.Bytes()
	}
	if err := wait(span); err != nil {
		return nil, err
	}
	if err := look(true); err != nil {
		return nil, err
	}
	got := map[int32]int64{}
	for i, r := range rs {
		n := r.Bytes() - before[i]
		if n == 0 {
			return nil, fmt.Errorf("a reader at node %d got nothing", r.At())
		}
		got[r.At()] += n
	}
	cancel()
	var errs []error
	for range rs {
		errs = append(errs, <-ended)
	}
	return got, errors.Join(errs...)
}
