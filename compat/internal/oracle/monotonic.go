package oracle

import (
	"slices"
	"sort"

	"lockstep/compat/internal/history"
)

// monotonic is the part of oracle 5 about replicas: high watermark, log start and leader epoch of a replica never fall,
// also across restarts, whether it tells them of itself or in its answers.
func monotonic(ix *index) []Violation {
	var vs []Violation
	for _, s := range statements(ix) {
		vs = append(vs, s.falls()...)
	}
	return vs
}

// claim is a number that a replica told at some moment between begin and end.
type claim struct {
	value, begin, end int64
	e                 *history.Event
}

// statement is all that a replica told of one number, since its data was last wiped.
type statement struct {
	what   string
	claims []claim
}

// statements gathers what replicas told, in the order in which they began to.
func statements(ix *index) []*statement {
	type subject struct {
		replica
		what string
	}
	now := map[subject]*statement{}
	var all []*statement
	tell := func(e *history.Event, what string, value int64) {
		if value < 0 {
			return
		}
		s := subject{replica{e.Node, of(e)}, what}
		if now[s] == nil {
			now[s] = &statement{what: what}
			all = append(all, now[s])
		}
		begin := e.Start
		if begin == 0 {
			begin = e.At
		}
		now[s].claims = append(now[s].claims, claim{value, begin, e.At, e})
	}
	for i := range ix.events {
		e := &ix.events[i]
		switch e.Kind {
		case history.Wiped:
			for s := range now {
				if s.node == e.Node {
					delete(now, s)
				}
			}
		case history.Replica:
			tell(e, "high watermark", e.State.HighWatermark)
			tell(e, "log start offset", e.State.LogStart)
			tell(e, "leader epoch", int64(e.State.Epoch))
		case history.Probe:
			if hw, known := highWatermark(e); known {
				tell(e, "high watermark", hw)
				tell(e, "log start offset", e.Answer.LogStart)
			}
			if e.Answer != nil {
				tell(e, "leader epoch in answers", int64(e.Answer.LeaderEpoch))
			}
		}
	}
	return all
}

// falls finds claims that are below one that had been made before they began. After a fall it counts from there, so that
// one fall is told once.
func (s *statement) falls() []Violation {
	byEnd := slices.Clone(s.claims)
	sort.SliceStable(byEnd, func(i, j int) bool { return byEnd[i].end < byEnd[j].end })
	sort.SliceStable(s.claims, func(i, j int) bool { return s.claims[i].begin < s.claims[j].begin })
	var vs []Violation
	var top *claim
	done, since := 0, int64(0)
	for i := range s.claims {
		c := &s.claims[i]
		for ; done < len(byEnd) && byEnd[done].end < c.begin; done++ {
			if b := &byEnd[done]; b.begin >= since && (top == nil || b.value > top.value) {
				top = b
			}
		}
		if top == nil || c.value >= top.value {
			continue
		}
		v := seen(5, "fell", c.e)
		if hw, known := highWatermark(c.e); known {
			v.Offset = hw
		}
		vs = append(vs, v.say("the replica's %s fell from %d to %d", s.what, top.value, c.value))
		top, since = c, c.begin
	}
	return vs
}
