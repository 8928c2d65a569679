package api

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/partition"
)

func creation(change func(t *kmsg.CreateTopicsRequestTopic)) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = "new", 2, -1
	change(&t)
	return t
}

func withConfig(name, value string) func(*kmsg.CreateTopicsRequestTopic) {
	return func(t *kmsg.CreateTopicsRequestTopic) {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, &value
		t.Configs = append(t.Configs, c)
	}
}

func assigned(partitions ...int32) func(*kmsg.CreateTopicsRequestTopic) {
	return func(t *kmsg.CreateTopicsRequestTopic) {
		t.NumPartitions = -1
		for _, p := range partitions {
			r := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			r.Partition, r.Replicas = p, []int32{3, 1, 2}
			t.ReplicaAssignment = append(t.ReplicaAssignment, r)
		}
	}
}

func TestCreateTopics(t *testing.T) {
	for name, c := range map[string]struct {
		change     func(t *kmsg.CreateTopicsRequestTopic)
		want       *kerr.Error // nil: none
		says       string
		partitions int32
	}{
		"plain":                 {func(*kmsg.CreateTopicsRequestTopic) {}, nil, "", 2},
		"config":                {withConfig("retention.ms", "1000"), nil, "", 2},
		"unknown config":        {withConfig("retention.msec", "1000"), kerr.InvalidConfig, "retention.msec", 0},
		"bad value":             {withConfig("retention.ms", "week"), kerr.InvalidConfig, "whole number", 0},
		"compaction":            {withConfig("cleanup.policy", "compact"), kerr.InvalidConfig, "compaction is not supported", 0},
		"log append time":       {withConfig("message.timestamp.type", "LogAppendTime"), kerr.InvalidConfig, "CreateTime", 0},
		"recompression":         {withConfig("compression.type", "zstd"), kerr.InvalidConfig, "producer", 0},
		"assigned":              {assigned(1, 0, 2), nil, "", 3},
		"assigned with a gap":   {assigned(0, 2), kerr.InvalidReplicaAssignment, "partition 1", 0},
		"assigned and numbered": {func(t *kmsg.CreateTopicsRequestTopic) { assigned(0)(t); t.NumPartitions = 1 }, kerr.InvalidRequest, "-1", 0},
		"assigned to some": {func(t *kmsg.CreateTopicsRequestTopic) {
			assigned(0)(t)
			t.ReplicaAssignment[0].Replicas = []int32{1, 2}
		}, kerr.InvalidReplicaAssignment, "[1 2 3]", 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, asFollower)
			n.cluster.create = func(s controller.TopicSpec) (*controller.Topic, error) {
				return &controller.Topic{Name: s.Name, ID: partition.TopicID{1}, Shards: make([]uint32, s.Partitions), Configs: s.Configs}, nil
			}
			req := kmsg.NewPtrCreateTopicsRequest()
			req.Version, req.Topics = 7, []kmsg.CreateTopicsRequestTopic{creation(c.change)}
			got := askFor[*kmsg.CreateTopicsResponse](n, Normal, req).Topics[0]
			if !errors.Is(kerr.ErrorForCode(got.ErrorCode), c.want) && (c.want != nil || got.ErrorCode != 0) {
				t.Fatalf("error %v, want %v", kerr.ErrorForCode(got.ErrorCode), c.want)
			}
			if c.want != nil {
				if got.ErrorMessage == nil || !strings.Contains(*got.ErrorMessage, c.says) {
					t.Errorf("message %v does not say %q", got.ErrorMessage, c.says)
				}
				return
			}
			if got.NumPartitions != c.partitions || got.ReplicationFactor != 3 || got.TopicID != (partition.TopicID{1}) || len(got.Configs) != len(topicConfigs) {
				t.Errorf("created %+v", got)
			}
		})
	}
}

func TestCreateTopicTwiceInARequest(t *testing.T) {
	n := newNode(t, asFollower)
	req := kmsg.NewPtrCreateTopicsRequest()
	twice := creation(func(*kmsg.CreateTopicsRequestTopic) {})
	req.Version, req.Topics = 7, []kmsg.CreateTopicsRequestTopic{twice, twice}
	for _, got := range askFor[*kmsg.CreateTopicsResponse](n, Normal, req).Topics {
		if got.ErrorCode != kerr.InvalidRequest.Code {
			t.Errorf("error %v", kerr.ErrorForCode(got.ErrorCode))
		}
	}
}

func TestDeleteTopics(t *testing.T) {
	name, unknown := "t", "u"
	id := [16]byte{15: 7}
	for what, c := range map[string]struct {
		topic kmsg.DeleteTopicsRequestTopic
		want  int16
	}{
		"by name":          {kmsg.DeleteTopicsRequestTopic{Topic: &name}, 0},
		"by id":            {kmsg.DeleteTopicsRequestTopic{TopicID: id}, 0},
		"by both":          {kmsg.DeleteTopicsRequestTopic{Topic: &name, TopicID: id}, kerr.InvalidRequest.Code},
		"by neither":       {kmsg.DeleteTopicsRequestTopic{}, kerr.InvalidRequest.Code},
		"unknown, by name": {kmsg.DeleteTopicsRequestTopic{Topic: &unknown}, kerr.UnknownTopicOrPartition.Code},
		"unknown, by id":   {kmsg.DeleteTopicsRequestTopic{TopicID: [16]byte{1}}, kerr.UnknownTopicID.Code},
	} {
		t.Run(what, func(t *testing.T) {
			n := newNode(t, asFollower)
			req := kmsg.NewPtrDeleteTopicsRequest()
			req.Version, req.Topics = 6, []kmsg.DeleteTopicsRequestTopic{c.topic}
			got := askFor[*kmsg.DeleteTopicsResponse](n, Normal, req).Topics[0]
			if got.ErrorCode != c.want {
				t.Fatalf("error %v", kerr.ErrorForCode(got.ErrorCode))
			}
			if gone := n.cluster.Topic("t") == nil; gone != (c.want == 0) {
				t.Errorf("gone: %v", gone)
			}
			if c.want == 0 && (got.Topic == nil || *got.Topic != "t" || got.TopicID != id) {
				t.Errorf("deleted %+v", got)
			}
		})
	}
}

func TestCreatePartitions(t *testing.T) {
	all := kmsg.CreatePartitionsRequestTopicAssignment{Replicas: []int32{1, 2, 3}}
	for what, c := range map[string]struct {
		topic      string
		count      int32
		assignment []kmsg.CreatePartitionsRequestTopicAssignment
		validate   bool
		want       int16
		has        int
	}{
		"more":               {"t", 6, nil, false, 0, 6},
		"validated only":     {"t", 6, nil, true, 0, 4},
		"as many":            {"t", 4, nil, false, kerr.InvalidPartitions.Code, 4},
		"fewer":              {"t", 1, nil, false, kerr.InvalidPartitions.Code, 4},
		"assigned":           {"t", 5, []kmsg.CreatePartitionsRequestTopicAssignment{all}, false, 0, 5},
		"assigned too many":  {"t", 5, []kmsg.CreatePartitionsRequestTopicAssignment{all, all}, false, kerr.InvalidReplicaAssignment.Code, 4},
		"of no such topic":   {"u", 5, nil, false, kerr.UnknownTopicOrPartition.Code, 4},
		"assigned elsewhere": {"t", 5, []kmsg.CreatePartitionsRequestTopicAssignment{{Replicas: []int32{1}}}, false, kerr.InvalidReplicaAssignment.Code, 4},
	} {
		t.Run(what, func(t *testing.T) {
			n := newNode(t, asFollower)
			req := kmsg.NewPtrCreatePartitionsRequest()
			req.Version, req.ValidateOnly = 3, c.validate
			req.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: c.topic, Count: c.count, Assignment: c.assignment}}
			got := askFor[*kmsg.CreatePartitionsResponse](n, Normal, req).Topics[0]
			if got.ErrorCode != c.want {
				t.Errorf("error %v", kerr.ErrorForCode(got.ErrorCode))
			}
			if has := len(n.cluster.Topic("t").Shards); has != c.has {
				t.Errorf("%d partitions, want %d", has, c.has)
			}
		})
	}
}

func TestDeleteRecords(t *testing.T) {
	for what, c := range map[string]struct {
		leads     bool
		partition int32
		offset    int64
		low       int64
		want      int16
	}{
		"some":                 {true, 0, 4, 4, 0},
		"all":                  {true, 0, -1, 10, 0},
		"too many":             {true, 0, 11, -1, kerr.OffsetOutOfRange.Code},
		"a negative number":    {true, 0, -2, -1, kerr.OffsetOutOfRange.Code},
		"of no such partition": {true, 9, 4, -1, kerr.UnknownTopicOrPartition.Code},
		"on a follower":        {false, 0, 4, -1, kerr.NotLeaderForPartition.Code},
	} {
		t.Run(what, func(t *testing.T) {
			st := asFollower
			if c.leads {
				st = asLeader
			}
			n := newNode(t, st)
			n.fill(0, 10)
			req := kmsg.NewPtrDeleteRecordsRequest()
			req.Version = 2
			req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: c.partition, Offset: c.offset}}}}
			got := askFor[*kmsg.DeleteRecordsResponse](n, Normal, req).Topics[0].Partitions[0]
			if got.ErrorCode != c.want || got.LowWatermark != c.low {
				t.Errorf("low watermark %d, error %v", got.LowWatermark, kerr.ErrorForCode(got.ErrorCode))
			}
		})
	}
}
