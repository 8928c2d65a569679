package api

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/group"
)

// OffsetFetch (key 9), versions 1 to 9.
//
// The coordinator answers with the offsets that a group has committed: -1,
// without an error, where there is none, or where the topic that it was
// committed for is gone (one of the same name is another topic). Null topics,
// from version 2 on, are all that have one. No offset is ever unstable, since
// there are no transactions: RequireStable, of version 7, changes nothing.
//
// Version 2 brings an error for the whole group (before, each partition carries
// it), 5 leader epochs, 8 many groups in one request; 9 a member id and epoch,
// which only the newer protocol of groups uses.
func init() { register(kmsg.OffsetFetch, 1, 9, later((*API).offsetFetch)) }

func (a *API) offsetFetch(ctx context.Context, req *Request, body *kmsg.OffsetFetchRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.OffsetFetchResponse)
	if body.Version >= 8 {
		for _, g := range body.Groups {
			resp.Groups = append(resp.Groups, a.fetchOffsets(ctx, req, body, g))
		}
		return resp
	}
	answer, err := a.elsewhere(ctx, req, body.Group, body)
	if answer != nil {
		return answer
	}
	var topics []kmsg.OffsetFetchRequestGroupTopic
	for _, t := range body.Topics {
		topics = append(topics, kmsg.OffsetFetchRequestGroupTopic{Topic: t.Topic, Partitions: t.Partitions})
	}
	found, err := a.committed(body.Group, topics, body.Version >= 2 && body.Topics == nil, err)
	if resp.ErrorCode = a.code(req, err); body.Version >= 2 && err != nil {
		return resp
	}
	for _, t := range found {
		rt := kmsg.NewOffsetFetchResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata, rp.ErrorCode = p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, resp.ErrorCode
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// fetchOffsets answers for one group of a request with many.
func (a *API) fetchOffsets(ctx context.Context, req *Request, body *kmsg.OffsetFetchRequest, g kmsg.OffsetFetchRequestGroup) kmsg.OffsetFetchResponseGroup {
	alone := *body
	alone.Groups = []kmsg.OffsetFetchRequestGroup{g}
	answer, err := a.elsewhere(ctx, req, g.Group, &alone)
	if answer, ok := answer.(*kmsg.OffsetFetchResponse); ok && len(answer.Groups) == 1 {
		return answer.Groups[0]
	}
	rg := kmsg.NewOffsetFetchResponseGroup()
	rg.Group = g.Group
	found, err := a.committed(g.Group, g.Topics, g.Topics == nil, err)
	if rg.ErrorCode = a.code(req, err); err == nil {
		rg.Topics = found
	}
	return rg
}

// committed finds offsets. With an error, which err may be already, they are
// all -1.
func (a *API) committed(id string, topics []kmsg.OffsetFetchRequestGroupTopic, all bool, err error) ([]kmsg.OffsetFetchResponseGroupTopic, error) {
	var offsets map[group.TopicPartition]group.Offset
	if err == nil {
		offsets, err = a.coordinator(id).Offsets(id)
	}
	maps.DeleteFunc(offsets, func(tp group.TopicPartition, o group.Offset) bool {
		t := a.cluster.Topic(tp.Topic)
		return t == nil || t.ID != o.TopicID
	})
	if all {
		topics = topicsOf(offsets)
	}
	var found []kmsg.OffsetFetchResponseGroupTopic
	for _, t := range topics {
		rt := kmsg.NewOffsetFetchResponseGroupTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			o, ok := offsets[group.TopicPartition{Topic: t.Topic, Partition: p}]
			if !ok {
				o = group.Offset{Offset: -1, LeaderEpoch: -1}
			}
			rp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata = p, o.Offset, o.LeaderEpoch, &o.Metadata
			rt.Partitions = append(rt.Partitions, rp)
		}
		found = append(found, rt)
	}
	return found, err
}

// topicsOf lists the partitions that have an offset.
func topicsOf(offsets map[group.TopicPartition]group.Offset) []kmsg.OffsetFetchRequestGroupTopic {
	byTopic := map[string][]int32{}
	for tp := range offsets {
		byTopic[tp.Topic] = append(byTopic[tp.Topic], tp.Partition)
	}
	var topics []kmsg.OffsetFetchRequestGroupTopic
	for _, name := range slices.Sorted(maps.Keys(byTopic)) {
		slices.Sort(byTopic[name])
		topics = append(topics, kmsg.OffsetFetchRequestGroupTopic{Topic: name, Partitions: byTopic[name]})
	}
	return topics
}
