package api

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeConfigs (key 32), versions 1 to 4.
//
// Topics have all of Kafka's settings by name (configs.go); of a node those are
// shown that mean something here. A node knows its own settings only: on the
// local-read listener the node that is asked for answers by way of this one.
// Broker "" stands for settings of the whole cluster, of which there are none.
//
// Version 1 brings sources and synonyms, 3 types and documentation.
func init() { register(kmsg.DescribeConfigs, 1, 4, later((*API).describeConfigs)) }

func (a *API) describeConfigs(ctx context.Context, req *Request, body *kmsg.DescribeConfigsRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.DescribeConfigsResponse)
	for _, r := range body.Resources {
		resp.Resources = append(resp.Resources, a.describeResource(ctx, req, body, r))
	}
	return resp
}

func (a *API) describeResource(ctx context.Context, req *Request, body *kmsg.DescribeConfigsRequest, r kmsg.DescribeConfigsRequestResource) kmsg.DescribeConfigsResponseResource {
	rr := kmsg.NewDescribeConfigsResponseResource()
	rr.ResourceType, rr.ResourceName = r.ResourceType, r.ResourceName
	var err error
	switch r.ResourceType {
	case kmsg.ConfigResourceTypeTopic:
		rr.Configs, err = a.describeTopicConfigs(r.ResourceName)
	case kmsg.ConfigResourceTypeBroker:
		if answer := a.otherBrokersConfigs(ctx, req, body, r); answer != nil {
			return *answer
		}
		rr.Configs, err = a.describeBrokerConfigs(r.ResourceName)
	default:
		err = fmt.Errorf("resources of type %d have no configs here: %w", r.ResourceType, kerr.InvalidRequest)
	}
	rr.ErrorCode, rr.ErrorMessage = a.code(req, err), message(err)
	rr.Configs = slices.DeleteFunc(rr.Configs, func(c kmsg.DescribeConfigsResponseResourceConfig) bool {
		return r.ConfigNames != nil && !slices.Contains(r.ConfigNames, c.Name)
	})
	for i := range rr.Configs {
		if !body.IncludeSynonyms {
			rr.Configs[i].ConfigSynonyms = nil
		}
		if !body.IncludeDocumentation {
			rr.Configs[i].Documentation = nil
		}
	}
	return rr
}

func (a *API) describeTopicConfigs(name string) ([]kmsg.DescribeConfigsResponseResourceConfig, error) {
	t := a.cluster.Topic(name)
	if t == nil {
		return nil, fmt.Errorf("there is no topic %q: %w", name, kerr.UnknownTopicOrPartition)
	}
	var all []kmsg.DescribeConfigsResponseResourceConfig
	for _, known := range topicConfigs {
		c := kmsg.NewDescribeConfigsResponseResourceConfig()
		value, source := known.value(a.Config, t.Configs)
		c.Name, c.Value, c.Source, c.ConfigType, c.Documentation = known.name, &value, source, known.kind, kmsg.StringPtr(known.doc)
		c.ConfigSynonyms = append(c.ConfigSynonyms, configSynonym(known.name, value, source))
		if source == kmsg.ConfigSourceDynamicTopicConfig {
			value, source := known.value(a.Config, nil)
			c.ConfigSynonyms = append(c.ConfigSynonyms, configSynonym(known.name, value, source))
		}
		all = append(all, c)
	}
	return all, nil
}

func configSynonym(name, value string, source kmsg.ConfigSource) kmsg.DescribeConfigsResponseResourceConfigConfigSynonym {
	s := kmsg.NewDescribeConfigsResponseResourceConfigConfigSynonym()
	s.Name, s.Value, s.Source = name, &value, source
	return s
}

// otherBrokersConfigs has another node answer, on the local-read listener; nil
// when that is not called for or not possible.
func (a *API) otherBrokersConfigs(ctx context.Context, req *Request, body *kmsg.DescribeConfigsRequest, r kmsg.DescribeConfigsRequestResource) *kmsg.DescribeConfigsResponseResource {
	id, err := strconv.ParseInt(r.ResourceName, 10, 32)
	if req.Listener != Local || err != nil || int32(id) == a.Config.NodeID || !a.aliveBroker(int32(id)) {
		return nil
	}
	alone := *body
	alone.Resources = []kmsg.DescribeConfigsRequestResource{r}
	answer, err := a.forwardTo(ctx, int32(id), req, &alone)
	if resp, ok := answer.(*kmsg.DescribeConfigsResponse); ok && err == nil && len(resp.Resources) == 1 {
		return &resp.Resources[0]
	}
	return nil
}

func (a *API) describeBrokerConfigs(name string) ([]kmsg.DescribeConfigsResponseResourceConfig, error) {
	switch {
	case name == "":
		return nil, nil
	case name != integer(a.Config.NodeID):
		return nil, fmt.Errorf("this is broker %d, and knows nothing of the configs of broker %q: %w", a.Config.NodeID, name, kerr.InvalidRequest)
	}
	var all []kmsg.DescribeConfigsResponseResourceConfig
	for _, known := range brokerConfigs {
		c := kmsg.NewDescribeConfigsResponseResourceConfig()
		value, source := known.value(a.Config), known.source(a.Config)
		c.Name, c.Value, c.Source, c.ConfigType, c.Documentation = known.name, &value, source, known.kind, kmsg.StringPtr(known.doc)
		c.ReadOnly = true
		c.ConfigSynonyms = append(c.ConfigSynonyms, configSynonym(known.name, value, source))
		all = append(all, c)
	}
	return all, nil
}
