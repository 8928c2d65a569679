package api

import (
	"sync"
	"time"

	"lockstep/broker/internal/shard"
)

// What it means to be behind is decided here alone, on both sides: a follower
// says it of itself, from what its leader last told it, and a leader of its
// followers, from what they have acknowledged. Neither knows exactly what the
// other does, so a leader asks for half the lag (restored) before it sends
// readers to a follower, and a follower sends them away at the whole: between
// the two, readers stay where they are. A follower that has begun to send them
// away goes on for a while, and until it is below half itself, so that one at the limit does not
// send them to and fro.

// restored is the share of the limits below which a leader sends readers to a
// follower (again).
const restored = 0.5

// cutOff reports whether a follower has not heard its leader for a lease.
func (a *API) cutOff(st shard.Status, now time.Time) bool {
	return st.Role != shard.Leader && now.Sub(st.LastContact) > a.Config.Lease
}

// lagging reports whether this replica is a follower too far behind its leader
// to serve readers who want the newest.
func (a *API) lagging(s replica, st shard.Status, now time.Time) bool {
	if st.Role == shard.Leader {
		return false
	}
	return a.lags.set(s.ID(), now, func(share float64) bool { return a.tooFar(st.LagEntries, st.LagSince, now, share) })
}

// lagRest is how long a follower at least sends readers away.
const lagRest = 2 * time.Second

// switches remember, by shard, since when it has been lagging.
type switches struct {
	mu sync.Mutex
	on map[uint32]time.Time // those that are
}

// set turns a shard's switch on when it is too far behind, and off when it has
// been on for a while and is below the restored share. It returns whether it is
// on.
func (s *switches) set(id uint32, now time.Time, tooFar func(share float64) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, on := s.on[id]
	switch {
	case !on && tooFar(1):
		s.on[id] = now
		return true
	case on && now.Sub(since) >= lagRest && !tooFar(restored):
		delete(s.on, id)
		return false
	}
	return on
}

// followerLags reports whether a follower of this leader has lost all its
// connections, is unheard for a lease, or behind by more than share of the limits.
func (a *API) followerLags(f shard.Progress, st shard.Status, now time.Time, share float64) bool {
	// A process that ends takes its connections along: that is known at once.
	if f.Lost > 0 || now.Sub(f.LastContact) > a.Config.Lease {
		return true
	}
	var entries uint64
	if st.Commit > f.Match {
		entries = st.Commit - f.Match
	}
	return a.tooFar(entries, f.LagSince, now, share)
}

func (a *API) tooFar(entries uint64, since, now time.Time, share float64) bool {
	if float64(entries) > share*float64(a.Config.LagMaxEntries) {
		return true
	}
	return !since.IsZero() && now.Sub(since) > time.Duration(share*float64(a.Config.LagMaxTime))
}
