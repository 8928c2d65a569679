package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreatePartitions (key 37), versions 0 to 3.
//
// Any node answers. A topic's number of partitions can only grow:
// INVALID_PARTITIONS. Replicas can be assigned by hand only as they would be
// anyway.
func init() { register(kmsg.CreatePartitions, 0, 3, later((*API).createPartitions)) }

func (a *API) createPartitions(ctx context.Context, req *Request, body *kmsg.CreatePartitionsRequest) kmsg.Response {
	ctx, cancel := adminTimeout(ctx, body.TimeoutMillis)
	defer cancel()
	resp := body.ResponseKind().(*kmsg.CreatePartitionsResponse)
	for _, t := range body.Topics {
		err := a.checkGrowth(t)
		if err == nil && !body.ValidateOnly {
			err = a.cluster.CreatePartitions(ctx, t.Topic, t.Count)
		}
		rt := kmsg.NewCreatePartitionsResponseTopic()
		rt.Topic, rt.ErrorCode, rt.ErrorMessage = t.Topic, a.code(req, err), message(err)
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (a *API) checkGrowth(t kmsg.CreatePartitionsRequestTopic) error {
	topic, err := a.topicNamed(t.Topic)
	if err != nil {
		return err
	}
	has := int32(len(topic.Shards))
	switch {
	case t.Count <= has:
		return fmt.Errorf("topic %q has %d partitions already, and cannot have %d: their number can only grow: %w", t.Topic, has, t.Count, kerr.InvalidPartitions)
	case t.Assignment != nil && int32(len(t.Assignment)) != t.Count-has:
		return fmt.Errorf("topic %q gets %d new partitions, and replicas are assigned for %d: %w", t.Topic, t.Count-has, len(t.Assignment), kerr.InvalidReplicaAssignment)
	}
	for _, r := range t.Assignment {
		if err := a.checkAssignment(r.Replicas); err != nil {
			return err
		}
	}
	return nil
}
