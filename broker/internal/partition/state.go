package partition

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"

	"lockstep/broker/internal/mutant"
)

// stateFormat is the version of what Snapshot writes.
const stateFormat = 2

// Snapshot returns the state of all partitions, without their records and
// their index, for Restore.
func (s *Set) Snapshot() []byte {
	all := s.All()
	out := kbin.AppendInt32(nil, stateFormat)
	out = kbin.AppendInt64(out, s.expired)
	out = kbin.AppendInt32(out, int32(len(all)))
	for _, p := range all {
		p.mu.RLock()
		out = append(out, p.key.Topic[:]...)
		out = kbin.AppendInt32(out, p.key.Partition)
		out = kbin.AppendInt64(out, p.logStart.Load())
		out = kbin.AppendInt64(out, p.hw.Load())
		out = kbin.AppendInt64(out, int64(p.firstIndex()))
		out = kbin.AppendInt32(out, int32(len(p.epochs)))
		for _, e := range p.epochs {
			out = kbin.AppendInt32(out, e.epoch)
			out = kbin.AppendInt64(out, e.start)
		}
		out = p.producers.encode(out)
		p.mu.RUnlock()
	}
	out = kbin.AppendInt32(out, int32(len(s.dropped)))
	for k := range s.dropped {
		out = append(out, k.Topic[:]...)
		out = kbin.AppendInt32(out, k.Partition)
	}
	return out
}

func (t Producers) encode(out []byte) []byte {
	out = kbin.AppendInt32(out, int32(len(t)))
	for id, p := range t {
		out = kbin.AppendInt64(out, id)
		out = kbin.AppendInt16(out, p.epoch)
		out = kbin.AppendInt64(out, p.clock)
		out = kbin.AppendInt8(out, int8(p.n))
		for _, q := range p.seqs[:p.n] {
			out = kbin.AppendInt32(out, q.first)
			out = kbin.AppendInt32(out, q.last)
			out = kbin.AppendInt64(out, q.base)
		}
	}
	return out
}

// partitionState is one partition of a decoded snapshot.
type partitionState struct {
	key          Key
	logStart, hw int64
	first        uint64 // index of the oldest run that is indexed; 0: none
	epochs       []epochStart
	producers    Producers
}

// Restore puts the set into the state of a snapshot (nil: empty). Partitions
// keep their identity, so that readers that hold one go on with it. The index
// is empty afterwards: Reindex comes next.
func (s *Set) Restore(state []byte) error {
	decoded, err := decodeState(state)
	if err != nil {
		return fmt.Errorf("restore partitions: %w", err)
	}
	s.expired, s.dropped, s.segment = decoded.expired, decoded.dropped, 0
	clear(s.dirty)
	s.unwritten = nil
	kept := make(map[Key]bool, len(decoded.parts))
	for _, st := range decoded.parts {
		kept[st.key] = true
		s.Partition(st.key).reset(st)
	}
	for _, p := range s.All() {
		if !kept[p.key] {
			if p.hw.Load() == 0 {
				p.reset(partitionState{producers: Producers{}})
				continue
			}
			s.forget(p.key)
		}
		s.changed[p] = struct{}{}
	}
	return nil
}

func (p *Partition) reset(st partitionState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restoring.Store(true) // until Reindex is through
	p.sealed, p.runs, p.end, p.restored = nil, nil, st.hw, st.first
	p.epochs, p.producers = st.epochs, st.producers
	if mutant.Is(mutant.RebuiltForgets) {
		p.producers = Producers{}
	}
	p.logStart.Store(st.logStart)
	p.hw.Store(st.hw)
}

// setState is a decoded snapshot.
type setState struct {
	expired int64
	parts   []partitionState
	dropped map[Key]bool
}

func decodeState(state []byte) (setState, error) {
	decoded := setState{dropped: map[Key]bool{}}
	if len(state) == 0 {
		return decoded, nil
	}
	r := kbin.Reader{Src: state}
	if f := r.Int32(); f != stateFormat {
		return decoded, fmt.Errorf("state of format %d, this version reads %d", f, stateFormat)
	}
	decoded.expired = r.Int64()
	for n := r.Int32(); n > 0 && r.Ok(); n-- {
		st := partitionState{key: readKey(&r)}
		st.logStart, st.hw, st.first = r.Int64(), r.Int64(), uint64(r.Int64())
		for e := r.Int32(); e > 0 && r.Ok(); e-- {
			st.epochs = append(st.epochs, epochStart{epoch: r.Int32(), start: r.Int64()})
		}
		var err error
		if st.producers, err = decodeProducers(&r); err != nil {
			return decoded, err
		}
		decoded.parts = append(decoded.parts, st)
	}
	for n := r.Int32(); n > 0 && r.Ok(); n-- {
		decoded.dropped[readKey(&r)] = true
	}
	return decoded, r.Complete()
}

func readKey(r *kbin.Reader) (k Key) {
	copy(k.Topic[:], r.Span(16))
	k.Partition = r.Int32()
	return k
}

func decodeProducers(r *kbin.Reader) (Producers, error) {
	t := Producers{}
	for n := r.Int32(); n > 0 && r.Ok(); n-- {
		id := r.Int64()
		p := &producer{epoch: r.Int16(), clock: r.Int64(), n: int(r.Int8())}
		if p.n < 1 || p.n > remembered {
			return nil, fmt.Errorf("producer %d with %d batches", id, p.n)
		}
		for i := range p.n {
			p.seqs[i] = sequence{first: r.Int32(), last: r.Int32(), base: r.Int64()}
		}
		t[id] = p
	}
	return t, nil
}
