package shard

import (
	"context"
	"time"
)

// Between two leaders a replica has nothing true to say about who leads: it
// names one that is dead, or none. A client that is told either waits before it
// asks again, and by much longer than an election takes: librdkafka for a
// quarter of a second, franz-go for five seconds. So whoever would be told waits
// here, for the next leader is a matter of milliseconds.

// interregnum bounds for how long after a leader was last heard the next one is
// waited for. A follower that has been cut off will not know it sooner for
// waiting, and its clients should go elsewhere.
const interregnum = time.Second

// lookAgain is the pause between two looks while nothing is told: a lost
// connection that is there again, for one.
const lookAgain = 10 * time.Millisecond

// AwaitLeader returns when this replica is not between two leaders: at once,
// nearly always. It waits at most until ctx ends, or for a second.
func (s *Shard) AwaitLeader(ctx context.Context) {
	if !s.vacantNow() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, interregnum)
	defer cancel()
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		changed := s.changed.next()
		if !s.vacantNow() {
			return
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Shard) vacantNow() bool {
	st := s.Status()
	var lost time.Duration
	if st.Leader >= 0 && st.Leader != s.node {
		lost = s.mux.Lost(st.Leader)
	}
	if st.Role != Leader {
		if s.office.Load() != nil {
			return true // deposed this very moment
		}
		// Who led until now has heard of no leader for as long.
		if led := time.Unix(0, s.ledUntil.Load()); led.After(st.LastContact) {
			st.LastContact = led
		}
	}
	return vacant(st, lost, time.Now())
}

// vacant tells whether a replica is between two leaders: it knows none, or one
// whose connections have been gone for a time; or it is one itself that is not
// ready yet, or is about to hand over. (A new one has not been answered by
// anybody: when it last heard a majority says nothing. Raft does not let it stay
// without one for long.)
func vacant(st Status, lost time.Duration, now time.Time) bool {
	switch {
	case st.Rebuilding || st.Waiting:
		return false
	case st.Role == Leader:
		return !st.Ready
	default:
		return (st.Leader < 0 || lost > 0) && now.Sub(st.LastContact) < interregnum
	}
}
