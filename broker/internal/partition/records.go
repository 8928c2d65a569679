package partition

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/recordbatch"
	"lockstep/broker/internal/shardlog"
)

// Records is what a read found: whole batches, as they will be sent.
type Records struct {
	Parts []Part
	Bytes int   // in all parts
	Count int64 // records in them, as the batches' headers say
}

// Part is batches that lie in memory, or a run that is still in the log.
type Part struct {
	Data []byte // nil: in the log. Shared: never to be written to.

	log Log
	run run
}

// Len is the part's length in bytes.
func (p *Part) Len() int {
	if p.Data != nil {
		return len(p.Data)
	}
	return int(p.run.size)
}

// Open finds a part that is in the log. Retention may have taken it since.
func (p *Part) Open() (*shardlog.Section, error) {
	return p.log.Section(p.run.index, int(p.run.pos), int(p.run.size))
}

// leaveAbove is the size in bytes from which a whole run is left in the log for
// the system to send: below it, reading it together with others is cheaper.
const leaveAbove = 32 << 10

// Find is Read without reading what need not be looked at: runs that are wanted as
// a whole and are not in memory stay in the log.
func (p *Partition) Find(offset int64, maxBytes int, atLeastOne bool) (Records, error) {
	hw := p.hw.Load()
	if offset < p.logStart.Load() || offset > hw {
		return Records{}, p.errOutside(offset, hw)
	}
	records, err := p.find(offset, hw, maxBytes, atLeastOne)
	if err != nil {
		return Records{}, p.overtaken(offset, hw, err)
	}
	return records, nil
}

// find is Find up to hw, without its answers to what happens meanwhile.
func (p *Partition) find(offset, hw int64, maxBytes int, atLeastOne bool) (found Records, err error) {
	runs, err := p.runsFrom(offset, hw, maxBytes)
	if p.restoring.Load() {
		return found, p.errRestoring()
	}
	if err != nil {
		return found, err
	}
	for _, r := range runs {
		limit, size := maxBytes-found.Bytes, int(r.size)
		if offset == r.base && size <= limit && size >= leaveAbove && p.log.Cached(r.index, int(r.pos), size) == nil {
			found.Parts = append(found.Parts, Part{log: p.log, run: r.run})
			found.Bytes, found.Count = found.Bytes+size, found.Count+r.next-r.base
			offset = r.next
			continue
		}
		c, err := p.readRun(nil, r.run, offset, limit, atLeastOne && found.Bytes == 0)
		if err != nil {
			return found, err
		}
		if len(c.part) > 0 {
			count, _ := recordbatch.Count(c.part)
			found.Parts = append(found.Parts, Part{Data: c.part[:len(c.part):len(c.part)]})
			found.Bytes, found.Count = found.Bytes+len(c.part), found.Count+count
		}
		if c.full {
			break
		}
		offset = c.next
	}
	return found, nil
}

// overtaken explains why a read has failed: retention may have passed by meanwhile
// and taken what was looked for.
func (p *Partition) overtaken(offset, hw int64, err error) error {
	switch start := p.logStart.Load(); {
	case p.restoring.Load():
		return p.errRestoring()
	case p.gone.Load():
		return fmt.Errorf("%s was deleted: %w", p.key, kerr.UnknownTopicOrPartition)
	case offset < start:
		return p.errOutside(offset, hw)
	}
	return err
}
