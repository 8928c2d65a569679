package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/partition"
)

// place is where a partition is found on this node.
type place struct {
	topic *controller.Topic
	key   partition.Key
	shard replica
}

// log is this node's replica of the partition.
func (p place) log() partitionLog { return p.shard.Log(p.key) }

// topicNamed finds a topic; the error is kerr.UnknownTopicOrPartition.
func (a *API) topicNamed(name string) (*controller.Topic, error) {
	if t := a.cluster.Topic(name); t != nil {
		return t, nil
	}
	return nil, kerr.UnknownTopicOrPartition
}

// topicWithID finds a topic; the error is kerr.UnknownTopicID.
func (a *API) topicWithID(id partition.TopicID) (*controller.Topic, error) {
	if t := a.cluster.TopicByID(id); t != nil {
		return t, nil
	}
	return nil, kerr.UnknownTopicID
}

// placeOf finds a partition of t; the error is kerr.UnknownTopicOrPartition.
func (a *API) placeOf(t *controller.Topic, p int32) (place, error) {
	if p < 0 || int(p) >= len(t.Shards) {
		return place{}, kerr.UnknownTopicOrPartition
	}
	s := t.Shards[p]
	if int(s) >= len(a.shards) {
		return place{}, fmt.Errorf("partition %d of %s lives in shard %d, and this node has %d", p, t.Name, s, len(a.shards))
	}
	return place{topic: t, key: partition.Key{Topic: t.ID, Partition: p}, shard: a.shards[s]}, nil
}

// endpoint is where clients of a kind of listener reach a broker; ok is false
// when it has no such listener.
func endpoint(b controller.Broker, l Listener) (e controller.Endpoint, ok bool) {
	e = b.Client
	if l == Local {
		e = b.Local
	}
	return e, e.Port != 0
}

// optional is s for a nullable field, in which "" means none.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
