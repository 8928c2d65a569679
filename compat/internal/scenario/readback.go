package scenario

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/records"
)

// ReadToEnd waits until the readers have come to the end of the partition, notes what they were meant to read (all
// from offset from on), and returns the end. The writers must have been flushed.
func (c *Cell) ReadToEnd(ctx context.Context, t Topic, from int64, readers ...string) (int64, error) {
	end, err := c.End(ctx, t)
	if err != nil {
		return 0, err
	}
	for _, r := range readers {
		c.ExpectAll(t, r, from, end)
	}
	for _, r := range readers {
		err := c.H.Until(ctx, fmt.Sprintf("offset %d of %s-%d", end-1, t.Name, t.Partition), r, func(x history.Tally) bool { return x.Next >= end })
		if err != nil {
			return end, err
		}
	}
	return end, nil
}

// ExpectAll notes that a reader was meant to read all that was acknowledged from offset from on. What lies above the
// end was acknowledged too high, and is missing all the same.
func (c *Cell) ExpectAll(t Topic, reader string, from, end int64) {
	const everything = int64(1) << 62
	c.H.Append(history.Event{Kind: history.Expect, Handle: reader, Topic: t.Name, Partition: t.Partition, Offset: from, To: everything,
		Text: fmt.Sprintf("the log ends at %d", end)})
}

// replicaWithin bounds how long a replica may take to give out the whole range.
const replicaWithin = 30 * time.Second

// CompareReplicas fetches [from, to) raw from every replica, over its ordinary listener and, where the target has one, its
// local-read listener, past all proxies, and puts the batches into the history for the oracles; the records in them
// once, from the first copy, for the batches of all copies have to be equal. It returns the bytes of the batches.
func (c *Cell) CompareReplicas(ctx context.Context, t Topic, from, to int64) (int64, error) {
	var size int64
	for i, n := range cluster.Nodes() {
		got, err := c.copyReplica(ctx, t, n, fmt.Sprintf("raw-normal-%d", n), c.Cluster.Direct(n), from, to)
		if err != nil {
			return 0, fmt.Errorf("fetch raw from node %d: %w", n, err)
		}
		if i == 0 {
			size = got.Bytes
			c.noteCopy(t, fmt.Sprintf("raw-normal-%d", n), n, from, to, got.Records)
		}
		if !c.Cluster.Features().LocalListener {
			continue
		}
		if _, err := c.copyReplica(ctx, t, n, fmt.Sprintf("raw-local-%d", n), c.Cluster.DirectLocal(n), from, to); err != nil {
			return 0, fmt.Errorf("fetch raw from the local-read listener of node %d: %w", n, err)
		}
	}
	return size, nil
}

func (c *Cell) copyReplica(ctx context.Context, t Topic, node int, handle, addr string, from, to int64) (raw.Range, error) {
	ctx, cancel := context.WithTimeout(ctx, replicaWithin)
	defer cancel()
	got, err := raw.FetchRange(ctx, addr, t.Name, t.Partition, from, to)
	e := history.Event{Kind: history.RawRange, Handle: handle, Node: node, Topic: t.Name, Partition: t.Partition, Offset: from, To: to}
	if err != nil {
		e.Error = err.Error()
	}
	if got.Last != nil {
		e.Answer = answered(got.Last)
	}
	c.H.Append(e)
	for _, b := range got.Batches {
		c.H.Append(history.Event{Kind: history.Batch, Handle: handle, Node: node, Topic: t.Name, Partition: t.Partition, Batch: &b})
	}
	if err != nil {
		return got, err
	}
	return got, c.probeInside(ctx, t, node, "inside-"+handle, addr, got.Batches)
}

// mostProbed is how many batches of a copy are asked for from their middle and from their ends.
const mostProbed = 8

// probeInside asks for offsets in the middle, at the beginning and at the end of some batches of a copy, the first and the
// last among them: each answer must begin with the batch that holds the offset, and have the copy's bytes.
func (c *Cell) probeInside(ctx context.Context, t Topic, node int, session, addr string, batches []history.RawBatch) error {
	conn, err := raw.Dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	some := min(mostProbed, len(batches))
	for i := range some {
		b := batches[i*(len(batches)-1)/max(1, some-1)]
		for _, offset := range slices.Compact([]int64{b.BaseOffset, (b.BaseOffset + b.LastOffset) / 2, b.LastOffset}) {
			// One byte: no more than the first batch comes.
			f := raw.Fetch{Topic: t.Name, Partition: t.Partition, Offset: offset, MaxBytes: 1}
			_, _, err := c.probe(ctx, session, node, conn, f, false)
			if err != nil {
				return fmt.Errorf("fetch from offset %d, inside a batch: %w", offset, err)
			}
		}
	}
	return nil
}

// noteCopy notes the records of a copy as read, all of which were to be there.
func (c *Cell) noteCopy(t Topic, handle string, node int, from, to int64, stored []raw.Stored) {
	for _, r := range stored {
		c.H.Append(history.Event{Kind: history.Read, Handle: handle, Node: node, Topic: t.Name, Partition: t.Partition,
			Offset: r.Offset, TimestampType: r.TimestampType, Record: r.Record})
	}
	c.H.Append(history.Event{Kind: history.Expect, Handle: handle, Node: node, Topic: t.Name, Partition: t.Partition, Offset: from, To: to})
}

// ProduceRaw has the suite itself produce one batch in each codec, straight to the leader, and notes every byte: what
// replicas store must be these bytes. It returns how many records there were.
func (c *Cell) ProduceRaw(ctx context.Context, t Topic, perBatch int) (int, error) {
	conn, err := raw.Dial(ctx, c.Cluster.Direct(t.Leader))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	n := 0
	for i, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		rs := c.rawRecords(uint64(1000+i), perBatch)
		bytes, err := raw.Build(codec, rs)
		if err != nil {
			return n, err
		}
		looked, err := raw.Split(bytes)
		if err != nil {
			return n, err
		}
		start := c.now().UnixNano()
		offset, err := conn.Append(ctx, t.Name, t.Partition, bytes)
		if err != nil {
			return n, fmt.Errorf("produce a %s batch raw: %w", codec, err)
		}
		at := history.Event{Handle: "raw", Topic: t.Name, Partition: t.Partition}
		w := at
		w.Kind, w.Offset, w.Batch = history.Wrote, offset, &looked[0]
		c.H.Append(w)
		c.noteRaw(at, start, n, offset, rs)
		n += len(rs)
	}
	return n, nil
}

// rawRecords are as nasty as the cell's client can show; it only has to read them.
func (c *Cell) rawRecords(set uint64, n int) []records.Record {
	if c.Kind.Plain {
		return records.Plain(c.Seed+set, n, c.now().UnixMilli())
	}
	return records.Nasty(c.Seed+set, n, c.now().UnixMilli(), records.Limits{})
}

// noteRaw notes records that were sent at a moment, ns since 1970, and have just been acknowledged.
func (c *Cell) noteRaw(at history.Event, sentAt int64, first int, offset int64, rs []records.Record) {
	for i, r := range rs {
		sent, acked := at, at
		sent.At = sentAt
		sent.Kind, sent.N, sent.Record = history.Sent, int64(first+i), records.ForHistory(r)
		acked.Kind, acked.N, acked.Offset = history.Acked, int64(first+i), offset+int64(i)
		c.H.Append(sent)
		c.H.Append(acked)
	}
}
