package group

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/shard"
)

func TestFirstRebalance(t *testing.T) {
	s := newScript(t)
	a := s.join(one{protocols: "ab"})
	s.pass(2 * time.Second)
	b := s.join(one{protocols: "b"})
	s.pass(time.Second) // somebody came: wait as long again
	a.parked()
	s.pass(3 * time.Second)
	ra, rb := a.ok(), b.ok()
	if ra.Generation != 1 || rb.Generation != 1 || ra.Protocol != "b" || ra.Leader != ra.MemberID || rb.Leader != ra.MemberID {
		t.Fatalf("joined as %+v and %+v", ra, rb)
	}
	if len(ra.Members) != 2 || len(rb.Members) != 0 {
		t.Fatalf("%d members for the leader, %d for the other", len(ra.Members), len(rb.Members))
	}
	s.state(Completing)
	other := s.sync(one{id: rb.MemberID}, 1)
	other.parked()
	if got := s.sync(one{id: ra.MemberID}, 1).ok(); string(got.Assignment) != ra.MemberID || got.Protocol != "b" || got.ProtocolType != "consumer" {
		t.Fatalf("the leader got %+v", got)
	}
	if got := other.ok(); string(got.Assignment) != rb.MemberID {
		t.Fatalf("the other got %+v", got)
	}
	s.state(Stable)
}

func TestMemberIDIsRequired(t *testing.T) {
	s := newScript(t)
	w := s.joinAs(one{}.request(true))
	w.fails(kerr.MemberIDRequired)
	if w.result.MemberID != "c-1" {
		t.Fatalf("given id %q", w.result.MemberID)
	}
	again := s.joinAs(one{id: "c-1"}.request(true))
	s.pass(3 * time.Second)
	s.pass(3 * time.Second)
	if got := again.ok(); got.MemberID != "c-1" || len(got.Members) != 1 {
		t.Fatalf("joined as %+v", got)
	}
	s.joinAs(one{id: "c-9"}.request(true)).fails(kerr.UnknownMemberID)
}

// TestRebalanceWaitsForIDs: who has been given an id is waited for, as long as
// its session would last.
func TestRebalanceWaitsForIDs(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{})
	s.joinAs(one{}.request(true)).fails(kerr.MemberIDRequired)
	s.join(one{protocols: "ab"})
	again := s.join(m[0])
	again.parked()
	s.pass(sessionTime)
	if got := again.ok(); got.Generation != 2 || len(got.Members) != 2 {
		t.Fatalf("joined as %+v", got)
	}
}

func TestJoinIsRefused(t *testing.T) {
	ctx := t.Context()
	change := func(f func(r *JoinRequest)) JoinRequest {
		r := one{}.request(false)
		f(r)
		return *r
	}
	for name, c := range map[string]struct {
		r    JoinRequest
		want error
	}{
		"no group":           {change(func(r *JoinRequest) { r.Group = "" }), kerr.InvalidGroupID},
		"short session":      {change(func(r *JoinRequest) { r.SessionTimeout = 5999 }), kerr.InvalidSessionTimeout},
		"long session":       {change(func(r *JoinRequest) { r.SessionTimeout = 1_800_001 }), kerr.InvalidSessionTimeout},
		"no protocols":       {change(func(r *JoinRequest) { r.Protocols = nil }), kerr.InconsistentGroupProtocol},
		"foreign protocol":   {change(func(r *JoinRequest) { r.Protocols[0].Name = "z" }), kerr.InconsistentGroupProtocol},
		"foreign type":       {change(func(r *JoinRequest) { r.ProtocolType = "connect" }), kerr.InconsistentGroupProtocol},
		"unknown id":         {change(func(r *JoinRequest) { r.MemberID = "x" }), kerr.UnknownMemberID},
		"unknown id, nobody": {change(func(r *JoinRequest) { r.Group, r.MemberID = "new", "x" }), kerr.UnknownMemberID},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			s.settle(one{})
			if _, err := s.c.Join(ctx, c.r); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			s.state(Stable)
		})
	}
}

func TestNewMemberRebalances(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{})
	b := s.join(one{})
	s.beat(m[0], 1, kerr.RebalanceInProgress)
	s.sync(m[0], 1).fails(kerr.RebalanceInProgress)
	a := s.join(m[0])
	m = append(m, one{id: b.ok().MemberID})
	if got := a.ok(); got.Generation != 2 || len(got.Members) != 2 {
		t.Fatalf("joined as %+v", got)
	}
	s.beat(m[0], 1, kerr.IllegalGeneration)
	s.share(m, 2)
	s.beat(m[1], 2, nil)
	s.beat(one{id: "x"}, 2, kerr.UnknownMemberID)
}

// TestRejoin: who joins again without a change gets the same answer, except
// the leader, who wants a rebalance.
func TestRejoin(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{}, one{})
	if got := s.join(m[1]).ok(); got.Generation != 1 || got.Leader != m[0].id {
		t.Fatalf("joined as %+v", got)
	}
	s.state(Stable)
	a := s.join(m[0])
	a.parked()
	b := s.join(m[1])
	if a.ok().Generation != 2 || b.ok().Generation != 2 {
		t.Fatal("no rebalance")
	}
	if got := s.join(m[1]).ok(); got.Generation != 2 {
		t.Fatalf("joined as %+v", got)
	}
	s.state(Completing)
}

func TestLate(t *testing.T) {
	t.Run("to join", func(t *testing.T) {
		s := newScript(t)
		m := s.settle(one{}, one{})
		a := s.join(m[0])
		for range 10 {
			s.pass(rebalanceTime / 10)
			if s.c.groups["g"].state == Preparing {
				s.beat(m[1], 1, kerr.RebalanceInProgress) // alive, but does not join
			}
		}
		if got := a.ok(); got.Generation != 2 || len(got.Members) != 1 {
			t.Fatalf("joined as %+v", got)
		}
		s.beat(m[1], 1, kerr.UnknownMemberID)
	})
	t.Run("to sync", func(t *testing.T) {
		s := newScript(t)
		m := s.settle(one{}, one{})
		s.join(m[0])
		s.join(m[1])
		b := s.sync(m[1], 2)
		for range 10 {
			s.pass(rebalanceTime / 10)
			if s.c.groups["g"].state == Completing {
				s.beat(m[0], 2, nil) // the leader lives, but does not assign
			}
		}
		b.fails(kerr.RebalanceInProgress)
		if got := s.join(m[1]).ok(); got.Leader != m[1].id || got.Generation != 3 {
			t.Fatalf("joined as %+v", got)
		}
	})
}

func TestSessionEnds(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{}, one{})
	s.pass(sessionTime - time.Millisecond)
	s.beat(m[1], 1, nil)
	s.pass(time.Millisecond)
	s.beat(m[1], 1, kerr.RebalanceInProgress)
	s.beat(m[0], 1, kerr.UnknownMemberID)
	if got := s.join(m[1]).ok(); got.Generation != 2 || got.Leader != m[1].id {
		t.Fatalf("joined as %+v", got)
	}
	s.pass(sessionTime)
	s.state(Empty)
}

// TestGoneWhileJoining: a client that hangs up loses its place only when its
// session ends.
func TestGoneWhileJoining(t *testing.T) {
	s := newScript(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.c.Join(ctx, *one{}.request(false)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if d, _ := s.c.Describe("g"); len(d.Members) != 1 {
		t.Fatalf("%d members", len(d.Members))
	}
	s.pass(sessionTime)
	s.state(Empty)
}

func TestLeave(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{}, one{})
	s.leave(m[0])
	s.beat(m[1], 1, kerr.RebalanceInProgress)
	if got := s.join(m[1]).ok(); got.Generation != 2 || got.Leader != m[1].id {
		t.Fatalf("joined as %+v", got)
	}
	s.leave(m[1])
	s.state(Empty)
	errs, err := s.c.Leave("g", []Leaver{{MemberID: "x"}})
	if err != nil || !errors.Is(errs[0], kerr.UnknownMemberID) {
		t.Fatal(errs, err)
	}
}

// TestStoreFails: members are not told of an assignment that is not committed.
func TestStoreFails(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{})
	s.join(m[0]).ok()
	s.shard.set(func(f *fakeShard) { f.err = kerr.RequestTimedOut })
	s.sync(m[0], 2).fails(kerr.CoordinatorNotAvailable)
	s.state(Preparing)
	if got := s.shard.machine.metas()["g"].Generation; got != 1 {
		t.Errorf("generation %d is stored", got)
	}
	s.shard.set(func(f *fakeShard) { f.err = nil })
	if got := s.join(m[0]).ok(); got.Generation != 3 {
		t.Fatalf("joined as %+v", got)
	}
	s.share(m, 3)
}

// TestRebalanceOvertakesStore: a member that comes while the assignment is
// being committed makes it void.
func TestRebalanceOvertakesStore(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{})
	s.join(m[0]).ok()
	hold := make(chan struct{})
	s.shard.set(func(f *fakeShard) { f.hold = hold })
	w := s.sync(m[0], 2)
	w.parked()
	b := s.join(one{})
	w.fails(kerr.RebalanceInProgress)
	close(hold)
	if got := s.join(m[0]).ok(); got.Generation != 3 {
		t.Fatalf("joined as %+v", got)
	}
	s.share([]one{m[0], {id: b.ok().MemberID}}, 3)
}

func TestOffice(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{})
	b := s.join(one{})
	s.shard.set(func(f *fakeShard) { f.st = shard.Status{Role: shard.Follower, Epoch: 2} })
	s.beat(m[0], 1, kerr.NotCoordinator)
	s.c.step(t.Context())
	b.fails(kerr.NotCoordinator)
	if list, err := s.c.List(); err != nil || len(list) != 0 {
		t.Errorf("a follower lists %v, %v", list, err)
	}

	s.shard.set(func(f *fakeShard) { f.st = shard.Status{Role: shard.Leader, Epoch: 3} })
	s.beat(m[0], 1, kerr.CoordinatorLoadInProgress)
	s.shard.set(func(f *fakeShard) { f.st.Ready = true })
	s.beat(m[0], 1, kerr.CoordinatorLoadInProgress)
	s.shard.set(func(f *fakeShard) { f.err = kerr.RequestTimedOut })
	s.c.step(t.Context()) // cannot fence
	s.beat(m[0], 1, kerr.CoordinatorLoadInProgress)
	s.shard.set(func(f *fakeShard) { f.err = nil })
	s.c.step(t.Context())
	s.beat(m[0], 1, nil)
}

// TestFailOver: another node goes on with the same members and generation, and
// what the old one still had under way is void.
func TestFailOver(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{protocols: "ab"}, one{instance: "i", protocols: "ba"})
	if err := s.commit(m[0], 1, 42); err != nil {
		t.Fatal(err)
	}
	old := *s
	snapshot, err := s.shard.machine.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	replica := NewMachine()
	if err := replica.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	s.elect(replica, 5)
	s.state(Stable)
	for _, o := range m {
		s.beat(o, 1, nil)
		if got := s.sync(o, 1).ok(); string(got.Assignment) != o.id {
			t.Errorf("%s is assigned %q", o.id, got.Assignment)
		}
	}
	if got := s.committed(); got != 42 {
		t.Errorf("committed %d", got)
	}
	if got := s.join(m[1]).ok(); got.Generation != 1 {
		t.Errorf("joined as %+v", got)
	}

	// The old node's proposal reaches the log after all.
	old.shard.machine = replica
	if err := old.commit(m[0], 1, 7); !errors.Is(err, kerr.NotCoordinator) {
		t.Errorf("the old office commits: %v", err)
	}
	if got := s.committed(); got != 42 {
		t.Errorf("committed %d", got)
	}
	s.pass(sessionTime)
	s.beat(m[0], 1, kerr.UnknownMemberID) // sessions run on the new node's clock
}

func TestRunAndClose(t *testing.T) {
	m := NewMachine()
	f := &fakeShard{machine: m, st: shard.Status{Role: shard.Leader, Ready: true, Epoch: 1}}
	c := NewCoordinator(m, f, Options{InitialDelay: -1})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(context.Background())
	}()
	deadline := time.Now().Add(10 * time.Second)
	var got JoinResult
	err := error(kerr.CoordinatorLoadInProgress)
	for errors.Is(err, kerr.CoordinatorLoadInProgress) && time.Now().Before(deadline) {
		got, err = c.Join(t.Context(), *one{}.request(false))
	}
	if err != nil || got.Generation != 1 {
		t.Fatal(got, err)
	}
	c.Close()
	<-ended
	if err := c.Heartbeat("g", got.MemberID, nil, 1); !errors.Is(err, kerr.CoordinatorLoadInProgress) {
		t.Errorf("after Close: %v", err)
	}
}
