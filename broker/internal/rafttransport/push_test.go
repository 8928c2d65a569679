package rafttransport

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// pushRig is a leader on node 1 and, on node 2, a Raft played by the test.
type pushRig struct {
	t      *testing.T
	leader *ShardTransport
	raft   *ShardTransport
}

func newPushRig(t *testing.T) *pushRig {
	a, b := pair(t, nil)
	return &pushRig{t, a.Shard(1), b.Shard(1)}
}

func (r *pushRig) push(term, commit uint64) { r.leader.PushCommit(2, term, commit, term, commit) }

// next takes the next request at the follower.
func (r *pushRig) next() (raft.RPC, *raft.AppendEntriesRequest) {
	r.t.Helper()
	select {
	case rpc := <-r.raft.Consumer():
		return rpc, rpc.Command.(*raft.AppendEntriesRequest)
	case <-time.After(5 * time.Second):
		r.t.Fatal("nothing reached the follower")
		return raft.RPC{}, nil
	}
}

// wantPush takes the next request, which must be a push of commit.
func (r *pushRig) wantPush(term, commit uint64) raft.RPC {
	r.t.Helper()
	rpc, req := r.next()
	if len(req.Entries) != 0 || req.Term != term || req.PrevLogEntry != commit || req.PrevLogTerm != term || req.LeaderCommitIndex != commit ||
		string(req.ID) != "1" || string(req.Addr) != "1" || req.ProtocolVersion != 3 {
		r.t.Fatalf("got %+v, want a push of %d in term %d", req, commit, term)
	}
	return rpc
}

func (r *pushRig) answer(rpc raft.RPC, term uint64, ok bool) {
	rpc.Respond(&raft.AppendEntriesResponse{Term: term, Success: ok}, nil)
}

// replicate sends entries up to last, in one request that says commit.
func (r *pushRig) replicate(term, prev, last, commit uint64) {
	r.t.Helper()
	done := r.send(term, prev, last, commit)
	rpc, req := r.next()
	if len(req.Entries) == 0 {
		r.t.Fatalf("got %+v, want entries", req)
	}
	r.answer(rpc, term, true)
	if err := <-done; err != nil {
		r.t.Fatal(err)
	}
}

func (r *pushRig) send(term, prev, last, commit uint64) chan error {
	req := entriesAt(prev, int(last-prev), 10)
	req.Term, req.LeaderCommitIndex = term, commit
	done := make(chan error, 1)
	id, addr := serverAddr(2)
	go func() { done <- r.leader.AppendEntries(id, addr, req, new(raft.AppendEntriesResponse)) }()
	return done
}

// quiet checks that nothing is on its way: a marker sent now comes next.
func (r *pushRig) quiet(term, prev uint64) {
	r.t.Helper()
	r.replicate(term, prev, prev+1, 0)
}

func TestPushWaitsForAcknowledgement(t *testing.T) {
	r := newPushRig(t)
	r.replicate(1, 0, 5, 0)
	r.push(1, 7) // not acknowledged yet
	r.quiet(1, 5)
	r.replicate(1, 6, 7, 0) // acknowledges 7
	r.answer(r.wantPush(1, 7), 1, true)
	eventually(t, 5*time.Second, "the leader knows", func() bool { return r.told() == 7 })
	r.push(1, 7) // again: it has been told
	r.push(1, 6)
	r.quiet(1, 7)
}

func (r *pushRig) told() uint64 {
	f := r.leader.followers[2]
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told
}

func TestPushOneInFlightNewestWins(t *testing.T) {
	r := newPushRig(t)
	r.replicate(1, 0, 9, 0)
	r.push(1, 1)
	rpc := r.wantPush(1, 1)
	for commit := uint64(2); commit <= 9; commit++ {
		r.push(1, commit)
	}
	r.push(1, 4) // late
	// A call goes the same way as pushes do, but not through Raft.
	if _, err := r.leader.mux.Call(t.Context(), 2, 99, nil); !errors.As(err, new(RemoteError)) {
		t.Fatal(err)
	}
	if n := len(r.raft.consumer); n > 0 {
		t.Errorf("%d pushes came while one was unanswered", n)
	}
	r.answer(rpc, 1, true)
	r.answer(r.wantPush(1, 9), 1, true)
	eventually(t, 5*time.Second, "the leader knows", func() bool { return r.told() == 9 })
	r.quiet(1, 9)
}

func TestPushIsRepeatedAfterRefusal(t *testing.T) {
	r := newPushRig(t)
	r.replicate(1, 0, 5, 0)
	r.push(1, 5)
	r.answer(r.wantPush(1, 5), 1, false)
	eventually(t, 5*time.Second, "the refusal is noted", func() bool {
		f := r.leader.followers[2]
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.refused
	})
	done := r.send(1, 0, 5, 0) // Raft sends the entries again
	rpc, _ := r.next()
	r.answer(rpc, 1, true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r.answer(r.wantPush(1, 5), 1, true)
}

func TestPushIsSparedByEntriesOnTheirWay(t *testing.T) {
	r := newPushRig(t)
	r.replicate(1, 0, 5, 0)
	done := r.send(1, 5, 6, 5) // in flight, and will tell of commit 5
	rpc, _ := r.next()
	r.push(1, 5)
	r.answer(rpc, 1, true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r.quiet(1, 6)
	// Had it failed, the push would be needed.
	done = r.send(1, 7, 8, 7)
	rpc, _ = r.next()
	rpc.Respond(nil, errBusy)
	if err := <-done; err == nil {
		t.Fatal("no error")
	}
	r.push(1, 7)
	r.answer(r.wantPush(1, 7), 1, true)
}

func TestPushAndTerms(t *testing.T) {
	r := newPushRig(t)
	r.replicate(1, 0, 5, 0)
	r.push(1, 9) // waits for an acknowledgement that never comes
	if match, at := r.leader.Follower(2); match != 5 || at.IsZero() {
		t.Errorf("match %d at %v, want 5", match, at)
	}
	r.push(3, 4) // a new term: what was acknowledged before does not count
	if match, at := r.leader.Follower(2); match != 0 || !at.IsZero() {
		t.Errorf("match %d at %v in a new term, want 0", match, at)
	}
	r.push(1, 5) // an old term: dropped
	done := r.send(3, 3, 9, 0)
	rpc, _ := r.next()
	r.answer(rpc, 3, true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r.answer(r.wantPush(3, 4), 3, true)
	if match, _ := r.leader.Follower(2); match != 9 {
		t.Errorf("match %d, want 9", match)
	}
	if match, at := r.leader.Follower(77); match != 0 || !at.IsZero() {
		t.Errorf("an unknown follower: %d, %v", match, at)
	}
	r.leader.PushCommit(77, 3, 9, 3, 9)
}

func TestPushToUnreachablePeerIsDropped(t *testing.T) {
	m := New(Config{LocalID: 1, Listener: listen(t), Peers: map[int32]string{2: "127.0.0.1:1"}})
	defer m.Close()
	s := m.Shard(1)
	f := s.followers[2]
	f.enter(1)
	f.match.Store(5)
	s.PushCommit(2, 1, 5, 1, 5)
	if f.inFlight || f.next.commit != 0 {
		t.Errorf("in flight %v, next %+v", f.inFlight, f.next)
	}
}

func TestLeaderView(t *testing.T) {
	a, b := pair(t, nil)
	s := b.Shard(1)
	if v := s.Leader(); v != (LeaderView{Node: -1}) {
		t.Errorf("before anything was heard: %+v", v)
	}
	id, addr := serverAddr(2)
	var current atomic.Uint64
	playRaft(t, s, func(cmd any, _ io.Reader) (any, error) {
		req := cmd.(*raft.AppendEntriesRequest)
		now := current.Load()
		return &raft.AppendEntriesResponse{Term: max(now, req.Term), Success: req.Term >= now && req.PrevLogEntry < 100}, nil
	})
	var last time.Time
	for _, tt := range []struct {
		name               string
		current            uint64 // the follower's own term
		term, prev, commit uint64
		wantTerm, wantCom  uint64
		contact            bool
	}{
		{"heartbeat", 0, 2, 0, 0, 2, 0, true},
		{"commit", 0, 2, 50, 40, 2, 40, true},
		{"heartbeats say nothing of commit", 0, 2, 0, 0, 2, 40, true},
		{"refused for its log", 0, 2, 100, 60, 2, 60, false},
		{"an old leader, who tells the truth", 0, 1, 50, 61, 2, 61, true},
		{"refused for its term", 9, 3, 50, 62, 3, 62, false},
		{"new term", 9, 9, 50, 30, 9, 62, true},
	} {
		current.Store(tt.current)
		req := &raft.AppendEntriesRequest{Term: tt.term, PrevLogEntry: tt.prev, LeaderCommitIndex: tt.commit}
		if err := a.Shard(1).AppendEntries(id, addr, req, new(raft.AppendEntriesResponse)); err != nil {
			t.Fatal(err)
		}
		v := s.Leader()
		if v.Node != 1 || v.Term != tt.wantTerm || v.Commit != tt.wantCom || v.LastContact.After(last) != tt.contact {
			t.Errorf("%s: %+v (last contact before: %v)", tt.name, v, last)
		}
		last = v.LastContact
	}
}
