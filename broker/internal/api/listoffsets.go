package api

import (
	"context"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/recordbatch"
	"lockstep/broker/internal/shard"
)

// ListOffsets (key 2), versions 1 to 10.
//
// The leader answers, and on the local-read listener any replica from what it
// has; other followers answer NOT_LEADER_OR_FOLLOWER. A new leader that has not
// applied everything of earlier epochs does not know the latest offset yet:
// OFFSET_NOT_AVAILABLE (before version 5, LEADER_NOT_AVAILABLE).
//
// Besides a timestamp in milliseconds, which finds the first record that is not
// older, clients ask for -1, the latest offset: the high watermark, on either
// isolation level; -2, the log start; -3 (version 7), the record with the
// largest timestamp; -4 (version 8), the log start on local disks, which is all
// there is; and -5 (version 9), the latest offset in tiered storage, which is -1
// for there is none. Version 4 brings leader epochs, 10 a timeout that only
// tiered storage needs.
func init() { register(kmsg.ListOffsets, 1, 10, later((*API).listOffsets)) }

// The timestamps that are questions of another kind.
const (
	latestOffset   = -1
	earliestOffset = -2
	maxTimestamp   = -3
	earliestLocal  = -4
	latestTiered   = -5
)

// offsetAnswer is what is known of the place asked for; -1 for what is not.
type offsetAnswer struct {
	offset, timestamp int64
	epoch             int32
}

var noOffset = offsetAnswer{-1, -1, -1}

func (a *API) listOffsets(ctx context.Context, req *Request, body *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.ListOffsetsResponse)
	sure := newConfirmations(a, ctx)
	defer sure.end()
	for _, t := range body.Topics {
		rt := kmsg.NewListOffsetsResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewListOffsetsResponseTopicPartition()
			rp.Partition = p.Partition
			if body.Version < 4 {
				p.CurrentLeaderEpoch = -1
			}
			at, err := a.listOffset(sure, req, t.Topic, p)
			if err != nil {
				at = noOffset
			}
			rp.Offset, rp.Timestamp, rp.LeaderEpoch = at.offset, at.timestamp, at.epoch
			rp.ErrorCode = a.code(req, err)
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (a *API) listOffset(sure *confirmations, req *Request, topic string, p kmsg.ListOffsetsRequestTopicPartition) (offsetAnswer, error) {
	where, err := a.leading(req, topic, p.Partition, p.CurrentLeaderEpoch)
	if err != nil {
		return noOffset, err
	}
	if a.linearizable(req.Listener, where.topic) {
		if err := sure.of(where.shard); err != nil {
			return noOffset, fmt.Errorf("confirm the latest offset: %w", err)
		}
	}
	log := where.log()
	switch ts := p.Timestamp; {
	case ts == latestOffset:
		if st := where.shard.Status(); req.Listener != Local && !(st.Role == shard.Leader && st.Ready) {
			return noOffset, notAvailable(req)
		}
		epoch, end := latest(log)
		return offsetAnswer{end, -1, epoch}, nil
	case ts == earliestOffset, ts == earliestLocal && req.Version >= 8:
		return earliest(log)
	case ts == maxTimestamp && req.Version >= 7:
		b, err := log.MaxTimestamp()
		return lookInto(b, err, func(b recordbatch.Batch) (stamped, bool, error) { return newest(b, log.LogStart()) })
	case ts == latestTiered && req.Version >= 9:
		return noOffset, nil
	case ts < 0:
		return noOffset, fmt.Errorf("timestamp %d in version %d: %w", ts, req.Version, kerr.UnsupportedVersion)
	default:
		b, err := log.OffsetForTimestamp(ts)
		return lookInto(b, err, func(b recordbatch.Batch) (stamped, bool, error) { return firstSince(b, ts, log.LogStart()) })
	}
}

// leading finds a partition for a question that only its leader can answer
// (but any replica on the local-read listener, where epochs do not count).
func (a *API) leading(req *Request, topic string, p, clientEpoch int32) (place, error) {
	t, err := a.topicNamed(topic)
	if err != nil {
		return place{}, err
	}
	where, err := a.placeOf(t, p)
	if err != nil || req.Listener == Local {
		return where, err
	}
	st := where.shard.Status()
	switch {
	case st.Role != shard.Leader:
		return where, kerr.NotLeaderForPartition
	case clientEpoch >= 0 && clientEpoch < st.Epoch:
		return where, kerr.FencedLeaderEpoch
	case clientEpoch > st.Epoch:
		return where, kerr.UnknownLeaderEpoch
	}
	return where, nil
}

// notAvailable says that the latest offset is not known yet.
func notAvailable(req *Request) error {
	if req.Key == kmsg.ListOffsets.Int16() && req.Version < 5 {
		return kerr.LeaderNotAvailable
	}
	return kerr.OffsetNotAvailable
}

// latest returns the high watermark and the epoch of the record before it.
func latest(log partitionLog) (epoch int32, end int64) {
	end = log.HighWatermark()
	if epoch, _ = log.EpochEnd(math.MaxInt32); epoch == math.MaxInt32 {
		epoch = -1 // there is no record at all
	}
	return epoch, end
}

// earliest returns the log start and the epoch of the record there.
func earliest(log partitionLog) (offsetAnswer, error) {
	start := log.LogStart()
	at := offsetAnswer{start, -1, -1}
	if start >= log.HighWatermark() {
		return at, nil
	}
	records, err := log.Read(start, 0, true)
	if err != nil {
		return at, fmt.Errorf("read the record at the log start %d: %w", start, err)
	}
	if b, _, err := recordbatch.Next(records); err == nil {
		at.epoch = b.PartitionLeaderEpoch()
	}
	return at, nil
}

// lookInto finds the record in the batch that must hold it. If it does not
// after all (a producer's header may claim what it likes, and the record may
// lie below the log start), the answer is the offset after the batch.
func lookInto(b recordbatch.Batch, err error, look func(recordbatch.Batch) (stamped, bool, error)) (offsetAnswer, error) {
	if err != nil || b == nil {
		return noOffset, err
	}
	found, ok, err := look(b)
	if err != nil {
		return noOffset, fmt.Errorf("%w: %w", kerr.CorruptMessage, err)
	}
	if !ok {
		found = stamped{b.NextOffset(), b.MaxTimestamp()}
	}
	return offsetAnswer{found.offset, found.timestamp, b.PartitionLeaderEpoch()}, nil
}
