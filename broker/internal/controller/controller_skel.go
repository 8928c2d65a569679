package controller

import (
	"context"
	"time"

	"lockstep/broker/internal/partition"
)

// Controller is this node's replica of the cluster's metadata. Reads are
// local and lock-free snapshots; changes go to the leader of shard 0, wherever
// it is, and return once this node has applied them.
type Controller struct{}

// Endpoint is an advertised address.
type Endpoint struct {
	Host string
	Port int32
}

// Broker is a registered node.
type Broker struct {
	ID     int32
	Rack   string   // "" when none
	Client Endpoint // the normal listener
	Local  Endpoint // the local-read listener
	Alive  bool     // heard of by this node within the lease (itself always)
}

// Topic is immutable; a change makes a new one.
type Topic struct {
	Name    string
	ID      partition.TopicID
	Shards  []uint32          // shard of each partition
	Configs map[string]string // overrides only
}

// TopicSpec asks for a topic.
type TopicSpec struct {
	Name              string
	Partitions        int32 // -1: the cluster's default
	ReplicationFactor int16 // -1: default; more than the nodes is refused with kerr.InvalidReplicationFactor
	Configs           map[string]string
	ValidateOnly      bool
}

// Topic by name or id; nil when there is none.
func (c *Controller) Topic(name string) *Topic              { panic("skeleton") }
func (c *Controller) TopicByID(id partition.TopicID) *Topic { panic("skeleton") }

// Topics returns all topics, by name.
func (c *Controller) Topics() []*Topic { panic("skeleton") }

// Brokers returns all registered brokers, ascending by id.
func (c *Controller) Brokers() []Broker { panic("skeleton") }

// ClusterID is stable for the cluster's life; "" until known.
func (c *Controller) ClusterID() string { panic("skeleton") }

// ControllerID is the node that leads shard 0, -1 when unknown.
func (c *Controller) ControllerID() int32 { panic("skeleton") }

// CreateTopic errors: kerr.TopicAlreadyExists, InvalidTopicException, InvalidPartitions, InvalidReplicationFactor, InvalidConfig, RequestTimedOut. The topic's partitions have a leader known when it returns, if that is possible within ctx.
func (c *Controller) CreateTopic(ctx context.Context, s TopicSpec) (*Topic, error) { panic("skeleton") }

// DeleteTopic removes a topic and, in the background, its data.
func (c *Controller) DeleteTopic(ctx context.Context, id partition.TopicID) error { panic("skeleton") }

// CreatePartitions raises the number of partitions to total.
func (c *Controller) CreatePartitions(ctx context.Context, topic string, total int32) error {
	panic("skeleton")
}

// AlterConfigs sets (value) or resets (nil) topic configs.
func (c *Controller) AlterConfigs(ctx context.Context, topic string, set map[string]*string) error {
	panic("skeleton")
}

// AllocateProducerID returns an id never handed out before in this cluster.
func (c *Controller) AllocateProducerID(ctx context.Context) (int64, error) { panic("skeleton") }

// ProposeTimeout bounds a change when ctx does not.
const ProposeTimeout = 10 * time.Second
