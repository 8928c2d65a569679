package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// IncrementalAlterConfigs (key 44), versions 0 to 1.
//
// It sets and resets single overrides of topics, and appends to and subtracts
// from those that are lists. Brokers' settings cannot be changed:
// INVALID_REQUEST. Any node answers.
func init() { register(kmsg.IncrementalAlterConfigs, 0, 1, later((*API).incrementalAlterConfigs)) }

func (a *API) incrementalAlterConfigs(ctx context.Context, req *Request, body *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for _, r := range body.Resources {
		err := a.incrementallyAlter(ctx, r, body.ValidateOnly)
		rr := kmsg.NewIncrementalAlterConfigsResponseResource()
		rr.ResourceType, rr.ResourceName = r.ResourceType, r.ResourceName
		rr.ErrorCode, rr.ErrorMessage = a.code(req, err), message(err)
		resp.Resources = append(resp.Resources, rr)
	}
	return resp
}

func (a *API) incrementallyAlter(ctx context.Context, r kmsg.IncrementalAlterConfigsRequestResource, validateOnly bool) error {
	current, err := a.overridesOf(r.ResourceType, r.ResourceName)
	if err != nil {
		return err
	}
	set := map[string]*string{}
	for _, c := range r.Configs {
		if _, twice := set[c.Name]; twice {
			return fmt.Errorf("config %q is given twice: %w", c.Name, kerr.InvalidRequest)
		}
		if set[c.Name], err = a.altered(c, current); err != nil {
			return err
		}
	}
	return a.alterTopic(ctx, r.ResourceName, set, validateOnly)
}

// altered is the new value of a config; nil to reset it.
func (a *API) altered(c kmsg.IncrementalAlterConfigsRequestResourceConfig, current map[string]string) (*string, error) {
	known := topicConfigNamed(c.Name)
	switch {
	case c.Op == kmsg.IncrementalAlterConfigOpDelete:
		return nil, nil
	case c.Value == nil:
		return nil, fmt.Errorf("config %q is given without a value: %w", c.Name, kerr.InvalidRequest)
	case c.Op == kmsg.IncrementalAlterConfigOpSet || known == nil:
		return c.Value, nil // checkConfigs says what is unknown
	case known.kind != kmsg.ConfigTypeList:
		return nil, fmt.Errorf("config %q is not a list, to be appended to or subtracted from: %w", c.Name, kerr.InvalidConfig)
	}
	value, _ := known.value(a.Config, current)
	items := list(value)
	for _, item := range list(*c.Value) {
		switch {
		case c.Op == kmsg.IncrementalAlterConfigOpSubtract:
			items = slices.DeleteFunc(items, func(i string) bool { return i == item })
		case !slices.Contains(items, item):
			items = append(items, item)
		}
	}
	joined := strings.Join(items, ",")
	return &joined, nil
}

// list splits the value of a config that is a list.
func list(value string) []string {
	if value == "" {
		return nil
	}
	return strings.Split(value, ",")
}
