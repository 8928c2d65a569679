package scenarios

import (
	"context"
	"fmt"
	"slices"

	"lockstep/compat/internal/history"
	"lockstep/compat/internal/raw"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The traps of 5.16 that are about how clients find a place in the log: by a time, and by an epoch.

// byTime asks for the time of every record and for those beside it. What must be found follows from the history.
func (x *traps) byTime(ctx context.Context) error {
	times, err := x.times()
	if err != nil {
		return err
	}
	newest := slices.Max(times)
	conn, err := raw.Dial(ctx, x.c.Cluster.Direct(x.t.Leader))
	if err != nil {
		return err
	}
	defer conn.Close()
	find := func(ask, offset, timestamp int64) error {
		got, err := conn.ListOffsets(ctx, raw.ListOffsets{Topic: x.t.Name, Partition: x.t.Partition, Timestamp: ask})
		if err != nil {
			return err
		}
		if got.Error != nil || got.Offset != offset || got.Timestamp != timestamp {
			return fmt.Errorf("asked for the time %d (the newest is %d): offset %d of time %d, error %v; expected offset %d of time %d",
				ask, newest, got.Offset, got.Timestamp, got.Error, offset, timestamp)
		}
		return nil
	}
	for _, at := range times {
		for _, ask := range []int64{at - 1, at, at + 1} {
			offset, timestamp := int64(-1), int64(-1)
			if i := slices.IndexFunc(times, func(other int64) bool { return other >= ask }); i >= 0 {
				offset, timestamp = int64(i), times[i]
			}
			if err := find(ask, offset, timestamp); err != nil {
				return err
			}
		}
	}
	return find(raw.MaxTimestamp, int64(slices.Index(times, newest)), newest)
}

// times are the timestamps of the partition's records, by offset.
func (x *traps) times() ([]int64, error) {
	type nth struct {
		handle string
		n      int64
	}
	sent, times := map[nth]int64{}, make([]int64, x.end)
	known := int64(0)
	for _, e := range x.c.H.Events() {
		switch e.Kind {
		case history.Sent:
			sent[nth{e.Handle, e.N}] = e.Record.Timestamp
		case history.Acked:
			if e.Offset < x.end {
				times[e.Offset] = sent[nth{e.Handle, e.N}]
				known++
			}
		}
	}
	if known != x.end {
		return nil, fmt.Errorf("the history has %d records, the log %d", known, x.end)
	}
	return times, nil
}

// epochEnds asks the leader where epochs end (KIP-320): this is how consumers learn that what they have read was replaced.
func (x *traps) epochEnds(ctx context.Context) error {
	conn, err := raw.Dial(ctx, x.c.Cluster.Direct(x.t.Leader))
	if err != nil {
		return err
	}
	defer conn.Close()
	now, err := conn.Leader(ctx, x.t.Name, x.t.Partition)
	if err != nil {
		return err
	}
	type place struct {
		epoch int32
		end   int64
	}
	places := []place{{now.Epoch, x.end}}
	if now.Epoch > 0 { // -1 is no epoch, but what is asked for where none is known
		places = append(places, place{now.Epoch - 1, 0})
	}
	for _, q := range places {
		req, topic, part := kmsg.NewPtrOffsetForLeaderEpochRequest(), kmsg.NewOffsetForLeaderEpochRequestTopic(), kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		topic.Topic, part.Partition, part.CurrentLeaderEpoch, part.LeaderEpoch = x.t.Name, x.t.Partition, now.Epoch, q.epoch
		topic.Partitions = append(topic.Partitions, part)
		req.ReplicaID, req.Topics = -1, append(req.Topics, topic)
		r, err := conn.Do(ctx, req, -1)
		if err != nil {
			return err
		}
		resp := r.(*kmsg.OffsetForLeaderEpochResponse)
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return fmt.Errorf("epoch %d: %d topics in the answer", q.epoch, len(resp.Topics))
		}
		if got := resp.Topics[0].Partitions[0]; got.ErrorCode != 0 || got.EndOffset != q.end || got.LeaderEpoch != q.epoch {
			return fmt.Errorf("epoch %d, of a leader in epoch %d, is said to be epoch %d, which ends at %d, error %v; expected %d",
				q.epoch, now.Epoch, got.LeaderEpoch, got.EndOffset, kerr.ErrorForCode(got.ErrorCode), q.end)
		}
	}
	return nil
}
