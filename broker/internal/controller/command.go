package controller

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/partition"
)

// command is one change; exactly one field is set. Commands are rare, so they
// are JSON: whoever reads a log can read them.
type command struct {
	Form       *formCluster      `json:",omitempty"`
	Register   *Broker           `json:",omitempty"`
	Create     *createTopic      `json:",omitempty"`
	Delete     *deleteTopic      `json:",omitempty"`
	Partitions *createPartitions `json:",omitempty"`
	Configs    *alterConfigs     `json:",omitempty"`
	Producers  *allocateIDs      `json:",omitempty"`
}

type formCluster struct{ ID string }

type createTopic struct {
	Name       string
	ID         partition.TopicID
	Partitions int32
	Shards     uint32 // number of shards in the cluster
	Configs    map[string]string
}

type deleteTopic struct{ ID partition.TopicID }

type createPartitions struct {
	Topic  string
	Total  int32
	Shards uint32
}

type alterConfigs struct {
	Topic string
	Set   map[string]*string // nil: back to the default
}

type allocateIDs struct{ Count int64 }

// apply changes s, which is a fresh copy whose maps are still the old ones.
func (c *command) apply(s *state) outcome {
	switch {
	case c.Form != nil:
		if s.ClusterID == "" {
			s.ClusterID = c.Form.ID
		}
	case c.Register != nil:
		s.Brokers = maps.Clone(s.Brokers)
		s.Brokers[c.Register.ID] = *c.Register
	case c.Create != nil:
		return c.Create.apply(s)
	case c.Delete != nil:
		t := s.byID.get(c.Delete.ID)
		if t == nil {
			return refuse(kerr.UnknownTopicID, "there is no topic with id %s", c.Delete.ID)
		}
		s.withoutTopic(t)
	case c.Partitions != nil:
		return c.Partitions.apply(s)
	case c.Configs != nil:
		return c.Configs.apply(s)
	case c.Producers != nil:
		first := s.NextProducer
		s.NextProducer += c.Producers.Count
		return outcome{Value: first}
	default:
		return refuse(kerr.UnknownServerError, "a command that this version does not know")
	}
	return outcome{}
}

func (c *createTopic) apply(s *state) outcome {
	if s.topics.get(c.Name) != nil {
		return refuse(kerr.TopicAlreadyExists, "topic %q already exists", c.Name)
	}
	t := &Topic{Name: c.Name, ID: c.ID, Configs: c.Configs}
	s.place(t, c.Partitions, c.Shards)
	s.withTopic(t)
	return outcome{}
}

// place adds partitions to t, going round the shards.
func (s *state) place(t *Topic, partitions int32, shards uint32) {
	for int32(len(t.Shards)) < partitions {
		t.Shards = append(t.Shards, s.NextShard%shards)
		s.NextShard++
	}
}

func (c *createPartitions) apply(s *state) outcome {
	t := s.topics.get(c.Topic)
	switch {
	case t == nil:
		return refuse(kerr.UnknownTopicOrPartition, "there is no topic %q", c.Topic)
	case int(c.Total) <= len(t.Shards):
		return refuse(kerr.InvalidPartitions, "topic %q has %d partitions already; a number can only be raised", c.Topic, len(t.Shards))
	}
	grown := *t
	grown.Shards = slices.Clone(t.Shards)
	s.place(&grown, c.Total, c.Shards)
	s.withTopic(&grown)
	return outcome{}
}

func (c *alterConfigs) apply(s *state) outcome {
	t := s.topics.get(c.Topic)
	if t == nil {
		return refuse(kerr.UnknownTopicOrPartition, "there is no topic %q", c.Topic)
	}
	altered := *t
	altered.Configs = maps.Clone(t.Configs)
	if altered.Configs == nil {
		altered.Configs = map[string]string{}
	}
	for name, value := range c.Set {
		if value == nil {
			delete(altered.Configs, name)
		} else {
			altered.Configs[name] = *value
		}
	}
	s.withTopic(&altered)
	return outcome{}
}
