package oracle

import (
	"maps"
	"slices"

	"lockstep/compat/internal/history"
)

// tp is a partition.
type tp struct {
	topic     string
	partition int32
}

func of(e *history.Event) tp { return tp{e.Topic, e.Partition} }

// place is an offset of a partition.
type place struct {
	tp     tp
	offset int64
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
	// alike holds the writes by what they wrote, key and value, so that a record read is found among them.
	alike map[likeness][]*write
	// at holds the acknowledged writes whose offset is known. A second write at the same offset is in clashes.
	at      map[tp]map[int64]*write
	clashes []*write
	strays  []*history.Event // acks of what was never sent, and second acks
	reads   []*history.Event
	byReads map[string]map[tp]map[int64]bool // handle → partition → offsets read
	expects []*history.Event
	groups  map[string]bool // handles of group members
	fetches []*fetch        // in the order of the events
	batches []*history.Event
	wrote   []*history.Event
	finals  map[tp]*finalLog
	// started is the highest log start offset that any replica told of: what lies below may have been deleted.
	started map[tp]int64
	// placed are the writes without a known offset that a reader found; see acked.go.
	placed map[place]*write
}

type writeID struct {
	handle string
	n      int64
}

type likeness struct {
	tp         tp
	key, value uint64 // hashes
}

func newIndex(events []history.Event) *index {
	ix := &index{events: events, alike: map[likeness][]*write{}, at: map[tp]map[int64]*write{}, byReads: map[string]map[tp]map[int64]bool{},
		groups: map[string]bool{}, finals: map[tp]*finalLog{}, started: map[tp]int64{}}
	byID := map[writeID]*write{}
	open := map[string]*fetch{}
	for i := range events {
		e := &events[i]
		switch e.Kind {
		case history.Sent:
			w := &write{handle: e.Handle, n: e.N, tp: of(e), record: e.Record, idempotent: e.Idempotent, sentAt: e.At, offset: -1}
			ix.writes = append(ix.writes, w)
			ix.alike[looks(of(e), e.Record)] = append(ix.alike[looks(of(e), e.Record)], w)
			byID[writeID{e.Handle, e.N}] = w
		case history.Acked:
			ix.addAck(byID[writeID{e.Handle, e.N}], e)
		case history.Read:
			ix.addRead(e, open[e.Handle])
		case history.Expect:
			ix.expects = append(ix.expects, e)
		case history.Opened:
			ix.groups[e.Handle] = e.Group
		case history.RawRange, history.Probe:
			f := &fetch{Event: e, pos: i}
			ix.fetches = append(ix.fetches, f)
			open[e.Handle] = f
		case history.Batch:
			ix.batches = append(ix.batches, e)
			if f := open[e.Handle]; f != nil {
				f.batches = append(f.batches, e)
			}
		case history.Wrote:
			ix.wrote = append(ix.wrote, e)
		}
		ix.noteStart(e)
	}
	for _, f := range ix.fetches {
		f.sort()
	}
	ix.findFinals()
	return ix
}

func looks(p tp, r *history.Record) likeness {
	return likeness{p, r.Key.Hash(), r.Value.Hash()}
}

func (ix *index) addAck(w *write, e *history.Event) {
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

func (ix *index) addRead(e *history.Event, in *fetch) {
	ix.reads = append(ix.reads, e)
	if in != nil {
		in.reads = append(in.reads, e)
	}
	parts := ix.byReads[e.Handle]
	if parts == nil {
		parts = map[tp]map[int64]bool{}
		ix.byReads[e.Handle] = parts
	}
	key := of(e)
	if parts[key] == nil {
		parts[key] = map[int64]bool{}
	}
	parts[key][e.Offset] = true
}

func (ix *index) noteStart(e *history.Event) {
	switch {
	case e.State != nil:
		ix.started[of(e)] = max(ix.started[of(e)], e.State.LogStart)
	case e.Answer != nil:
		ix.started[of(e)] = max(ix.started[of(e)], e.Answer.LogStart)
	}
}

// probes are the fetches that sessions made.
func (ix *index) probes() []*fetch {
	var out []*fetch
	for _, f := range ix.fetches {
		if f.Kind == history.Probe {
			out = append(out, f)
		}
	}
	return out
}

// answered tells whether a fetch came back with records or with the word that there are none.
func (f *fetch) answered() bool {
	return f.Error == "" && f.Answer != nil && f.Answer.Code == 0
}

func sorted[V any](m map[int64]V) []int64 { return slices.Sorted(maps.Keys(m)) }
