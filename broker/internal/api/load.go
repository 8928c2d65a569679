package api

import (
	"math"
	"sync"
	"time"
)

// loadHalfLife is after how long a consumer that was sent to a follower counts
// half: clients ask again where to read after five minutes, most of them.
const loadHalfLife = 5 * time.Minute

// load is how much this leader has lately given each follower to do. Old
// choices fade, or a node that was away would be given everything until it has
// caught up with what others have served since.
type load struct {
	mu     sync.Mutex // guards byNode
	byNode map[int32]fading
}

// fading is a number that halves every loadHalfLife.
type fading struct {
	value float64
	at    time.Time
}

func (f fading) now(now time.Time) float64 {
	return f.value * math.Exp2(-float64(now.Sub(f.at))/float64(loadHalfLife))
}

func newLoad() *load { return &load{byNode: map[int32]fading{}} }

// add counts one more consumer for node.
func (l *load) add(node int32, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byNode[node] = fading{l.byNode[node].now(now) + 1, now}
}

// least returns the node with the least load, the first of equals; -1 if there
// are none.
func (l *load) least(nodes []int32, now time.Time) int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	best := int32(-1)
	for _, n := range nodes {
		if best < 0 || l.byNode[n].now(now) < l.byNode[best].now(now) {
			best = n
		}
	}
	return best
}
