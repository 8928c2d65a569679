package api

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/config"
	"lockstep/broker/internal/group"
)

// brokerConfig is a setting of a node by Kafka's name for it. They come from
// flags and the environment, and cannot be changed while the node runs.
type brokerConfig struct {
	name  string
	kind  kmsg.ConfigType
	value func(c *config.Config) string
	doc   string
}

func integer[N int | int16 | int32 | int64](n N) string { return strconv.FormatInt(int64(n), 10) }

var brokerConfigs = []brokerConfig{
	{"advertised.listeners", kmsg.ConfigTypeString, func(c *config.Config) string { return c.Advertised }, "What clients of the normal listener are told to connect to."},
	{"auto.create.topics.enable", kmsg.ConfigTypeBoolean, func(c *config.Config) string { return strconv.FormatBool(c.AutoCreateTopics) }, "Whether a topic that a client asks for is created."},
	{"broker.id", kmsg.ConfigTypeInt, func(c *config.Config) string { return integer(c.NodeID) }, "The node's id."},
	{"broker.rack", kmsg.ConfigTypeString, func(c *config.Config) string { return c.Rack }, "The node's rack; consumers in it read here."},
	{"compression.type", kmsg.ConfigTypeString, fixed("producer"), "Batches stay as producers have compressed them."},
	{"delete.topic.enable", kmsg.ConfigTypeBoolean, fixed("true"), "Topics can be deleted."},
	{"group.initial.rebalance.delay.ms", kmsg.ConfigTypeInt, func(*config.Config) string { return integer(group.DefaultInitialDelay.Milliseconds()) }, "How long a new group waits for more members."},
	{"group.max.session.timeout.ms", kmsg.ConfigTypeInt, func(*config.Config) string { return integer(group.MaxSessionTimeout.Milliseconds()) }, "The longest session timeout of a group's member."},
	{"group.min.session.timeout.ms", kmsg.ConfigTypeInt, func(*config.Config) string { return integer(group.MinSessionTimeout.Milliseconds()) }, "The shortest session timeout of a group's member."},
	{"listeners", kmsg.ConfigTypeString, func(c *config.Config) string { return c.Listen }, "Where the normal listener listens."},
	{"log.cleanup.policy", kmsg.ConfigTypeList, fixed("delete"), "Compaction is not supported."},
	{"log.dirs", kmsg.ConfigTypeString, func(c *config.Config) string { return c.DataDir }, "The data directory."},
	{"log.message.timestamp.type", kmsg.ConfigTypeString, fixed("CreateTime"), "Records keep their producers' timestamps."},
	{"log.retention.bytes", kmsg.ConfigTypeLong, func(c *config.Config) string { return integer(c.RetentionBytes) }, "How many bytes of records a partition keeps, in topics without a retention.bytes of their own."},
	{"log.retention.check.interval.ms", kmsg.ConfigTypeLong, func(c *config.Config) string { return integer(c.RetentionCheck.Milliseconds()) }, "How often records that may go are looked for."},
	{"log.retention.ms", kmsg.ConfigTypeLong, func(c *config.Config) string { return integer(c.RetentionMS) }, "How old records get, in topics without a retention.ms of their own."},
	{"log.segment.bytes", kmsg.ConfigTypeInt, func(c *config.Config) string { return integer(c.SegmentBytes) }, "The size of the files of a shard's log."},
	{"message.max.bytes", kmsg.ConfigTypeInt, func(c *config.Config) string { return integer(c.MaxMessageBytes) }, "The largest record batch that is taken, in bytes."},
	{"node.id", kmsg.ConfigTypeInt, func(c *config.Config) string { return integer(c.NodeID) }, "The node's id."},
	{"num.partitions", kmsg.ConfigTypeInt, func(c *config.Config) string { return integer(c.DefaultPartitions) }, "Partitions of topics that ask for no number."},
	{"offset.metadata.max.bytes", kmsg.ConfigTypeInt, fixed(strconv.Itoa(group.MaxOffsetMetadata)), "The longest metadata that is kept with a committed offset."},
	{"socket.request.max.bytes", kmsg.ConfigTypeInt, func(c *config.Config) string { return integer(c.MaxRequestBytes) }, "The largest request, in bytes."},
	{"unclean.leader.election.enable", kmsg.ConfigTypeBoolean, fixed("false"), "Only replicas that have every committed record are elected."},
}

// source says whether a value is the default.
func (b *brokerConfig) source(c *config.Config) kmsg.ConfigSource {
	if b.value(c) != b.value(config.Default()) {
		return kmsg.ConfigSourceStaticBrokerConfig
	}
	return kmsg.ConfigSourceDefaultConfig
}
