package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/shard"
)

// DeleteRecords (key 21), versions 0 to 2.
//
// The leader makes everything below an offset unreadable, on all replicas; -1
// stands for the high watermark. The answer has the new log start, which may
// be beyond the offset already. On the local-read listener the leader answers
// by way of this node.
func init() { register(kmsg.DeleteRecords, 0, 2, later((*API).deleteRecords)) }

func (a *API) deleteRecords(ctx context.Context, req *Request, body *kmsg.DeleteRecordsRequest) kmsg.Response {
	ctx, cancel := adminTimeout(ctx, body.TimeoutMillis)
	defer cancel()
	resp := body.ResponseKind().(*kmsg.DeleteRecordsResponse)
	for _, t := range body.Topics {
		rt := kmsg.NewDeleteRecordsResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rt.Partitions = append(rt.Partitions, a.deletePartitionRecords(ctx, req, body, t.Topic, p))
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (a *API) deletePartitionRecords(ctx context.Context, req *Request, body *kmsg.DeleteRecordsRequest, topic string, p kmsg.DeleteRecordsRequestTopicPartition) kmsg.DeleteRecordsResponseTopicPartition {
	rp := kmsg.NewDeleteRecordsResponseTopicPartition()
	rp.Partition, rp.LowWatermark = p.Partition, -1
	t, err := a.topicNamed(topic)
	var where place
	if err == nil {
		where, err = a.placeOf(t, p.Partition)
	}
	if err == nil {
		st := where.shard.Status()
		if req.Listener == Local && st.Leader >= 0 && st.Leader != a.Config.NodeID {
			return a.forwardDeletion(ctx, req, body, topic, p, st.Leader)
		}
		rp.LowWatermark, err = deleteUpTo(ctx, where, st, p.Offset)
	}
	rp.ErrorCode = a.code(req, err)
	return rp
}

func deleteUpTo(ctx context.Context, where place, st shard.Status, offset int64) (int64, error) {
	hw := where.log().HighWatermark()
	if offset == -1 {
		offset = hw
	}
	switch {
	case st.Role != shard.Leader || !st.Ready:
		return -1, kerr.NotLeaderForPartition
	case offset < 0 || offset > hw:
		return -1, fmt.Errorf("offset %d is not between 0 and the high watermark %d: %w", offset, hw, kerr.OffsetOutOfRange)
	}
	return where.shard.DeleteRecords(ctx, where.key, offset)
}

// forwardDeletion has the leader delete a partition's records.
func (a *API) forwardDeletion(ctx context.Context, req *Request, body *kmsg.DeleteRecordsRequest, topic string, p kmsg.DeleteRecordsRequestTopicPartition, leader int32) kmsg.DeleteRecordsResponseTopicPartition {
	alone := *body
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic, rt.Partitions = topic, []kmsg.DeleteRecordsRequestTopicPartition{p}
	alone.Topics = []kmsg.DeleteRecordsRequestTopic{rt}
	answer, err := a.forwardTo(ctx, leader, req, &alone)
	if resp, ok := answer.(*kmsg.DeleteRecordsResponse); ok && err == nil && len(resp.Topics) == 1 && len(resp.Topics[0].Partitions) == 1 {
		return resp.Topics[0].Partitions[0]
	}
	if err == nil {
		err = errNoAnswer
	}
	rp := kmsg.NewDeleteRecordsResponseTopicPartition()
	rp.Partition, rp.LowWatermark = p.Partition, -1
	rp.ErrorCode = a.code(req, fmt.Errorf("%w: %w", kerr.NetworkException, err))
	return rp
}
