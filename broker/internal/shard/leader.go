package shard

import (
	"context"
	"time"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/mutant"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/rafttransport"
)

// office is what a leader knows in one term: what comes next in each partition,
// counting what is in flight. Only the sequencer looks inside.
type office struct {
	term  uint64
	heads map[partition.Key]*head
}

// head is the end of a partition as its leader sees it.
type head struct {
	next      int64
	producers partition.Producers
	// inFlight are blobs that are not committed, by the base offsets of this
	// partition's batches in them: where a repeated batch finds its first copy.
	// Guarded by Shard.flightMu.
	inFlight map[int64]*flight
}

func (o *office) head(k partition.Key, p *partition.Partition) *head {
	h := o.heads[k]
	if h == nil {
		h = &head{next: p.HighWatermark(), producers: p.Producers(), inFlight: map[int64]*flight{}}
		if mutant.Is(mutant.ForgetsProducers) {
			h.producers = partition.Producers{}
		}
		o.heads[k] = h
	}
	return h
}

// lead follows Raft's leadership: it takes office when this node is elected
// and everything earlier is applied, and leaves it when it is not leader any
// more.
func (s *Shard) lead(ctx context.Context) {
	r := s.raft()
	for {
		select {
		case <-ctx.Done():
			s.leaveOffice(s.office.Load())
			return
		case elected := <-r.LeaderCh():
			s.leaveOffice(s.office.Load())
			if elected {
				s.takeOffice(ctx, r)
			}
		case <-s.retake:
			if s.office.Load() == nil && r.State() == raft.Leader {
				s.takeOffice(ctx, r)
			}
		}
		s.wakeAll()
	}
}

// retakeAfter is the pause before an office that could not be taken is tried
// for again.
const retakeAfter = 20 * time.Millisecond

// wantOffice has lead look whether this node should take office.
func (s *Shard) wantOffice() {
	select {
	case s.retake <- struct{}{}:
	default:
	}
}

// leaveOffice ends an office, unless it has ended.
func (s *Shard) leaveOffice(o *office) {
	if o != nil && s.office.Load() == o {
		s.ledUntil.Store(time.Now().UnixNano()) // first: see vacantNow
		s.office.CompareAndSwap(o, nil)
	}
}

// takeOffice waits until all entries of earlier terms are applied. Raft may
// have lost the office again by then; the term tells. While it is handing its
// leadership over Raft takes no barrier, but that can fail and leave it leader:
// so it is tried again.
func (s *Shard) takeOffice(ctx context.Context, r *raft.Raft) {
	term := r.CurrentTerm()
	if err := await(ctx, settle(r.Barrier(0))); err != nil || r.State() != raft.Leader || r.CurrentTerm() != term {
		time.AfterFunc(retakeAfter, s.wantOffice)
		return
	}
	s.office.Store(&office{term: term, heads: map[partition.Key]*head{}})
	s.log.Info("leading", "term", term)
}

// balance hands leadership to the shard's preferred node. It does so only when
// that node has been in step for a while, and not soon after this one was
// elected, so that a flapping node is left alone.
func (s *Shard) balance(ctx context.Context) {
	const every, settled = time.Second, 5
	preferred := s.preferred()
	steady := 0
	tick := rafttransport.NewBeat(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			tick.Next()
		}
		if preferred == s.node || s.office.Load() == nil || !s.inStep(preferred) {
			steady = 0
			continue
		}
		if steady++; steady >= settled {
			steady = 0
			if err := await(ctx, settle(s.transfer(preferred))); err != nil {
				s.log.Debug("hand over", "to", preferred, "error", err)
			}
		}
	}
}

// inStep reports whether a follower answers and has everything committed.
func (s *Shard) inStep(node int32) bool {
	match, contact := s.transport().Follower(node)
	return time.Since(contact) < time.Second && match >= s.raft().CommitIndex()
}

// Transfer hands leadership to node; it fails unless this node leads.
func (s *Shard) Transfer(node int32) error {
	if s.raft() == nil {
		return raft.ErrNotLeader
	}
	return s.transfer(node).Error()
}

func (s *Shard) transfer(node int32) raft.Future {
	return s.raft().LeadershipTransferToServer(serverID(node), raft.ServerAddress(serverID(node)))
}

// StepDown hands leadership to any other replica, if this node has it.
func (s *Shard) StepDown() {
	if s.raft() != nil && s.raft().State() == raft.Leader && len(s.replicas) > 1 {
		if err := s.raft().LeadershipTransfer().Error(); err != nil {
			s.log.Debug("step down", "error", err)
		}
	}
}
