package shard

import (
	"testing"
	"time"

	"lockstep/broker/internal/partition"
)

func TestHeir(t *testing.T) {
	lost := func(rank int, term, index uint64) claim {
		return claim{lost: true, rank: rank, term: term, index: index}
	}
	sees := claim{rank: 9}
	tests := []struct {
		name   string
		mine   claim
		others []claim
		quorum int
		want   bool
	}{
		{"both lost it, better term", lost(2, 5, 10), []claim{lost(3, 4, 90)}, 2, true},
		{"both lost it, worse term", lost(2, 4, 90), []claim{lost(3, 5, 10)}, 2, false},
		{"better index", lost(3, 5, 11), []claim{lost(2, 5, 10)}, 2, true},
		{"worse index", lost(2, 5, 10), []claim{lost(3, 5, 11)}, 2, false},
		{"equal logs, better rank", lost(2, 5, 10), []claim{lost(3, 5, 10)}, 2, true},
		{"equal logs, worse rank", lost(3, 5, 10), []claim{lost(2, 5, 10)}, 2, false},
		{"the other still sees it", lost(2, 5, 10), []claim{sees}, 2, false},
		{"the other does not answer", lost(2, 5, 10), []claim{{}}, 2, false},
		{"it is seen here", claim{rank: 2, term: 5, index: 10}, []claim{lost(3, 5, 9)}, 2, false},
		{"all of three", lost(0, 5, 10), []claim{lost(1, 5, 10), lost(2, 5, 10)}, 3, true},
		{"not all of three", lost(0, 5, 10), []claim{lost(1, 5, 10), sees}, 3, false},
		{"alone of one", lost(0, 0, 1), nil, 1, true},
		{"alone of two", lost(2, 5, 10), nil, 2, false},
		{"three of five", lost(2, 5, 10), []claim{lost(3, 5, 10), lost(4, 5, 1), sees}, 3, true},
		{"two of five", lost(2, 5, 10), []claim{lost(3, 5, 10), sees, {}}, 3, false},
	}
	for _, tt := range tests {
		if got := heir(tt.mine, tt.others, tt.quorum); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestClaimOnTheWire(t *testing.T) {
	for _, c := range []claim{{lost: true, term: 7, index: 1 << 40, rank: 3}, {rank: 3}} {
		got, err := decodeClaim(3, c.encode())
		if err != nil || got != c {
			t.Errorf("%+v became %+v, %v", c, got, err)
		}
	}
	if _, err := decodeClaim(1, nil); err == nil {
		t.Error("an empty answer was taken")
	}
}

// Raft's timers alone need heartbeatTimeout at the very least. A machine with
// too much to do may be late; one in a few must be in time.
func TestSuccessorDoesNotWaitForTheTimers(t *testing.T) {
	const tries = 5
	var took [tries]time.Duration
	for i := range took {
		c := newCluster(t, 3)
		c.append(c.leader(), partition.Key{Partition: 1}, 1)
		old := c.leader()
		c.kill(old.node)
		start := time.Now()
		next := c.leader()
		took[i] = time.Since(start)
		if next.node == old.node {
			t.Fatal("the dead leader leads")
		}
		if took[i] < heartbeatTimeout {
			return
		}
	}
	t.Errorf("leaders were succeeded after %v, no time sooner than Raft's timers of %v", took, heartbeatTimeout)
}
