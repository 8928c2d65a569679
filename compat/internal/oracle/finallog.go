package oracle

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"lockstep/compat/internal/history"
)

// fetch is a RawRange or a Probe with what came.
type fetch struct {
	*history.Event
	pos     int              // in the cell's events
	batches []*history.Event // by base offset
	reads   []*history.Event // the records in them, where they were decoded
}

func (f *fetch) sort() {
	slices.SortStableFunc(f.batches, func(a, b *history.Event) int { return int(a.Batch.BaseOffset - b.Batch.BaseOffset) })
}

// batchAt is the batch that holds an offset; nil where none does.
func (f *fetch) batchAt(offset int64) *history.Event {
	i := sort.Search(len(f.batches), func(i int) bool { return f.batches[i].Batch.LastOffset >= offset })
	if i == len(f.batches) || f.batches[i].Batch.BaseOffset > offset {
		return nil
	}
	return f.batches[i]
}

// finalLog is a partition's log at the end, as the last raw copy over each way shows it. Only copies that could be had
// whole count; what is wrong with others, raw.go says.
type finalLog struct {
	copies    []*fetch
	from, end int64 // the offsets it tells of; nothing is committed at end or above
	pos       int   // of the last copy: what comes later may be above the end
	at        int64 // its time
	records   map[int64]*history.Event
}

// findFinals finds every partition's final log.
func (ix *index) findFinals() {
	last := map[tp]map[string]*fetch{}
	for _, f := range ix.fetches {
		if f.Kind != history.RawRange || f.Error != "" {
			continue
		}
		if last[of(f.Event)] == nil {
			last[of(f.Event)] = map[string]*fetch{}
		}
		last[of(f.Event)][f.Handle] = f
	}
	for key, copies := range last {
		l := &finalLog{from: -1, records: map[int64]*history.Event{}}
		for _, f := range copies {
			l.copies = append(l.copies, f)
			l.end = max(l.end, f.To)
			if f.Answer != nil {
				l.end = max(l.end, f.Answer.HighWatermark)
			}
			if l.from < 0 || f.Offset < l.from {
				l.from = f.Offset
			}
			l.pos, l.at = max(l.pos, f.pos), max(l.at, f.At)
			for _, r := range f.reads {
				l.records[r.Offset] = r
			}
		}
		slices.SortFunc(l.copies, func(a, b *fetch) int { return a.pos - b.pos })
		ix.finals[key] = l
	}
}

// holders are the nodes whose final log holds an offset.
func (l *finalLog) holders(offset int64) []int {
	var nodes []int
	for _, f := range l.copies {
		if f.batchAt(offset) != nil && !slices.Contains(nodes, f.Node) {
			nodes = append(nodes, f.Node)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// nodes are those whose log was copied.
func (l *finalLog) nodes() []int {
	var nodes []int
	for _, f := range l.copies {
		if !slices.Contains(nodes, f.Node) {
			nodes = append(nodes, f.Node)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// batchAt is the batch that holds an offset in the first copy that has it.
func (l *finalLog) batchAt(offset int64) *history.Event {
	for _, f := range l.copies {
		if b := f.batchAt(offset); b != nil {
			return b
		}
	}
	return nil
}

// named lists nodes for a person.
func named(nodes []int) string {
	if len(nodes) == 1 {
		return fmt.Sprintf("node %d", nodes[0])
	}
	var parts []string
	for _, n := range nodes {
		parts = append(parts, fmt.Sprint(n))
	}
	return "nodes " + strings.Join(parts, ", ")
}
