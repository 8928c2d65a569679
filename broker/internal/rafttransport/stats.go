package rafttransport

import "sync/atomic"

// Kind groups frames for counting.
type Kind int

// Kinds. A response counts with its request.
const (
	KindControl   Kind = iota // pings
	KindHeartbeat             // raft heartbeats
	KindCommit                // pushed commit indexes
	KindAppend                // AppendEntries
	KindVote                  // votes, pre-votes, TimeoutNow
	KindSnapshot
	KindCall
	NumKinds
)

// String is the kind's name as used in metrics.
func (k Kind) String() string {
	return [...]string{"control", "heartbeat", "commit", "append", "vote", "snapshot", "call"}[k]
}

func kindOf(t frameType) Kind {
	switch t &^ responseBit {
	case typeHeartbeat:
		return KindHeartbeat
	case typeCommit:
		return KindCommit
	case typeAppend:
		return KindAppend
	case typeVote, typePreVote, typeTimeoutNow:
		return KindVote
	case typeSnapshot, typeSnapshotChunk, typeSnapshotAck, typeSnapshotAbort:
		return KindSnapshot
	case typeCall:
		return KindCall
	}
	return KindControl
}

// Traffic counts frames and bytes (headers included, hellos not). Out counts
// what was queued for writing.
type Traffic struct{ FramesIn, BytesIn, FramesOut, BytesOut uint64 }

// PeerStats is what went to and came from one peer since the Mux was made.
type PeerStats struct {
	Peer     int32
	Up       [2]bool // is the urgent, the bulk connection we dialled usable?
	Connects uint64  // connections we established to it
	Timeouts uint64  // requests it did not answer in time
	Kinds    [NumKinds]Traffic
}

type counters struct{ framesIn, bytesIn, framesOut, bytesOut atomic.Uint64 }

func (c *counters) in(n int)  { c.framesIn.Add(1); c.bytesIn.Add(uint64(n)) }
func (c *counters) out(n int) { c.framesOut.Add(1); c.bytesOut.Add(uint64(n)) }

// Stats returns the counters of every peer, ascending by id.
func (m *Mux) Stats() []PeerStats {
	all := make([]PeerStats, 0, len(m.order))
	for _, p := range m.order {
		s := PeerStats{Peer: p.id, Connects: p.connects.Load(), Timeouts: p.timeouts.Load()}
		for i := range s.Kinds {
			c := &p.stats[i]
			s.Kinds[i] = Traffic{c.framesIn.Load(), c.bytesIn.Load(), c.framesOut.Load(), c.bytesOut.Load()}
		}
		for l := range p.links {
			s.Up[l] = p.links[l].get() != nil
		}
		all = append(all, s)
	}
	return all
}
