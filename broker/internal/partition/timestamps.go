package partition

import (
	"fmt"

	"lockstep/broker/internal/recordbatch"
)

// OffsetForTimestamp returns the first batch whose largest timestamp is at or
// after ts (milliseconds); nil when there is none. Which record of it is meant
// is for the caller to find, as that may mean to decompress.
func (p *Partition) OffsetForTimestamp(ts int64) (recordbatch.Batch, error) {
	return p.findBatch(func(maxTS int64) bool { return maxTS >= ts })
}

// MaxTimestamp returns the first batch that holds the largest timestamp; nil
// if the partition is empty.
func (p *Partition) MaxTimestamp() (recordbatch.Batch, error) {
	p.mu.RLock()
	largest := maxTimestamp(p.runs)
	for _, ref := range p.sealed {
		largest = max(largest, ref.maxTS)
	}
	p.mu.RUnlock()
	return p.findBatch(func(maxTS int64) bool { return maxTS >= largest })
}

// findBatch returns the first readable batch whose maximum timestamp matches.
// match must hold for a run if it holds for a batch in it.
func (p *Partition) findBatch(match func(maxTS int64) bool) (recordbatch.Batch, error) {
	for {
		start := p.logStart.Load()
		b, err := p.findOnce(match)
		if err == nil || p.logStart.Load() == start {
			return b, err
		} // else retention has taken what was being read
	}
}

func (p *Partition) findOnce(match func(maxTS int64) bool) (recordbatch.Batch, error) {
	p.mu.RLock()
	sealed, runs := p.sealed, p.runs
	restoring := p.restoring.Load()
	p.mu.RUnlock()
	if restoring {
		return nil, p.errRestoring()
	}
	for _, ref := range sealed {
		if !match(ref.maxTS) {
			continue
		}
		old, err := p.cache.load(p.log, ref)
		if err != nil {
			return nil, fmt.Errorf("index of %s in segment %d: %w", p.key, ref.segment, err)
		}
		if b, err := p.findIn(old, match); b != nil || err != nil {
			return b, err
		}
	}
	return p.findIn(runs, match)
}

func (p *Partition) findIn(runs []run, match func(int64) bool) (recordbatch.Batch, error) {
	for _, r := range runs {
		if !match(r.maxTS) {
			continue
		}
		data, err := p.log.AppendPayload(nil, r.index, int(r.pos), int(r.size))
		if err != nil {
			return nil, fmt.Errorf("look for a timestamp in %s: %w", p.key, err)
		}
		for len(data) > 0 {
			b, rest, err := recordbatch.Next(data)
			if err != nil {
				return nil, fmt.Errorf("look for a timestamp in %s: %w", p.key, err)
			}
			if b.NextOffset() > p.logStart.Load() && match(b.MaxTimestamp()) {
				return b, nil
			}
			data = rest
		}
	}
	return nil, nil
}
