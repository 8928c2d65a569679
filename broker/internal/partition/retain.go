package partition

import "fmt"

// Expired returns the log start that retention asks for: the offset after the
// oldest records that are older than before (milliseconds since 1970, by the
// largest timestamp of what is dropped together) or more than keep bytes (-1: no
// limit). What is dropped together is a run: the batches that came in one entry.
// As in Kafka the first run that may stay protects all after it, records without
// timestamps have no age, and less than keep bytes never remain.
//
// The answer is between LogStart and HighWatermark; nothing is changed.
func (p *Partition) Expired(before, keep int64) (int64, error) {
	p.mu.RLock()
	sealed, runs, end := p.sealed, p.runs, p.end
	p.mu.RUnlock()
	if p.restoring.Load() {
		return 0, p.errRestoring()
	}
	start := p.logStart.Load()
	e := expiry{start: start, before: before, limited: keep >= 0, excess: -keep}
	for _, ref := range sealed {
		e.excess += ref.bytes
	}
	for _, r := range runs {
		e.excess += int64(r.size)
	}
	for _, ref := range sealed {
		if e.takes(ref.maxTS, ref.bytes) {
			continue
		}
		old, err := p.cache.load(p.log, ref)
		if err != nil {
			return 0, fmt.Errorf("index of %s in segment %d: %w", p.key, ref.segment, err)
		}
		return max(start, e.first(old, ref.end)), nil
	}
	return max(start, e.first(runs, end)), nil
}

// expiry decides what goes, oldest first.
type expiry struct {
	start   int64 // what ends here or before is gone already
	before  int64
	limited bool
	excess  int64 // bytes that are too much
}

// takes says whether records with the given largest timestamp and size go.
func (e *expiry) takes(maxTS, bytes int64) bool {
	if (maxTS < 0 || maxTS >= e.before) && !(e.limited && e.excess >= bytes) {
		return false
	}
	e.excess -= bytes
	return true
}

// first is the base of the first run that stays, or end.
func (e *expiry) first(runs []run, end int64) int64 {
	for i, r := range runs {
		if i+1 < len(runs) && runs[i+1].base <= e.start {
			e.excess -= int64(r.size)
		} else if !e.takes(r.maxTS, int64(r.size)) {
			return r.base
		}
	}
	return end
}
