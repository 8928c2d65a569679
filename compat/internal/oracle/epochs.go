package oracle

import (
	"sort"

	"lockstep/compat/internal/history"
)

// epochs is the part of oracle 5 about the leader epochs in batches: they rise with the offsets, and a batch is stamped
// with the epoch of the leader that took it.
func epochs(ix *index) []Violation {
	vs := epochsRise(ix)
	leaders := leadersTold(ix)
	for _, f := range ix.fetches {
		if f.Kind != history.RawRange {
			continue
		}
		for _, e := range f.batches {
			if v, bad := unstamped(ix, leaders[of(e)], e); bad {
				vs = append(vs, v)
				break // one of a copy says enough
			}
		}
	}
	return vs
}

// epochsRise: later batches are of later epochs, or of the same.
func epochsRise(ix *index) []Violation {
	var vs []Violation
	for _, f := range ix.fetches {
		for i := 1; i < len(f.batches); i++ {
			before, b := f.batches[i-1].Batch, f.batches[i].Batch
			if b.LeaderEpoch < before.LeaderEpoch {
				v := seen(5, "epoch-order", f.batches[i])
				v.Offset = b.BaseOffset
				vs = append(vs, v.say("a batch of epoch %d lies behind one of epoch %d", b.LeaderEpoch, before.LeaderEpoch))
			}
		}
	}
	return vs
}

// reign is the highest epoch in which a leader of a partition had been seen at a time.
type reign struct {
	at    int64
	epoch int32
}

func leadersTold(ix *index) map[tp][]reign {
	told := map[tp][]reign{}
	for i := range ix.events {
		e := &ix.events[i]
		if e.Kind == history.Replica && e.State.Role == "leader" {
			told[of(e)] = append(told[of(e)], reign{e.At, e.State.Epoch})
		}
	}
	for _, rs := range told {
		sort.SliceStable(rs, func(i, j int) bool { return rs[i].at < rs[j].at })
		for i := 1; i < len(rs); i++ {
			rs[i].epoch = max(rs[i].epoch, rs[i-1].epoch)
		}
	}
	return told
}

// unstamped: a stored batch has an epoch, and none that was over when its first record was sent: what an older leader takes
// after a new one has taken over is never committed.
func unstamped(ix *index, told []reign, e *history.Event) (Violation, bool) {
	b := e.Batch
	v := seen(5, "epoch-unstamped", e)
	v.Offset = b.BaseOffset
	if b.LeaderEpoch < 0 {
		return v.say("the batch is stored without a leader epoch (%d)", b.LeaderEpoch), true
	}
	w := ix.at[of(e)][b.BaseOffset]
	if w == nil {
		return v, false
	}
	i := sort.Search(len(told), func(i int) bool { return told[i].at >= w.sentAt })
	if i == 0 || told[i-1].epoch <= b.LeaderEpoch {
		return v, false
	}
	return v.of(w).say("the batch is of epoch %d, but a leader of epoch %d had been there before its first record was sent", b.LeaderEpoch, told[i-1].epoch), true
}
