package node

import (
	"context"
	"time"

	"lockstep/broker/internal/api"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/shard"
)

// retain has the shards that this node leads give up records that are too old or
// too many and partitions whose topic is deleted, and every shard free the disk
// that is not needed any more, until ctx ends.
func (n *Node) retain(ctx context.Context) error {
	tick := time.NewTicker(n.cfg.RetentionCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, s := range n.shards {
			for _, k := range s.Keys() {
				if !s.Status().Ready {
					break
				}
				n.retainPartition(ctx, s, k)
			}
			if err := s.Free(); err != nil && ctx.Err() == nil {
				n.log.Warn("disk cannot be freed", "error", err)
			}
		}
	}
}

// retainPartition does for one partition what its topic asks for. A topic that
// this node has not heard of yet is left alone.
func (n *Node) retainPartition(ctx context.Context, s *shard.Shard, k partition.Key) {
	if n.control.Deleted(k.Topic) {
		if err := s.Drop(ctx, k); err != nil {
			n.log.Debug("drop a deleted partition", "partition", k, "error", err)
		}
		return
	}
	topic := n.control.TopicByID(k.Topic)
	if topic == nil {
		return
	}
	before := s.Partition(k).LogStart()
	start, err := s.Retain(ctx, k, shard.Retention{
		MS:    api.TopicNumber(n.cfg, topic, api.RetentionMSConfig),
		Bytes: api.TopicNumber(n.cfg, topic, api.RetentionBytesConfig),
	}, time.Now())
	switch {
	case err != nil:
		n.log.Debug("retention", "topic", topic.Name, "partition", k.Partition, "error", err)
	case start > before:
		n.log.Info("records have reached the end of their retention", "topic", topic.Name, "partition", k.Partition, "log_start", start)
	}
}
