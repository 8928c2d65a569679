package shard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/mutant"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/recordbatch"
)

const (
	// maxBlob is the size at which a blob takes no more batches.
	maxBlob = 256 << 10
	// maxFlights is how many blobs may wait for their commit: enough that
	// disk and network always have one, few enough that the next one grows.
	maxFlights = 4
	// worthwhile is the size in bytes to which a blob grows first while others, of
	// whatever size, wait for their commit: one if that takes no disk, or two.
	// Each costs three nodes some 15 system calls and as many wake-ups.
	worthwhile = 64 << 10
	// enqueueTimeout is how long Raft may take to accept a proposal.
	enqueueTimeout = 10 * time.Second
)

// flight is one blob on its way through Raft.
type flight struct {
	office  *office
	future  raft.ApplyFuture
	settled chan error // gets future.Error()
	batches []*pending
	repeats []*pending // copies of batches of this flight that came again
	landed  bool       // guarded by Shard.flightMu, as repeats are
	err     error      // once landed
}

// sequence takes what is queued, stamps it and proposes it, forever.
func (s *Shard) sequence(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.queue.filled:
		}
		if !s.takeOff(ctx) {
			return
		}
		if f := s.prepare(s.queue.take(maxBlob)); f != nil {
			s.flights <- f
		} else {
			<-s.flying
		}
	}
}

// takeOff waits until the next blob may be proposed; false when ctx ends. Waiting
// here is what lets it grow.
func (s *Shard) takeOff(ctx context.Context) bool {
	for {
		n := len(s.flying) // grows here only
		if n < s.smallFlights || n < maxFlights && s.queue.waiting() >= worthwhile {
			s.flying <- struct{}{}
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-s.landed:
		case <-s.queue.filled:
		}
	}
}

// prepare stamps batches and proposes them as one blob; nil if there is
// nothing to propose.
func (s *Shard) prepare(batches []*pending) *flight {
	if len(batches) == 0 {
		return nil
	}
	o := s.office.Load()
	if o == nil {
		for _, p := range batches {
			p.letGo()
			p.fail(kerr.NotLeaderForPartition)
		}
		return nil
	}
	f := &flight{office: o}
	clock := time.Now().UnixMilli()
	byKey := make(map[partition.Key][]*pending, 1)
	keys := make([]partition.Key, 0, 1)
	for _, p := range batches {
		if !s.stamp(o, f, p, clock) {
			p.letGo()
			continue
		}
		if _, ok := byKey[p.key]; !ok {
			keys = append(keys, p.key)
		}
		byKey[p.key] = append(byKey[p.key], p)
		f.batches = append(f.batches, p)
	}
	if len(f.batches) == 0 {
		return nil
	}
	f.future = s.raft().ApplyLog(buildBlob(o.term, clock, keys, byKey), enqueueTimeout)
	for _, p := range f.batches {
		p.letGo()
	}
	f.settled = settle(f.future)
	if mutant.Is(mutant.AckBeforeQuorum) {
		s.tell(f.batches, nil)
	}
	return f
}

// stamp gives a batch its offset and epoch; false if it is not to be written:
// refused, or a copy of one that was.
func (s *Shard) stamp(o *office, f *flight, p *pending, clock int64) bool {
	h := o.head(p.key, s.set.Partition(p.key))
	v := h.producers.Check(p.batch)
	if mutant.Is(mutant.RetryDuplicates) {
		v = partition.Verdict{}
	}
	switch {
	case v.Err != nil:
		p.fail(v.Err)
		return false
	case v.Duplicate:
		s.repeat(h, p, v.Base)
		return false
	}
	b := p.batch
	b.SetBaseOffset(h.next)
	if !mutant.Is(mutant.EpochNotStamped) {
		b.SetPartitionLeaderEpoch(int32(o.term))
	}
	p.base, p.head, h.next = h.next, h, b.NextOffset()
	s.remember(h, f, b, clock)
	return true
}

func (s *Shard) remember(h *head, f *flight, b recordbatch.Batch, clock int64) {
	if b.ProducerID() < 0 {
		return
	}
	h.producers.Add(b, clock)
	s.flightMu.Lock()
	h.inFlight[b.BaseOffset()] = f
	s.flightMu.Unlock()
}

// repeat answers a copy of a batch as its first copy is answered: now if that
// is committed, else with it.
func (s *Shard) repeat(h *head, p *pending, base int64) {
	p.base = base
	s.flightMu.Lock()
	f := h.inFlight[base]
	if f != nil && !f.landed {
		f.repeats = append(f.repeats, p)
		s.flightMu.Unlock()
		return
	}
	s.flightMu.Unlock()
	if f != nil && f.err != nil {
		p.fail(f.err)
		return
	}
	p.answer(AppendResult{BaseOffset: base, LogStart: s.set.Partition(p.key).LogStart()})
}

// land waits for the flights in their order and answers their batches.
func (s *Shard) land(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-s.flights:
			s.landOne(ctx, f)
		}
	}
}

func (s *Shard) landOne(ctx context.Context, f *flight) {
	err := await(ctx, f.settled)
	if err == nil {
		err, _ = f.future.Response().(error)
	}
	s.finish(f, proposeError(err))
	<-s.flying
	select {
	case s.landed <- struct{}{}:
	default:
	}
}

// settle returns a channel that gets a future's error. Futures that wait in
// Raft's queue when it is shut down are never answered, so that nothing may
// rely on it.
func settle(f raft.Future) chan error {
	settled := make(chan error, 1)
	go func() { settled <- f.Error() }()
	return settled
}

// await waits for a future that settles, but not longer than ctx: then it is
// raft.ErrRaftShutdown, unless the future has settled as well.
func await(ctx context.Context, settled chan error) error {
	select {
	case err := <-settled:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-settled:
		return err
	default:
		return raft.ErrRaftShutdown
	}
}

// finish answers all batches of a flight.
func (s *Shard) finish(f *flight, err error) {
	s.flightMu.Lock()
	f.landed, f.err = true, err
	repeats := f.repeats
	if err == nil {
		for _, p := range f.batches {
			delete(p.head.inFlight, p.base)
		}
	}
	s.flightMu.Unlock()
	if err != nil {
		// What comes next was stamped on top of this: the office is void, before
		// anybody hears of it and asks who leads. If this node still leads it
		// takes it anew.
		s.leaveOffice(f.office)
	}
	s.tell(append(f.batches, repeats...), err)
	if err != nil {
		s.wantOffice()
	}
}

// tell gives batches that have their offsets their answer.
func (s *Shard) tell(batches []*pending, err error) {
	for _, p := range batches {
		if err != nil {
			p.fail(err)
			continue
		}
		p.answer(AppendResult{BaseOffset: p.base, LogStart: s.set.Partition(p.key).LogStart()})
	}
}

// proposeError turns Raft's error into what a client is told.
func proposeError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return kerr.RequestTimedOut
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipLost),
		errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrRaftShutdown),
		errors.Is(err, raft.ErrAbortedByRestore), errors.Is(err, errRefused):
		return kerr.NotLeaderForPartition
	}
	return fmt.Errorf("%w: %w", kerr.KafkaStorageError, err)
}
