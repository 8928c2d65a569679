package oracle

import (
	"lockstep/compat/drivers/protocol"
	"lockstep/compat/internal/history"
)

// offsetOutOfRange is Kafka's error code.
const offsetOutOfRange = 1

// sessions is the part of oracle 5 about readers, which may ask another replica each time: no client loses its position,
// and whoever was given records up to an offset is never told by any replica that this offset is not there, unless
// records were deleted; nor does an answer skip records. (Other data in the same place is oracle 2's or 4's.)
func sessions(ix *index) []Violation {
	given := map[reader]int64{} // one above the highest offset that the reader was given
	var vs []Violation
	for i := range ix.events {
		e := &ix.events[i]
		r := reader{e.Handle, of(e)}
		switch e.Kind {
		case history.Read:
			given[r] = max(given[r], e.Offset+1)
		case history.Notice:
			if e.Name == protocol.NoticeReset && given[r] >= ix.started[of(e)] {
				v := seen(5, "reset", e)
				v.Offset = given[r]
				vs = append(vs, v.say("the client's position was reset: %s", e.Error))
			}
		case history.Probe:
			if e.Answer == nil || e.Answer.Code != offsetOutOfRange || e.Offset > given[r] || e.Offset < ix.started[of(e)] {
				continue
			}
			vs = append(vs, seen(5, "out-of-range", e).say("offset %d is said to be out of range to a session that had been given all up to %d", e.Offset, given[r]-1))
		}
	}
	for _, f := range ix.probes() {
		vs = append(vs, skipped(f)...)
	}
	return vs
}

// skipped: the records of an answer begin at the offset asked for and leave none out.
func skipped(f *fetch) []Violation {
	next := f.Offset
	for _, r := range f.reads {
		if r.Offset != next {
			v := seen(5, "skipped", r)
			v.Offset, v.To = next, r.Offset
			return []Violation{v.say("the session asked for offset %d; the answer goes on with %d", next, r.Offset)}
		}
		next++
	}
	return nil
}
