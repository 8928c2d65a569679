package shard

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/partition"
)

// Propose replicates a command for the Machine registered under kind and
// returns its Apply result once committed. Only the leader can: otherwise
// kerr.NotLeaderForPartition. When ctx ends first it is kerr.RequestTimedOut,
// and the command may still be committed.
func (s *Shard) Propose(ctx context.Context, kind byte, cmd []byte) (any, error) {
	r := s.raft()
	if r == nil || s.office.Load() == nil {
		return nil, kerr.NotLeaderForPartition
	}
	future := r.Apply(append([]byte{kind}, cmd...), enqueueTimeout)
	select {
	case <-ctx.Done(): // without a quorum it can take until the leader gives up its office
		return nil, kerr.RequestTimedOut
	case err := <-settle(future):
		if err != nil {
			return nil, proposeError(err)
		}
		return future.Response(), nil
	}
}

// DeleteRecords advances k's log start to offset, on all replicas, and returns
// the new log start.
func (s *Shard) DeleteRecords(ctx context.Context, k partition.Key, offset int64) (int64, error) {
	if hw := s.set.Partition(k).HighWatermark(); offset > hw || offset < 0 {
		return -1, fmt.Errorf("offset %d is beyond the high watermark %d: %w", offset, hw, kerr.OffsetOutOfRange)
	}
	result, err := s.Propose(ctx, ownKind, ownCommand(cmdAdvance, k, offset))
	if err != nil {
		return -1, err
	}
	start, ok := result.(int64)
	if !ok {
		return -1, fmt.Errorf("delete records of %s: %v", k, result)
	}
	return start, nil
}

// Drop forgets a partition of a deleted topic, on all replicas.
func (s *Shard) Drop(ctx context.Context, k partition.Key) error {
	_, err := s.Propose(ctx, ownKind, ownCommand(cmdDrop, k, 0))
	return err
}

// Keys lists the partitions that have ever been asked for.
func (s *Shard) Keys() []partition.Key {
	all := s.set.All()
	keys := make([]partition.Key, len(all))
	for i, p := range all {
		keys[i] = p.Key()
	}
	return keys
}
