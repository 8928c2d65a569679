package partition

import (
	"fmt"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/mutant"
	"lockstep/broker/internal/recordbatch"
)

// run is where one run lies. Runs of a partition are sorted by base and by
// index alike.
type run struct {
	base  int64  // offset of its first record
	index uint64 // Raft index of the entry
	maxTS int64  // largest timestamp in it, milliseconds
	pos   uint32 // of its first batch in the entry's payload
	size  uint32 // bytes
}

// epochStart is the first offset written in a leader epoch.
type epochStart struct {
	epoch int32
	start int64
}

// Partition is one replica's view of one partition. All methods may be called
// concurrently and none takes a lock of Raft's.
type Partition struct {
	key Key
	log Log

	hw       atomic.Int64 // offset after the newest applied record
	logStart atomic.Int64
	// restoring is set while the state is of a snapshot and the index is not
	// complete yet.
	restoring atomic.Bool
	gone      atomic.Bool // the topic is deleted: nothing is found here any more

	mu        sync.RWMutex // guards what follows; written only by Set's one applying goroutine
	sealed    []sealedRuns // oldest first, all before runs
	runs      []run
	restored  uint64 // index of the oldest run that the restored state knew; 0: none
	end       int64  // after the last of sealed and runs: the high watermark, save in Reindex
	epochs    []epochStart
	producers Producers

	cache sealedCache

	watch struct {
		sync.Mutex
		by map[*Watcher]struct{}
	}
}

func newPartition(k Key, log Log) *Partition {
	return &Partition{key: k, log: log, producers: Producers{}}
}

// Key returns the partition's name.
func (p *Partition) Key() Key { return p.key }

// HighWatermark is the offset after the newest record that this replica has
// applied: everything below it is committed. It never goes back.
func (p *Partition) HighWatermark() int64 { return p.hw.Load() }

// LogStart is the oldest offset that may be read.
func (p *Partition) LogStart() int64 { return p.logStart.Load() }

// Read returns whole committed batches, as they will be sent, from the one
// that contains offset on, at most maxBytes of them; if atLeastOne, the first
// is returned even when it alone is larger. offset must be in [LogStart,
// HighWatermark]; at HighWatermark the answer is empty. Outside it the error
// is kerr.OffsetOutOfRange, and while a snapshot is being installed it is
// kerr.NotLeaderForPartition, which has clients try again. The bytes are
// shared: never write to them.
func (p *Partition) Read(offset int64, maxBytes int, atLeastOne bool) ([]byte, error) {
	hw := p.hw.Load()
	if offset < p.logStart.Load() || offset > hw {
		return nil, p.errOutside(offset, hw)
	}
	data, err := p.read(offset, hw, maxBytes, atLeastOne)
	if err != nil {
		return nil, p.overtaken(offset, hw, err)
	}
	return data, nil
}

func (p *Partition) errOutside(offset, hw int64) error {
	return fmt.Errorf("offset %d of %s is outside %d to %d: %w", offset, p.key, p.logStart.Load(), hw, kerr.OffsetOutOfRange)
}

// read is Read up to hw, without its answers to what happens meanwhile.
func (p *Partition) read(offset, hw int64, maxBytes int, atLeastOne bool) ([]byte, error) {
	runs, err := p.runsFrom(offset, hw, maxBytes)
	if p.restoring.Load() {
		return nil, p.errRestoring()
	}
	if err != nil {
		return nil, err
	}
	if len(runs) == 1 {
		c, err := p.readRun(nil, runs[0].run, offset, maxBytes, atLeastOne)
		return c.part[:len(c.part):len(c.part)], err
	}
	var out []byte
	for i, r := range runs {
		if i == 0 {
			out = make([]byte, 0, totalSize(runs))
		}
		c, err := p.readRun(out, r.run, offset, maxBytes-len(out), atLeastOne && len(out) == 0)
		if err != nil {
			return nil, err
		}
		if end := len(out) + len(c.part); len(c.part) > 0 && end <= cap(out) && &c.part[0] == &out[:end][len(out)] {
			out = out[:end] // it was read to where it belongs
		} else {
			out = append(out, c.part...)
		}
		if c.full {
			break
		}
		offset = c.next
	}
	return out, nil
}

// runsFrom are the runs that a read of maxBytes from offset up to hw takes: the
// last one in part, unless the others are most of it.
func (p *Partition) runsFrom(offset, hw int64, maxBytes int) (runs []runTo, err error) {
	for total := 0; offset < hw && (total < maxBytes || len(runs) == 0); {
		r, next, ok, err := p.runAt(offset)
		if err != nil {
			return nil, err
		}
		if !ok || total > maxBytes/2 && total+int(r.size) > maxBytes {
			break
		}
		if next <= offset {
			return nil, fmt.Errorf("read offset %d of %s: the run that should hold it ends at %d", offset, p.key, next)
		}
		runs = append(runs, runTo{r, next})
		total += int(r.size)
		offset = next
	}
	return runs, nil
}

// runTo is a run and the offset after it.
type runTo struct {
	run
	next int64
}

func totalSize(runs []runTo) (n int) {
	for _, r := range runs {
		n += int(r.size)
	}
	return n
}

// readRun reads a run, behind what is in buf if that has room, and takes from it
// what clip does.
func (p *Partition) readRun(buf []byte, r run, offset int64, limit int, atLeastOne bool) (clipped, error) {
	data, err := p.log.AppendPayload(buf, r.index, int(r.pos), int(r.size))
	if err == nil {
		data = data[len(data)-int(r.size):]
		var c clipped
		if c, err = clip(data, offset, limit, atLeastOne); err == nil {
			return c, nil
		}
	}
	return clipped{}, fmt.Errorf("read offset %d of %s: %w", offset, p.key, err)
}

func (p *Partition) errRestoring() error {
	return fmt.Errorf("%s is being restored from a snapshot: %w", p.key, kerr.NotLeaderForPartition)
}

// clipped is what clip takes from a run.
type clipped struct {
	part []byte // whole batches
	next int64  // offset after the run's last batch
	full bool   // a batch did not fit any more
}

// clip takes from a run's batches those that reach beyond offset, as many as
// fit into limit bytes; if atLeastOne, the first whether it fits or not.
func clip(data []byte, offset int64, limit int, atLeastOne bool) (clipped, error) {
	var c clipped
	start, end := -1, 0
	for pos := 0; pos < len(data); {
		b, rest, err := recordbatch.Next(data[pos:])
		if err != nil {
			return c, err
		}
		after := len(data) - len(rest)
		c.next = b.NextOffset()
		if mutant.Is(mutant.SkipsHalfBatch) && b.BaseOffset() < offset {
			pos = after
			continue
		}
		if c.next > offset && !c.full {
			if start < 0 {
				start, end = pos, pos
			}
			if c.full = after-start > limit && !(end == start && atLeastOne); !c.full {
				end = after
			}
		}
		pos = after
	}
	if start >= 0 {
		c.part = data[start:end]
	}
	return c, nil
}

// runAt returns the run that holds offset, or the first above it (after the
// log start has moved into a run's middle, offsets below are refused earlier),
// and the offset after it.
func (p *Partition) runAt(offset int64) (r run, next int64, ok bool, err error) {
	p.mu.RLock()
	if len(p.runs) > 0 && offset >= p.runs[0].base {
		r, next = pick(p.runs, offset, p.end)
		p.mu.RUnlock()
		return r, next, true, nil
	}
	var ref sealedRuns
	if i := sort.Search(len(p.sealed), func(i int) bool { return p.sealed[i].first > offset }); i > 0 {
		ref, ok = p.sealed[i-1], true
	}
	p.mu.RUnlock()
	if !ok {
		return run{}, 0, false, nil
	}
	runs, err := p.cache.load(p.log, ref)
	if err != nil {
		return run{}, 0, false, fmt.Errorf("index of %s in segment %d: %w", p.key, ref.segment, err)
	}
	r, next = pick(runs, offset, ref.end)
	return r, next, true, nil
}

// pick returns the last run with base <= offset and the offset after it; end is
// that after the last of runs.
func pick(runs []run, offset, end int64) (r run, next int64) {
	i := lastAtOrBelow(runs, offset)
	if i+1 < len(runs) {
		end = runs[i+1].base
	}
	return runs[i], end
}

// lastAtOrBelow returns the position of the last run with base <= offset;
// runs[0].base must not be above it.
func lastAtOrBelow(runs []run, offset int64) int {
	return sort.Search(len(runs), func(i int) bool { return runs[i].base > offset }) - 1
}

// EpochEnd returns the largest epoch not above epoch that this replica has
// records of, and the offset after its last record (KIP-101). For an epoch
// below all it knows, it is that epoch and the log start: nothing of it is
// left here. With no records at all, it is epoch and the high watermark.
func (p *Partition) EpochEnd(epoch int32) (int32, int64) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	i := sort.Search(len(p.epochs), func(i int) bool { return p.epochs[i].epoch > epoch })
	switch {
	case len(p.epochs) == 0:
		return epoch, p.hw.Load()
	case i == 0:
		return epoch, max(p.epochs[0].start, p.logStart.Load())
	case i == len(p.epochs):
		return p.epochs[i-1].epoch, p.hw.Load()
	}
	return p.epochs[i-1].epoch, p.epochs[i].start
}

// EndAt is the offset after the newest record at or below a Raft index: what
// a replica that has acknowledged that index holds of this partition. It may
// be less than that when the index of a sealed segment cannot be read.
func (p *Partition) EndAt(index uint64) int64 {
	p.mu.RLock()
	sealed, runs, end := p.sealed, p.runs, p.hw.Load()
	p.mu.RUnlock()
	if len(sealed) == 0 || len(runs) > 0 && index >= runs[0].index {
		return endAt(runs, index, end)
	}
	i := sort.Search(len(sealed), func(i int) bool { return sealed[i].segment > index })
	if i == 0 {
		return sealed[0].first
	}
	old, err := p.cache.load(p.log, sealed[i-1])
	if err != nil {
		return sealed[i-1].first
	}
	return endAt(old, index, sealed[i-1].end)
}

// endAt is the base of the first run above a Raft index, or end.
func endAt(runs []run, index uint64, end int64) int64 {
	i := sort.Search(len(runs), func(i int) bool { return runs[i].index > index })
	if i == len(runs) {
		return end
	}
	return runs[i].base
}

// Producers returns a copy of the applied producer state.
func (p *Partition) Producers() Producers {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.producers.Copy()
}

// Watch wakes w at each change of p until Unwatch.
func (p *Partition) Watch(w *Watcher) {
	p.watch.Lock()
	defer p.watch.Unlock()
	if p.watch.by == nil {
		p.watch.by = map[*Watcher]struct{}{}
	}
	p.watch.by[w] = struct{}{}
}

// Unwatch ends Watch.
func (p *Partition) Unwatch(w *Watcher) {
	p.watch.Lock()
	defer p.watch.Unlock()
	delete(p.watch.by, w)
}

func (p *Partition) wake() {
	if mutant.Is(mutant.SleepsThrough) {
		return
	}
	p.watch.Lock()
	defer p.watch.Unlock()
	for w := range p.watch.by {
		w.Wake()
	}
}
