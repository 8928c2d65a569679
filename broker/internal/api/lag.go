package api

import (
	"time"

	"lockstep/broker/internal/mutant"
	"lockstep/broker/internal/shard"
)

// What it means to be behind is decided here alone, on both sides: a follower
// says it of itself, from what its leader last told it, and a leader of its
// followers, from what they have acknowledged. Neither knows exactly what the
// other does, so a leader asks for half the lag (restored) before it sends
// readers to a follower, and a follower sends them away at the whole: between
// the two, readers stay where they are.

// restored is the share of the limits below which a leader sends readers to a
// follower (again).
const restored = 0.5

// cutOff reports whether a follower has not heard its leader for a lease.
func (a *API) cutOff(st shard.Status, now time.Time) bool {
	return st.Role != shard.Leader && now.Sub(st.LastContact) > a.Config.Lease
}

// lagging reports whether this follower is too far behind its leader to serve
// readers who want the newest.
func (a *API) lagging(st shard.Status, now time.Time) bool {
	return st.Role != shard.Leader && a.tooFar(st.LagEntries, st.LagSince, now, 1)
}

// followerLags reports whether a follower of this leader is unheard for a
// lease, or behind by more than share of the limits.
func (a *API) followerLags(f shard.Progress, st shard.Status, now time.Time, share float64) bool {
	if mutant.Is(mutant.StalePreferred) {
		return false
	}
	if now.Sub(f.LastContact) > a.Config.Lease {
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
