package api

import (
	"maps"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestDefaultsAreAllowed: what DescribeConfigs shows can be set.
func TestDefaultsAreAllowed(t *testing.T) {
	n := newNode(t, asFollower)
	for _, c := range topicConfigs {
		value, source := c.value(n.api.Config, nil)
		if source != kmsg.ConfigSourceDefaultConfig {
			t.Errorf("%s is from %v", c.name, source)
		}
		if err := checkConfigs(map[string]*string{c.name: &value}); err != nil {
			t.Error(err)
		}
	}
}

func describe(n *node, kind kmsg.ConfigResourceType, name string, names ...string) kmsg.DescribeConfigsResponseResource {
	n.t.Helper()
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Version, req.IncludeSynonyms, req.IncludeDocumentation = 4, true, true
	req.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kind, ResourceName: name, ConfigNames: names}}
	return askFor[*kmsg.DescribeConfigsResponse](n, Normal, req).Resources[0]
}

func TestDescribeConfigs(t *testing.T) {
	n := newNode(t, asFollower)
	n.topic.Configs["max.message.bytes"] = "77"
	n.api.Config.ReadConsistency = "linearizable"
	if got := describe(n, kmsg.ConfigResourceTypeTopic, "t"); len(got.Configs) != len(topicConfigs) {
		t.Errorf("%d configs", len(got.Configs))
	}
	got := describe(n, kmsg.ConfigResourceTypeTopic, "t", "max.message.bytes", readConsistencyConfig, "nonsense").Configs
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	if c := got[0]; c.Name != readConsistencyConfig || *c.Value != "linearizable" || c.Source != kmsg.ConfigSourceStaticBrokerConfig {
		t.Errorf("%+v", c)
	}
	if c := got[1]; *c.Value != "77" || c.Source != kmsg.ConfigSourceDynamicTopicConfig || len(c.ConfigSynonyms) != 2 || *c.ConfigSynonyms[1].Value != "1048588" || *c.Documentation == "" {
		t.Errorf("%+v", c)
	}
	broker := describe(n, kmsg.ConfigResourceTypeBroker, "1", "broker.rack").Configs
	if len(broker) != 1 || *broker[0].Value != "r1" || !broker[0].ReadOnly {
		t.Errorf("%+v", broker)
	}
	for what, c := range map[string]struct {
		kind kmsg.ConfigResourceType
		name string
		want int16
	}{
		"unknown topic": {kmsg.ConfigResourceTypeTopic, "u", kerr.UnknownTopicOrPartition.Code},
		"other broker":  {kmsg.ConfigResourceTypeBroker, "2", kerr.InvalidRequest.Code},
		"whole cluster": {kmsg.ConfigResourceTypeBroker, "", 0},
		"logger":        {kmsg.ConfigResourceTypeBrokerLogger, "1", kerr.InvalidRequest.Code},
	} {
		if got := describe(n, c.kind, c.name); got.ErrorCode != c.want || len(got.Configs) != 0 {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

func TestIncrementalAlterConfigs(t *testing.T) {
	type change struct {
		name  string
		op    kmsg.IncrementalAlterConfigOp
		value string
	}
	const (
		set, reset, add, subtract = kmsg.IncrementalAlterConfigOpSet, kmsg.IncrementalAlterConfigOpDelete, kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract
		throttled                 = "leader.replication.throttled.replicas"
	)
	before := map[string]string{"retention.ms": "5", throttled: "0:1,1:1"}
	with := func(name, value string) map[string]string {
		after := maps.Clone(before)
		after[name] = value
		return after
	}
	for what, c := range map[string]struct {
		topic   string
		changes []change
		want    int16
		after   map[string]string
	}{
		"set":                   {"t", []change{{"max.message.bytes", set, "9"}}, 0, with("max.message.bytes", "9")},
		"reset":                 {"t", []change{{"retention.ms", reset, ""}}, 0, map[string]string{throttled: "0:1,1:1"}},
		"append":                {"t", []change{{throttled, add, "1:1,2:1"}}, 0, with(throttled, "0:1,1:1,2:1")},
		"subtract":              {"t", []change{{throttled, subtract, "0:1"}}, 0, with(throttled, "1:1")},
		"append to no list":     {"t", []change{{"retention.ms", add, "1"}}, kerr.InvalidConfig.Code, before},
		"append what is barred": {"t", []change{{"cleanup.policy", add, "compact"}}, kerr.InvalidConfig.Code, before},
		"unknown":               {"t", []change{{"retention", set, "1"}}, kerr.InvalidConfig.Code, before},
		"one of two is wrong":   {"t", []change{{"retention.ms", set, "1"}, {"segment.ms", set, "x"}}, kerr.InvalidConfig.Code, before},
		"twice":                 {"t", []change{{"retention.ms", set, "1"}, {"retention.ms", set, "2"}}, kerr.InvalidRequest.Code, before},
		"no such topic":         {"u", []change{{"retention.ms", set, "1"}}, kerr.UnknownTopicOrPartition.Code, before},
	} {
		t.Run(what, func(t *testing.T) {
			n := newNode(t, asFollower)
			n.topic.Configs = maps.Clone(before)
			r := kmsg.NewIncrementalAlterConfigsRequestResource()
			r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, c.topic
			for _, x := range c.changes {
				r.Configs = append(r.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: x.name, Op: x.op, Value: &x.value})
			}
			req := kmsg.NewPtrIncrementalAlterConfigsRequest()
			req.Version, req.Resources = 1, []kmsg.IncrementalAlterConfigsRequestResource{r}
			for _, validate := range []bool{true, false} {
				req.ValidateOnly = validate
				got := askFor[*kmsg.IncrementalAlterConfigsResponse](n, Normal, req).Resources[0]
				if got.ErrorCode != c.want {
					t.Fatalf("error %v, %v", kerr.ErrorForCode(got.ErrorCode), got.ErrorMessage)
				}
				after := c.after
				if validate {
					after = before
				}
				if configs := n.cluster.Topic("t").Configs; !maps.Equal(configs, after) {
					t.Errorf("validate only %v: configs are %v", validate, configs)
				}
			}
		})
	}
}

// TestAlterConfigs: what is not given is reset.
func TestAlterConfigs(t *testing.T) {
	n := newNode(t, asFollower)
	n.topic.Configs = map[string]string{"retention.ms": "5", "segment.ms": "6"}
	req := kmsg.NewPtrAlterConfigsRequest()
	req.Version = 2
	value := "7"
	topic := kmsg.AlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t", Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: "segment.ms", Value: &value}}}
	broker := kmsg.AlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: "1"}
	req.Resources = []kmsg.AlterConfigsRequestResource{topic, broker}
	got := askFor[*kmsg.AlterConfigsResponse](n, Normal, req).Resources
	if got[0].ErrorCode != 0 || got[1].ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("%+v", got)
	}
	if configs := n.cluster.Topic("t").Configs; !maps.Equal(configs, map[string]string{"segment.ms": "7"}) {
		t.Errorf("configs are %v", configs)
	}
}
