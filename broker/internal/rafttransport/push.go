package rafttransport

import (
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/mutant"
)

// follower is what a shard's leader knows of one peer: how far it has
// acknowledged, and which commit index it still has to be told.
type follower struct {
	shard *ShardTransport
	peer  *peer

	// Read without the lock, written with it.
	match   atomic.Uint64 // highest index acknowledged in term
	contact atomic.Int64  // Mux.nanos of the last answer in term; 0 none

	mu   sync.Mutex // guards the following
	term uint64     // newest term in which we sent it anything
	told uint64     // highest commit index it has acknowledged in term
	sent uint64     // highest commit index that an AppendEntries on its way will set

	next     commitPush // newest push that still has to be sent; zero if none
	inFlight bool
	refused  bool // wait for an acknowledgement before the next attempt
}

type commitPush struct{ term, prevIndex, prevTerm, commit uint64 }

// enter makes term the current one if it is newer, and reports whether it is
// the current one.
func (f *follower) enter(term uint64) bool {
	if term > f.term {
		f.match.Store(0)
		f.contact.Store(0)
		f.term, f.told, f.sent = term, 0, 0
		f.next, f.refused = commitPush{}, false
	}
	return term == f.term
}

// sending notes an AppendEntries before it leaves; last is its last index.
func (f *follower) sending(term, last, commit uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.enter(term) {
		f.sent = max(f.sent, min(commit, last))
	}
}

// failed notes that an AppendEntries may not have arrived: what it would have
// told has to be told again.
func (f *follower) failed(term uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if term == f.term {
		f.sent = f.told
	}
}

// answered notes the answer to an AppendEntries whose last index was last. It
// returns with a push under way if one was waiting for that.
func (f *follower) answered(term, last, commit uint64, resp *raft.AppendEntriesResponse) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if term != f.term {
		return
	}
	f.contact.Store(f.shard.mux.nanos())
	if resp.Term > term {
		return
	}
	if !resp.Success {
		f.sent = f.told
		return
	}
	f.match.Store(max(f.match.Load(), last))
	f.told = max(f.told, min(commit, last))
	if last >= f.next.prevIndex {
		f.refused = false
	}
	f.push()
}

// PushCommit tells a follower, without waiting, that commit is committed: an
// AppendEntries without entries after (prevIndex, prevTerm), which must be an
// entry of this leader's log at or after commit. It is for the leader of term,
// when its commit index moves; otherwise followers learn of it with the next
// entries or after raft's CommitTimeout.
//
// At most one push per follower is in flight and the newest wins. A follower
// that has not acknowledged prevIndex yet is told when it does. Nothing is sent
// to a peer that cannot be reached, or for which an ordinary AppendEntries with
// that commit index is already on its way.
func (t *ShardTransport) PushCommit(peer int32, term, prevIndex, prevTerm, commit uint64) {
	f := t.followers[peer]
	if f == nil || mutant.Is(mutant.SlowCommits) {
		return
	}
	storeMax(&t.commit, int64(commit))
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.enter(term) || commit <= f.next.commit {
		return
	}
	f.next = commitPush{term, prevIndex, prevTerm, commit}
	f.push()
}

// push sends the next push if its time has come. f.mu is held.
func (f *follower) push() {
	n := f.next
	if n.commit == 0 || f.inFlight || f.refused || f.match.Load() < n.prevIndex {
		return
	}
	f.next = commitPush{}
	if n.commit <= f.told || n.commit <= f.sent {
		return
	}
	cl := f.peer.links[urgent].get()
	if cl == nil {
		return
	}
	req := raft.AppendEntriesRequest{RPCHeader: f.shard.rpcHeader(), Term: n.term,
		PrevLogEntry: n.prevIndex, PrevLogTerm: n.prevTerm, LeaderCommitIndex: n.commit}
	frame, _ := encodeAppend(&req, nil)
	c := newCall(f.shard.mux.cfg.RequestTimeout)
	c.hook = func(c *call) { f.pushed(n, c) }
	f.inFlight = cl.start(c, typeCommit, f.shard.id, frame, nil) == nil
}

// pushed handles the answer to push n, or its loss.
func (f *follower) pushed(n commitPush, c *call) {
	var resp raft.AppendEntriesResponse
	ok := c.err == nil && decodeAppendResponse(c.body, &resp) == nil
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight = false
	if n.term != f.term {
		f.push() // of a newer term, held up by this one
		return
	}
	if ok {
		f.contact.Store(f.shard.mux.nanos())
	}
	switch {
	case ok && resp.Success:
		f.match.Store(max(f.match.Load(), n.prevIndex))
		f.told = max(f.told, n.commit)
	case ok && resp.Term == n.term:
		// It lacks the entry after all (it lost its log's tail, say).
		f.refused = true
		if f.next.commit == 0 {
			f.next = n
		}
	}
	f.push()
}
