package api

import (
	"context"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/recordbatch"
	"lockstep/broker/internal/shard"
)

// cluster is what the handlers need of the controller.
type cluster interface {
	Topic(name string) *controller.Topic
	TopicByID(id partition.TopicID) *controller.Topic
	Topics() []*controller.Topic
	Brokers() []controller.Broker
	ClusterID() string
	ControllerID() int32
	Current() bool
	AwaitCurrent(ctx context.Context)
	CreateTopic(ctx context.Context, s controller.TopicSpec) (*controller.Topic, error)
	DeleteTopic(ctx context.Context, id partition.TopicID) error
	CreatePartitions(ctx context.Context, topic string, total int32) error
	AlterConfigs(ctx context.Context, topic string, set map[string]*string) error
	AllocateProducerID(ctx context.Context) (int64, error)
}

// replica is what they need of this node's replica of a shard.
type replica interface {
	ID() uint32
	Status() shard.Status
	AwaitLeader(ctx context.Context)
	Replicas() []int32
	Followers() []shard.Progress
	FollowerEnd(node int32, k partition.Key) int64
	LogEnd(k partition.Key) int64
	Append(ctx context.Context, k partition.Key, b recordbatch.Batch, done func(shard.AppendResult), free func())
	ReadIndex(ctx context.Context) error
	DeleteRecords(ctx context.Context, k partition.Key, offset int64) (int64, error)
	Log(k partition.Key) partitionLog
	Watch(w *partition.Watcher)
	Unwatch(w *partition.Watcher)
}

// partitionLog is what they need of this node's replica of a partition.
type partitionLog interface {
	HighWatermark() int64
	LogStart() int64
	Read(offset int64, maxBytes int, atLeastOne bool) ([]byte, error)
	Find(offset int64, maxBytes int, atLeastOne bool) (partition.Records, error)
	EpochEnd(epoch int32) (int32, int64)
	OffsetForTimestamp(ts int64) (recordbatch.Batch, error)
	MaxTimestamp() (recordbatch.Batch, error)
	Watch(w *partition.Watcher)
	Unwatch(w *partition.Watcher)
}

// shardReplica is a shard seen as a replica.
type shardReplica struct{ *shard.Shard }

// Log returns this replica's view of k.
func (s shardReplica) Log(k partition.Key) partitionLog { return s.Partition(k) }
