package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/mutant"
	"lockstep/broker/internal/shard"
)

// OffsetForLeaderEpoch (key 23), versions 2 to 4.
//
// A consumer asks, after a change of leader, where the epoch ended that its
// last record was of, to learn whether that record is still in the log
// (KIP-320). The leader answers with the largest epoch not above it and the
// offset after that epoch's last record; followers as in ListOffsets. A leader
// that has not applied everything of earlier epochs would take records for lost
// that it is about to apply: OFFSET_NOT_AVAILABLE, until it has.
//
// Version 3 brings a replica id, 4 is flexible.
func init() { register(kmsg.OffsetForLeaderEpoch, 2, 4, later((*API).offsetForLeaderEpoch)) }

func (a *API) offsetForLeaderEpoch(_ context.Context, req *Request, body *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	for _, t := range body.Topics {
		rt := kmsg.NewOffsetForLeaderEpochResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			rp.Partition = p.Partition
			epoch, end, err := a.epochEnd(req, t.Topic, p)
			rp.LeaderEpoch, rp.EndOffset, rp.ErrorCode = epoch, end, a.code(req, err)
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (a *API) epochEnd(req *Request, topic string, p kmsg.OffsetForLeaderEpochRequestTopicPartition) (epoch int32, end int64, err error) {
	where, err := a.leading(req, topic, p.Partition, p.CurrentLeaderEpoch)
	if err != nil || p.LeaderEpoch < 0 {
		return -1, -1, err
	}
	if st := where.shard.Status(); req.Listener != Local && !(st.Role == shard.Leader && st.Ready) {
		return -1, -1, notAvailable(req)
	}
	epoch, end = where.log().EpochEnd(p.LeaderEpoch)
	if mutant.Is(mutant.EpochsNeverEnd) {
		epoch, end = p.LeaderEpoch, where.log().HighWatermark()
	}
	return epoch, end, nil
}
