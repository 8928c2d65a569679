package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/group"
)

// OffsetDelete (key 47), version 0.
//
// It forgets committed offsets. Those of topics that the group's members
// subscribe to stay, with GROUP_SUBSCRIBED_TO_TOPIC. A topic need not exist any
// more.
func init() { register(kmsg.OffsetDelete, 0, 0, later((*API).offsetDelete)) }

func (a *API) offsetDelete(ctx context.Context, req *Request, body *kmsg.OffsetDeleteRequest) kmsg.Response {
	answer, err := a.elsewhere(ctx, req, body.Group, body)
	if answer != nil {
		return answer
	}
	var partitions []group.TopicPartition
	for _, t := range body.Topics {
		for _, p := range t.Partitions {
			partitions = append(partitions, group.TopicPartition{Topic: t.Topic, Partition: p.Partition})
		}
	}
	var errs map[group.TopicPartition]error
	if err == nil {
		errs, err = a.coordinator(body.Group).DeleteOffsets(ctx, body.Group, partitions)
	}
	resp := body.ResponseKind().(*kmsg.OffsetDeleteResponse)
	resp.ErrorCode = a.code(req, err)
	if err != nil {
		return resp
	}
	for _, t := range body.Topics {
		rt := kmsg.NewOffsetDeleteResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetDeleteResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, a.code(req, errs[group.TopicPartition{Topic: t.Topic, Partition: p.Partition}])
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
