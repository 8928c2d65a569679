package api

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/config"
	"lockstep/broker/internal/controller"
)

// topicConfig is a setting that a topic can override. Kafka's are all known by
// name, so that tools and infrastructure code work; a value that would promise
// what does not happen here is refused.
type topicConfig struct {
	name    string
	kind    kmsg.ConfigType
	initial func(c *config.Config) string // the value of topics that do not override it
	check   func(value string) error
	doc     string
}

func fixed(value string) func(*config.Config) string {
	return func(*config.Config) string { return value }
}

const noEffect = "Accepted so that tools which set it work; it has no effect here."

// readConsistencyConfig chooses what reads guarantee at least.
const readConsistencyConfig = "lockstep.read.consistency"

// Retention is the node's work, by what TopicConfig says.
const (
	RetentionMSConfig    = "retention.ms"
	RetentionBytesConfig = "retention.bytes"
)

var topicConfigs = []topicConfig{
	{"cleanup.policy", kmsg.ConfigTypeList, fixed("delete"), only("delete", "compaction is not supported"), "What happens to old records: only \"delete\"."},
	{"compression.type", kmsg.ConfigTypeString, fixed("producer"), only("producer", "batches are kept as producers have compressed them"), "Only \"producer\": batches stay as they were produced."},
	{"delete.retention.ms", kmsg.ConfigTypeLong, fixed("86400000"), number(0, math.MaxInt64), noEffect},
	{"file.delete.delay.ms", kmsg.ConfigTypeLong, fixed("60000"), number(0, math.MaxInt64), noEffect},
	{"flush.messages", kmsg.ConfigTypeLong, fixed("9223372036854775807"), number(1, math.MaxInt64), noEffect},
	{"flush.ms", kmsg.ConfigTypeLong, fixed("9223372036854775807"), number(0, math.MaxInt64), noEffect},
	{"follower.replication.throttled.replicas", kmsg.ConfigTypeList, fixed(""), anything, noEffect},
	{"index.interval.bytes", kmsg.ConfigTypeInt, fixed("4096"), number(0, math.MaxInt32), noEffect},
	{"leader.replication.throttled.replicas", kmsg.ConfigTypeList, fixed(""), anything, noEffect},
	{"local.retention.bytes", kmsg.ConfigTypeLong, fixed("-2"), number(-2, math.MaxInt64), noEffect},
	{"local.retention.ms", kmsg.ConfigTypeLong, fixed("-2"), number(-2, math.MaxInt64), noEffect},
	{readConsistencyConfig, kmsg.ConfigTypeString, func(c *config.Config) string { return c.ReadConsistency }, oneOf("committed", "linearizable"), "What reads guarantee at least: \"committed\", or \"linearizable\": they see every write acknowledged before them."},
	{"max.compaction.lag.ms", kmsg.ConfigTypeLong, fixed("9223372036854775807"), number(1, math.MaxInt64), noEffect},
	{"max.message.bytes", kmsg.ConfigTypeInt, func(c *config.Config) string { return strconv.Itoa(int(c.MaxMessageBytes)) }, number(0, math.MaxInt32), "The largest record batch that is taken, in bytes."},
	{"message.timestamp.after.max.ms", kmsg.ConfigTypeLong, fixed("9223372036854775807"), number(0, math.MaxInt64), noEffect},
	{"message.timestamp.before.max.ms", kmsg.ConfigTypeLong, fixed("9223372036854775807"), number(0, math.MaxInt64), noEffect},
	{"message.timestamp.type", kmsg.ConfigTypeString, fixed("CreateTime"), only("CreateTime", "records keep the timestamps that producers give them"), "Only \"CreateTime\": records keep their producers' timestamps."},
	{"min.cleanable.dirty.ratio", kmsg.ConfigTypeDouble, fixed("0.5"), ratio, noEffect},
	{"min.compaction.lag.ms", kmsg.ConfigTypeLong, fixed("0"), number(0, math.MaxInt64), noEffect},
	{"min.insync.replicas", kmsg.ConfigTypeInt, fixed("1"), number(1, math.MaxInt32), "Accepted so that tools which set it work; a majority of the replicas always has a record before it is acknowledged."},
	{"preallocate", kmsg.ConfigTypeBoolean, fixed("false"), oneOf("true", "false"), noEffect},
	{"remote.storage.enable", kmsg.ConfigTypeBoolean, fixed("false"), only("false", "there is no tiered storage"), "Only \"false\"."},
	{RetentionBytesConfig, kmsg.ConfigTypeLong, func(c *config.Config) string { return integer(c.RetentionBytes) }, number(-1, math.MaxInt64), "How many bytes of records a partition keeps; -1 for all. What is beyond goes in whole batches, oldest first."},
	{RetentionMSConfig, kmsg.ConfigTypeLong, func(c *config.Config) string { return integer(c.RetentionMS) }, number(-1, math.MaxInt64), "How old records get, by their timestamps, in milliseconds; -1 for any age. They go in whole batches, oldest first."},
	{"segment.bytes", kmsg.ConfigTypeInt, fixed("1073741824"), number(14, math.MaxInt32), noEffect},
	{"segment.index.bytes", kmsg.ConfigTypeInt, fixed("10485760"), number(4, math.MaxInt32), noEffect},
	{"segment.jitter.ms", kmsg.ConfigTypeLong, fixed("0"), number(0, math.MaxInt64), noEffect},
	{"segment.ms", kmsg.ConfigTypeLong, fixed("604800000"), number(1, math.MaxInt64), noEffect},
	{"unclean.leader.election.enable", kmsg.ConfigTypeBoolean, fixed("false"), only("false", "only replicas that have every committed record are elected"), "Only \"false\"."},
}

func anything(string) error { return nil }

func only(value, why string) func(string) error {
	return func(v string) error {
		if v != value {
			return fmt.Errorf("only %q is possible: %s", value, why)
		}
		return nil
	}
}

func oneOf(values ...string) func(string) error {
	return func(v string) error {
		if !slices.Contains(values, v) {
			return fmt.Errorf("use one of %s", strings.Join(values, ", "))
		}
		return nil
	}
}

func number(lowest, highest int64) func(string) error {
	return func(v string) error {
		if n, err := strconv.ParseInt(v, 10, 64); err != nil || n < lowest || n > highest {
			return fmt.Errorf("use a whole number from %d to %d", lowest, highest)
		}
		return nil
	}
}

func ratio(v string) error {
	if r, err := strconv.ParseFloat(v, 64); err != nil || !(r >= 0 && r <= 1) {
		return fmt.Errorf("use a number from 0 to 1")
	}
	return nil
}

// topicConfigNamed finds a topic config; nil when there is none of that name.
func topicConfigNamed(name string) *topicConfig {
	for i := range topicConfigs {
		if topicConfigs[i].name == name {
			return &topicConfigs[i]
		}
	}
	return nil
}

// checkConfigs checks overrides, nil values of which are resets. The error is
// kerr.InvalidConfig.
func checkConfigs(set map[string]*string) error {
	for _, name := range slices.Sorted(maps.Keys(set)) {
		known := topicConfigNamed(name)
		if known == nil {
			return fmt.Errorf("unknown topic config %q: %w", name, kerr.InvalidConfig)
		}
		if set[name] == nil {
			continue
		}
		if err := known.check(*set[name]); err != nil {
			return fmt.Errorf("%s=%q: %w: %w", name, *set[name], err, kerr.InvalidConfig)
		}
	}
	return nil
}

// TopicNumber is the whole number that a topic's config has: its override, or
// what the node says. name must be that of a known config of numbers.
func TopicNumber(c *config.Config, t *controller.Topic, name string) int64 {
	value, _ := topicConfigNamed(name).value(c, t.Configs)
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return -1 // not written by this version, which checks: no limit
	}
	return n
}

// value is the config of a topic with overrides, and where it is from.
func (t *topicConfig) value(c *config.Config, overrides map[string]string) (string, kmsg.ConfigSource) {
	if v, ok := overrides[t.name]; ok {
		return v, kmsg.ConfigSourceDynamicTopicConfig
	}
	v := t.initial(c)
	if v != t.initial(config.Default()) {
		return v, kmsg.ConfigSourceStaticBrokerConfig
	}
	return v, kmsg.ConfigSourceDefaultConfig
}
