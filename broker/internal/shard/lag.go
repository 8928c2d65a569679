package shard

import (
	"sort"
	"sync"
	"time"
)

// maxMoments bounds what a lagClock keeps: two minutes, at four moments a
// second; of what is older, only every second moment is kept, and so on.
const maxMoments = 512

// lagClock remembers when which index was committed, to say since when a
// replica that has a certain index lacks something. (To ask instead whether it
// has everything, again and again, would take a replica that is a millisecond
// behind under load for one that never catches up.)
type lagClock struct {
	mu      sync.Mutex
	moments []moment // ascending, by both
}

// moment is when an index was first seen to be committed.
type moment struct {
	commit uint64
	at     time.Time
}

// note takes down the commit index, and forgets what every replica has: up to
// needed.
func (l *lagClock) note(commit, needed uint64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.moments); commit > needed && (n == 0 || l.moments[n-1].commit < commit) {
		l.moments = append(l.moments, moment{commit, now})
	}
	l.moments = l.moments[l.after(needed):]
	if len(l.moments) > maxMoments {
		kept := l.moments[:0]
		for i := 0; i < len(l.moments); i += 2 {
			kept = append(kept, l.moments[i])
		}
		l.moments = kept
	}
}

// after is the position of the first moment that a replica with index lacks.
func (l *lagClock) after(index uint64) int {
	return sort.Search(len(l.moments), func(i int) bool { return l.moments[i].commit > index })
}

// since is when something was committed that a replica with everything up to
// index lacks; zero when there is nothing.
func (l *lagClock) since(index uint64) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.after(index); i < len(l.moments) {
		return l.moments[i].at
	}
	return time.Time{}
}
