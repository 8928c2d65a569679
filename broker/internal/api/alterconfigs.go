package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterConfigs (key 33), versions 0 to 2.
//
// What is given are all of a topic's overrides from now on: others are reset.
// Brokers' settings cannot be changed: INVALID_REQUEST. Any node answers.
func init() { register(kmsg.AlterConfigs, 0, 2, later((*API).alterConfigs)) }

func (a *API) alterConfigs(ctx context.Context, req *Request, body *kmsg.AlterConfigsRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.AlterConfigsResponse)
	for _, r := range body.Resources {
		current, err := a.overridesOf(r.ResourceType, r.ResourceName)
		set := map[string]*string{}
		for name := range current {
			set[name] = nil
		}
		for _, c := range r.Configs {
			set[c.Name] = c.Value
		}
		if err == nil {
			err = a.alterTopic(ctx, r.ResourceName, set, body.ValidateOnly)
		}
		rr := kmsg.NewAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName = r.ResourceType, r.ResourceName
		rr.ErrorCode, rr.ErrorMessage = a.code(req, err), message(err)
		resp.Resources = append(resp.Resources, rr)
	}
	return resp
}

// overridesOf returns what a resource overrides; an error if its configs cannot
// be changed.
func (a *API) overridesOf(kind kmsg.ConfigResourceType, name string) (map[string]string, error) {
	if kind != kmsg.ConfigResourceTypeTopic {
		return nil, fmt.Errorf("only topics' configs can be changed; brokers take theirs from flags or the environment when they start: %w", kerr.InvalidRequest)
	}
	t := a.cluster.Topic(name)
	if t == nil {
		return nil, fmt.Errorf("there is no topic %q: %w", name, kerr.UnknownTopicOrPartition)
	}
	return t.Configs, nil
}

func (a *API) alterTopic(ctx context.Context, topic string, set map[string]*string, validateOnly bool) error {
	if err := checkConfigs(set); err != nil || validateOnly || len(set) == 0 {
		return err
	}
	return a.cluster.AlterConfigs(ctx, topic, set)
}
