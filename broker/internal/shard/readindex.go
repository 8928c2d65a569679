package shard

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/mutant"
)

// ServiceReadIndex is the node-to-node service by which a replica asks a
// shard's leader for its read index: request shard u32, answer index u64.
const ServiceReadIndex = 2

// A round of questions for the read index takes a round trip to the leader and
// one from there to a majority. Rounds that fail are repeated after a pause, for
// there may be another leader.
const (
	readRoundTime  = heartbeatTimeout
	readRoundPause = 25 * time.Millisecond
)

// ReadIndex returns once this replica has applied everything that was
// acknowledged anywhere when it was called, which the leader verifies with a
// majority (Raft dissertation, section 6.4). It tries until ctx ends, also
// across changes of leader; the error is then kerr.NotLeaderForPartition.
// Concurrent calls share their questions.
func (s *Shard) ReadIndex(ctx context.Context) error {
	for {
		index, err := s.askedIndex.ask(ctx, s.askLeader)
		if err == nil {
			return s.awaitApplied(ctx, index)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("read index of shard %d: %w: %w", s.id, kerr.NotLeaderForPartition, err)
		case <-time.After(readRoundPause):
		}
	}
}

// askLeader gets the read index from whoever leads.
func (s *Shard) askLeader(ctx context.Context) (uint64, error) {
	leader := s.Status().Leader
	if leader < 0 {
		return 0, kerr.NotLeaderForPartition
	}
	answer, err := s.mux.Call(ctx, leader, ServiceReadIndex, binary.BigEndian.AppendUint32(nil, s.id))
	if err != nil {
		return 0, fmt.Errorf("ask node %d: %w", leader, err)
	}
	if len(answer) != 8 {
		return 0, fmt.Errorf("ask node %d: answer of %d bytes", leader, len(answer))
	}
	return binary.BigEndian.Uint64(answer), nil
}

// awaitApplied waits until this replica has applied index.
func (s *Shard) awaitApplied(ctx context.Context, index uint64) error {
	for {
		moved := s.progress.next()
		if s.appliedIndex.Load() >= index {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("read index of shard %d: apply entry %d: %w", s.id, index, kerr.NotLeaderForPartition)
		}
	}
}

// LocalReadIndex is the leader's part of ReadIndex.
func (s *Shard) LocalReadIndex(ctx context.Context) ([]byte, error) {
	index, err := s.confirmedIndex.ask(ctx, s.confirmIndex)
	if err != nil {
		return nil, err
	}
	return binary.BigEndian.AppendUint64(nil, index), nil
}

// confirmIndex returns what this leader has applied, once a majority has
// confirmed that it leads: then it was all that anybody had acknowledged when
// it was read. An office, because without one entries of earlier leaders may
// not be applied yet; of the present term, because that is confirmed.
func (s *Shard) confirmIndex(ctx context.Context) (uint64, error) {
	r, o := s.raft(), s.office.Load()
	if r == nil || o == nil || r.State() != raft.Leader || r.CurrentTerm() != o.term {
		return 0, kerr.NotLeaderForPartition
	}
	index := s.appliedIndex.Load()
	if mutant.Is(mutant.UnverifiedLeader) {
		return index, nil
	}
	if err := s.transport().ConfirmLeader(ctx, o.term, len(s.replicas)/2); err != nil {
		return 0, err
	}
	return index, nil
}
