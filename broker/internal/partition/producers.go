package partition

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/recordbatch"
)

// remembered is how many of a producer's newest batches can be recognised
// when they come again: the most that a client may have in flight (KIP-98).
const remembered = 5

// ProducerExpiry is how long (milliseconds of the leaders' clocks) a silent
// producer is remembered.
const ProducerExpiry = 24 * 60 * 60 * 1000

// sequence is one remembered batch.
type sequence struct {
	first, last int32
	base        int64
}

// producer is what is known of one idempotent producer in one partition.
type producer struct {
	epoch int16
	clock int64 // leader's clock at its newest batch
	n     int   // how many of seqs are set, newest last
	seqs  [remembered]sequence
}

// Producers are the idempotent producers of one partition, by id. A leader
// checks against a copy that also holds what is still in flight; the applied
// one is rebuilt from the log.
type Producers map[int64]*producer

// Verdict is what a leader makes of a batch's sequence numbers.
type Verdict struct {
	Duplicate bool
	Base      int64 // of the first copy, when Duplicate
	Err       error // nil, or a *kerr.Error
}

// Check judges b before it is appended. Batches without a producer id are
// always new. A producer that is not known may start with any number, as its
// state may have expired (KIP-360).
func (t Producers) Check(b recordbatch.Batch) Verdict {
	if b.ProducerID() < 0 {
		return Verdict{}
	}
	p := t[b.ProducerID()]
	first, last := b.BaseSequence(), lastSequence(b)
	switch {
	case p == nil:
		return Verdict{}
	case b.ProducerEpoch() < p.epoch:
		return Verdict{Err: kerr.InvalidProducerEpoch}
	case b.ProducerEpoch() > p.epoch:
		if first != 0 {
			return Verdict{Err: kerr.OutOfOrderSequenceNumber}
		}
		return Verdict{}
	}
	for _, s := range p.seqs[:p.n] {
		if s.first == first && s.last == last {
			return Verdict{Duplicate: true, Base: s.base}
		}
	}
	newest := p.seqs[p.n-1].last
	switch {
	case first == nextSequence(newest):
		return Verdict{}
	case uint32(newest-last)&math.MaxInt32 < 1<<30: // numbers wrap: the nearer way round
		// Older than what is remembered: surely written, at an offset no
		// longer known.
		return Verdict{Err: kerr.DuplicateSequenceNumber}
	}
	return Verdict{Err: kerr.OutOfOrderSequenceNumber}
}

// Add remembers an appended batch.
func (t Producers) Add(b recordbatch.Batch, clock int64) {
	if b.ProducerID() < 0 {
		return
	}
	p := t[b.ProducerID()]
	if p == nil || p.epoch != b.ProducerEpoch() {
		p = &producer{epoch: b.ProducerEpoch()}
		t[b.ProducerID()] = p
	}
	if p.n == remembered {
		copy(p.seqs[:], p.seqs[1:])
		p.n--
	}
	p.seqs[p.n] = sequence{first: b.BaseSequence(), last: lastSequence(b), base: b.BaseOffset()}
	p.n++
	p.clock = clock
}

// expire forgets producers silent since before the given clock.
func (t Producers) expire(before int64) {
	for id, p := range t {
		if p.clock < before {
			delete(t, id)
		}
	}
}

// Copy returns an independent copy.
func (t Producers) Copy() Producers {
	c := make(Producers, len(t))
	for id, p := range t {
		q := *p
		c[id] = &q
	}
	return c
}

// lastSequence is the number of the batch's last record: numbers wrap from
// 2^31-1 to 0.
func lastSequence(b recordbatch.Batch) int32 {
	last := int64(b.BaseSequence()) + int64(b.LastOffsetDelta())
	if last > math.MaxInt32 {
		last -= math.MaxInt32 + 1
	}
	return int32(last)
}

func nextSequence(s int32) int32 {
	if s == math.MaxInt32 {
		return 0
	}
	return s + 1
}
