package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/group"
)

// OffsetCommit (key 8), versions 2 to 9.
//
// It is answered once the offsets are replicated. Members commit with their
// member id and generation; clients that manage their partitions themselves
// with generation -1, while the group has no members. A partition that does not
// exist, or whose metadata is too long, has an error of its own; the others
// share one.
//
// Versions 2 to 4 carry a retention time, which is ignored, as by Apache Kafka
// since 2.1; 6 brings leader epochs, 7 static members.
func init() { register(kmsg.OffsetCommit, 2, 9, later((*API).offsetCommit)) }

func (a *API) offsetCommit(ctx context.Context, req *Request, body *kmsg.OffsetCommitRequest) kmsg.Response {
	answer, err := a.elsewhere(ctx, req, body.Group, body)
	if answer != nil {
		return answer
	}
	r := group.CommitRequest{
		Group: body.Group, MemberID: body.MemberID, InstanceID: body.InstanceID, Generation: body.Generation,
		Offsets: map[group.TopicPartition]group.Offset{},
	}
	refused := map[group.TopicPartition]error{}
	for _, t := range body.Topics {
		for _, p := range t.Partitions {
			tp := group.TopicPartition{Topic: t.Topic, Partition: p.Partition}
			o, err := a.offsetToCommit(tp, p, body.Version)
			if err != nil {
				refused[tp] = err
				continue
			}
			r.Offsets[tp] = o
		}
	}
	if err == nil {
		err = a.coordinator(body.Group).Commit(ctx, r)
	}
	resp := body.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, t := range body.Topics {
		rt := kmsg.NewOffsetCommitResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetCommitResponseTopicPartition()
			rp.Partition = p.Partition
			rp.ErrorCode = a.code(req, firstError(err, refused[group.TopicPartition{Topic: t.Topic, Partition: p.Partition}]))
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (a *API) offsetToCommit(tp group.TopicPartition, p kmsg.OffsetCommitRequestTopicPartition, version int16) (group.Offset, error) {
	t, err := a.topicNamed(tp.Topic)
	if err != nil {
		return group.Offset{}, err
	}
	if _, err := a.placeOf(t, tp.Partition); err != nil {
		return group.Offset{}, err
	}
	o := group.Offset{Offset: p.Offset, LeaderEpoch: -1, TopicID: t.ID}
	if version >= 6 {
		o.LeaderEpoch = p.LeaderEpoch
	}
	if p.Metadata != nil {
		o.Metadata = *p.Metadata
	}
	if len(o.Metadata) > group.MaxOffsetMetadata {
		return o, fmt.Errorf("metadata of %d bytes with an offset, at most %d are kept: %w", len(o.Metadata), group.MaxOffsetMetadata, kerr.OffsetMetadataTooLarge)
	}
	return o, nil
}
