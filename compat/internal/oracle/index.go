package oracle

import (
	"sort"

	"lockstep/compat/internal/history"
)

// tp is a partition.
type tp struct {
	topic     string
	partition int32
}

// write is one record handed to a producer, and what became of it.
type write struct {
	handle     string
	n          int64
	tp         tp
	record     *history.Record
	idempotent bool
	sentAt     int64
	acked      bool
	ackedAt    int64
	offset     int64 // where acked; -1 when the client did not say
}

// index lays out the events of one cell.
type index struct {
	events []history.Event
	writes []*write // in the order of sending
	// at holds the acknowledged writes whose offset is known. A second write at the same offset is in clashes.
	at      map[tp]map[int64]*write
	clashes []*write
	reads   []history.Event
	byReads map[string]map[tp]map[int64]bool // handle → partition → offsets read
	expects []history.Event
	groups  map[string]bool // handles of group members
	ranges  []history.Event // RawRange
	batches []history.Event // Batch
	wrote   []history.Event // Wrote
	strays  []history.Event // acks of what was never sent, and second acks
}

type writeID struct {
	handle string
	n      int64
}

func newIndex(events []history.Event) *index {
	ix := &index{events: events, at: map[tp]map[int64]*write{}, byReads: map[string]map[tp]map[int64]bool{}, groups: map[string]bool{}}
	byID := map[writeID]*write{}
	for _, e := range events {
		key := tp{e.Topic, e.Partition}
		switch e.Kind {
		case history.Sent:
			w := &write{handle: e.Handle, n: e.N, tp: key, record: e.Record, idempotent: e.Idempotent, sentAt: e.At, offset: -1}
			ix.writes = append(ix.writes, w)
			byID[writeID{e.Handle, e.N}] = w
		case history.Acked:
			ix.addAck(byID[writeID{e.Handle, e.N}], e)
		case history.Read:
			ix.addRead(key, e)
		case history.Expect:
			ix.expects = append(ix.expects, e)
		case history.Opened:
			ix.groups[e.Handle] = e.Group
		case history.RawRange:
			ix.ranges = append(ix.ranges, e)
		case history.Batch:
			ix.batches = append(ix.batches, e)
		case history.Wrote:
			ix.wrote = append(ix.wrote, e)
		}
	}
	return ix
}

func (ix *index) addAck(w *write, e history.Event) {
	if w == nil || w.acked {
		ix.strays = append(ix.strays, e)
		return
	}
	w.acked, w.ackedAt, w.offset = true, e.At, e.Offset
	if e.Offset < 0 {
		return
	}
	offsets := ix.at[w.tp]
	if offsets == nil {
		offsets = map[int64]*write{}
		ix.at[w.tp] = offsets
	}
	if offsets[e.Offset] != nil {
		ix.clashes = append(ix.clashes, w)
		return
	}
	offsets[e.Offset] = w
}

func (ix *index) addRead(key tp, e history.Event) {
	ix.reads = append(ix.reads, e)
	parts := ix.byReads[e.Handle]
	if parts == nil {
		parts = map[tp]map[int64]bool{}
		ix.byReads[e.Handle] = parts
	}
	if parts[key] == nil {
		parts[key] = map[int64]bool{}
	}
	parts[key][e.Offset] = true
}

// inLog tells whether any replica's log, as fetched raw, holds the offset; known is false when the partition was
// not fetched raw.
func (ix *index) inLog(key tp, offset int64) (in, known bool) {
	for _, e := range ix.ranges {
		if (tp{e.Topic, e.Partition}) == key && e.Error == "" {
			known = true
		}
	}
	for _, e := range ix.batches {
		if (tp{e.Topic, e.Partition}) == key && e.Batch.BaseOffset <= offset && offset <= e.Batch.LastOffset {
			return true, true
		}
	}
	return false, known
}

func sorted[V any](m map[int64]V) []int64 {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
	return keys
}
