package api

import (
	"context"
	"maps"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/partition"
)

// change replaces a topic by what f makes of a copy; nil removes it.
func (c *fakeCluster) change(match func(*controller.Topic) bool, f func(controller.Topic) *controller.Topic) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.topics {
		if !match(t) {
			continue
		}
		if changed := f(*t); changed != nil {
			c.topics[i] = changed
		} else {
			c.topics = append(c.topics[:i:i], c.topics[i+1:]...)
		}
		return nil
	}
	return kerr.UnknownTopicOrPartition
}

func (c *fakeCluster) DeleteTopic(_ context.Context, id partition.TopicID) error {
	return c.change(func(t *controller.Topic) bool { return t.ID == id }, func(controller.Topic) *controller.Topic { return nil })
}

func (c *fakeCluster) CreatePartitions(_ context.Context, topic string, total int32) error {
	return c.change(func(t *controller.Topic) bool { return t.Name == topic }, func(t controller.Topic) *controller.Topic {
		t.Shards = make([]uint32, total)
		return &t
	})
}

func (c *fakeCluster) AlterConfigs(_ context.Context, topic string, set map[string]*string) error {
	return c.change(func(t *controller.Topic) bool { return t.Name == topic }, func(t controller.Topic) *controller.Topic {
		t.Configs = maps.Clone(t.Configs)
		for name, value := range set {
			delete(t.Configs, name)
			if value != nil {
				t.Configs[name] = *value
			}
		}
		return &t
	})
}

func (s *fakeShard) DeleteRecords(_ context.Context, k partition.Key, offset int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.st.Role.String() != "leader" {
		return -1, kerr.NotLeaderForPartition
	}
	return s.set.AdvanceLogStart(k, offset), nil
}
