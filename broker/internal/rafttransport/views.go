package rafttransport

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// LeaderView is what the AppendEntries that reached this node tell of a
// shard's leader. While this node leads the shard itself it tells of the past.
type LeaderView struct {
	// Node leads, as far as this node has heard, in Term; -1 and 0 if it has
	// heard of none.
	Node int32
	Term uint64
	// Commit is the highest commit index any leader has named. It never goes
	// back: what is committed stays so, whoever said it.
	Commit uint64
	// LastContact is when the last request arrived that the local Raft
	// accepted; zero before the first.
	LastContact time.Time
}

// leaderState is a LeaderView that is read without a lock.
type leaderState struct {
	mu      sync.Mutex // serializes observe
	seen    atomic.Pointer[leaderSeen]
	contact atomic.Int64 // Mux.nanos; 0 never
}

type leaderSeen struct {
	node         int32
	term, commit uint64
}

// observe notes a request as it arrives. Nobody but the leader of a term sends
// AppendEntries in it, so the newest term is right even if Raft refuses the
// entries; an old leader's commit index is true as well.
func (l *leaderState) observe(from int32, req *raft.AppendEntriesRequest) {
	if s := l.seen.Load(); s != nil && req.Term <= s.term && req.LeaderCommitIndex <= s.commit {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	next := leaderSeen{node: -1}
	if s := l.seen.Load(); s != nil {
		next = *s
	}
	if req.Term > next.term {
		next.node, next.term = from, req.Term
	}
	next.commit = max(next.commit, req.LeaderCommitIndex)
	l.seen.Store(&next)
}

// contacted notes that Raft accepted a request that arrived at the given time.
func (l *leaderState) contacted(at int64) { storeMax(&l.contact, at) }

func storeMax(a *atomic.Int64, v int64) {
	for {
		old := a.Load()
		if v <= old || a.CompareAndSwap(old, v) {
			return
		}
	}
}

// Leader returns what this node has heard from the shard's leader. It takes no
// lock.
func (t *ShardTransport) Leader() LeaderView {
	v := LeaderView{Node: -1, LastContact: t.mux.timeOf(t.leader.contact.Load())}
	if s := t.leader.seen.Load(); s != nil {
		v.Node, v.Term, v.Commit = s.node, s.term, s.commit
	}
	return v
}

// Follower returns the highest index that the peer has acknowledged to this
// node in the newest term in which this node sent it AppendEntries, and when it
// last answered in that term; 0 and the zero time if it has not. It takes no
// lock.
func (t *ShardTransport) Follower(peer int32) (match uint64, lastContact time.Time) {
	p := t.followers[peer]
	if p == nil {
		return 0, time.Time{}
	}
	return p.match.Load(), t.mux.timeOf(p.contact.Load())
}
