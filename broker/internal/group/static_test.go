package group

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TestStaticTakesOver: a static member that comes back needs no rebalance, and
// fences its former self.
func TestStaticTakesOver(t *testing.T) {
	for name, skip := range map[string]bool{"that can skip": true, "that cannot": false} {
		t.Run("leader "+name, func(t *testing.T) {
			s := newScript(t)
			m := s.settle(one{instance: "i", skip: skip}, one{})
			back := one{instance: "i", skip: skip}
			w := s.join(back)
			got := w.ok()
			back.id = got.MemberID
			leader := back.id
			if !skip {
				leader = m[0].id // so it does not take itself for the leader
			}
			if got.Generation != 1 || back.id == m[0].id || got.Skip != skip || got.Leader != leader || (len(got.Members) > 0) != skip {
				t.Fatalf("joined as %+v", got)
			}
			if got := s.sync(back, 1).ok(); string(got.Assignment) != m[0].id {
				t.Errorf("assigned %q", got.Assignment)
			}
			s.beat(m[0], 1, kerr.FencedInstanceID)
			if err := s.commit(m[0], 1, 1); !errors.Is(err, kerr.FencedInstanceID) {
				t.Errorf("its former self commits: %v", err)
			}
			s.beat(back, 1, nil)
			s.beat(m[1], 1, nil)
			if stored := s.shard.machine.metas()["g"]; stored.Leader != back.id {
				t.Errorf("stored is %+v", stored)
			}
		})
	}
}

func TestStaticIsNotStored(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{instance: "i"})
	s.shard.set(func(f *fakeShard) { f.err = kerr.RequestTimedOut })
	s.join(one{instance: "i"}).fails(kerr.UnknownMemberID)
	s.beat(m[0], 1, nil) // as before
}

// TestStaticChanges: another subscription goes through a rebalance when it
// changes the protocol.
func TestStaticChanges(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{instance: "i", protocols: "ab"}, one{protocols: "ab"})
	a := s.join(one{instance: "i", protocols: "b"})
	s.beat(m[1], 1, kerr.RebalanceInProgress)
	s.join(m[1])
	if got := a.ok(); got.Generation != 2 || got.Protocol != "b" {
		t.Fatalf("joined as %+v", got)
	}
}

// TestStaticKeepsPlace: a static member that misses a rebalance is still a
// member, until its session ends.
func TestStaticKeepsPlace(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{}, one{instance: "i"})
	a := s.join(m[0])
	for range 10 {
		s.pass(rebalanceTime / 10)
		if s.c.groups["g"].state == Preparing {
			s.beat(m[1], 1, kerr.RebalanceInProgress)
		}
	}
	if got := a.ok(); got.Generation != 2 || len(got.Members) != 2 {
		t.Fatalf("joined as %+v", got)
	}
	s.sync(m[0], 2).ok()
	s.pass(sessionTime)
	if d, _ := s.c.Describe("g"); len(d.Members) != 0 {
		t.Errorf("members %+v", d.Members)
	}
}

func TestStaticIsRemoved(t *testing.T) {
	s := newScript(t)
	s.settle(one{instance: "i"})
	i, j := "i", "j"
	errs, err := s.c.Leave("g", []Leaver{{InstanceID: &i}, {InstanceID: &j}, {InstanceID: &i, MemberID: "x"}})
	if err != nil || errs[0] != nil || !errors.Is(errs[1], kerr.UnknownMemberID) || !errors.Is(errs[2], kerr.UnknownMemberID) {
		t.Fatal(errs, err)
	}
	s.state(Empty)
}
