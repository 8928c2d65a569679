package oracle

import (
	"fmt"

	"lockstep/compat/internal/history"
)

// monotonic is the part of oracle 5 about what replicas say of themselves: high watermark, log start and leader epoch of
// a replica never fall, also across restarts.
func monotonic(ix *index) []Violation {
	type replica struct {
		node int
		tp   tp
	}
	last := map[replica]*history.ReplicaState{}
	var vs []Violation
	for _, e := range ix.events {
		if e.Kind != history.Replica {
			continue
		}
		r := replica{e.Node, tp{e.Topic, e.Partition}}
		if before := last[r]; before != nil {
			for _, x := range []struct {
				what      string
				was, this int64
			}{
				{"high watermark", before.HighWatermark, e.State.HighWatermark},
				{"log start offset", before.LogStart, e.State.LogStart},
				{"leader epoch", int64(before.Epoch), int64(e.State.Epoch)},
			} {
				if x.this < x.was {
					vs = append(vs, Violation{Oracle: 5, Rule: "fell", Topic: e.Topic, Partition: e.Partition, Offset: e.State.HighWatermark,
						Handle: fmt.Sprintf("node %d", e.Node), Expected: fmt.Sprintf("at least %d", x.was), Actual: fmt.Sprint(x.this),
						Message: "the replica's " + x.what + " fell"})
				}
			}
		}
		last[r] = e.State
	}
	return vs
}
