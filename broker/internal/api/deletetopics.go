package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/partition"
)

// DeleteTopics (key 20), versions 1 to 6.
//
// Any node answers. The topic is gone when the answer comes; its data goes in
// the background. Version 5 brings messages, 6 topic ids: of name and id, one is
// given.
func init() { register(kmsg.DeleteTopics, 1, 6, later((*API).deleteTopics)) }

func (a *API) deleteTopics(ctx context.Context, req *Request, body *kmsg.DeleteTopicsRequest) kmsg.Response {
	ctx, cancel := adminTimeout(ctx, body.TimeoutMillis)
	defer cancel()
	wanted := body.Topics
	if body.Version < 6 {
		wanted = nil
		for _, name := range body.TopicNames {
			wanted = append(wanted, kmsg.DeleteTopicsRequestTopic{Topic: &name})
		}
	}
	resp := body.ResponseKind().(*kmsg.DeleteTopicsResponse)
	for _, w := range wanted {
		rt := kmsg.NewDeleteTopicsResponseTopic()
		rt.Topic, rt.TopicID = w.Topic, w.TopicID
		t, err := a.topicToDelete(w)
		if err == nil {
			rt.Topic, rt.TopicID = &t.Name, t.ID
			err = a.cluster.DeleteTopic(ctx, t.ID)
		}
		rt.ErrorCode, rt.ErrorMessage = a.code(req, err), message(err)
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (a *API) topicToDelete(w kmsg.DeleteTopicsRequestTopic) (*controller.Topic, error) {
	var none partition.TopicID
	switch {
	case w.Topic != nil && w.TopicID != none:
		return nil, fmt.Errorf("topic %q is given by name and id, use one: %w", *w.Topic, kerr.InvalidRequest)
	case w.Topic != nil:
		return a.topicNamed(*w.Topic)
	case w.TopicID != none:
		return a.topicWithID(w.TopicID)
	default:
		return nil, fmt.Errorf("a topic is given by neither name nor id: %w", kerr.InvalidRequest)
	}
}
