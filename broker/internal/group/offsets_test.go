package group

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestWhoMayCommit(t *testing.T) {
	for name, c := range map[string]struct {
		prepare    func(s *script, m []one)
		id         string // "": the member's; "-": none
		generation int32
		want       error
	}{
		"member":                   {nil, "", 1, nil},
		"earlier generation":       {nil, "", 0, kerr.IllegalGeneration},
		"later generation":         {nil, "", 2, kerr.IllegalGeneration},
		"unknown member":           {nil, "x", 1, kerr.UnknownMemberID},
		"nobody, with members":     {nil, "-", -1, kerr.UnknownMemberID},
		"member, before joining":   {func(s *script, m []one) { s.join(one{}) }, "", 1, nil},
		"member, before syncing":   {func(s *script, m []one) { s.join(m[0]) }, "", 2, kerr.RebalanceInProgress},
		"nobody, without members":  {func(s *script, m []one) { s.leave(m[0]) }, "-", -1, nil},
		"gone member":              {func(s *script, m []one) { s.leave(m[0]) }, "", 1, kerr.UnknownMemberID},
		"not the coordinator":      {func(s *script, m []one) { s.shard.set(func(f *fakeShard) { f.st.Role = 0 }) }, "", 1, kerr.NotCoordinator},
		"no quorum":                {func(s *script, m []one) { s.shard.set(func(f *fakeShard) { f.err = kerr.RequestTimedOut }) }, "", 1, kerr.CoordinatorNotAvailable},
		"leadership lost meantime": {func(s *script, m []one) { s.shard.set(func(f *fakeShard) { f.err = kerr.NotLeaderForPartition }) }, "", 1, kerr.NotCoordinator},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			m := s.settle(one{})
			if c.prepare != nil {
				c.prepare(s, m)
			}
			o := one{id: c.id}
			switch c.id {
			case "":
				o.id = m[0].id
			case "-":
				o.id = ""
			}
			if err := s.commit(o, c.generation, 5); !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			want := int64(-1)
			if c.want == nil {
				want = 5
			}
			if o, ok := s.shard.machine.offsets("g")[TopicPartition{"t", 0}]; ok != (want == 5) || ok && (o.Offset != want || o.CommitTime != s.now.UnixMilli()) {
				t.Errorf("committed is %+v", o)
			}
		})
	}
}

func TestCommitWithoutGroup(t *testing.T) {
	s := newScript(t)
	if err := s.commit(one{}, 3, 1); !errors.Is(err, kerr.IllegalGeneration) {
		t.Error(err)
	}
	if err := s.commit(one{}, -1, 1); err != nil {
		t.Error(err)
	}
	s.state(Empty)
	if got := s.committed(); got != 1 {
		t.Errorf("committed %d", got)
	}
	if list, err := s.c.List(); err != nil || len(list) != 1 || list[0] != (Listed{ID: "g", State: Empty}) {
		t.Error(list, err)
	}
}

// TestCommitKeepsSession: committing is a sign of life.
func TestCommitKeepsSession(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{})
	s.pass(sessionTime - 1)
	if err := s.commit(m[0], 1, 1); err != nil {
		t.Fatal(err)
	}
	s.pass(sessionTime - 1)
	s.beat(m[0], 1, nil)
}

func TestDelete(t *testing.T) {
	s := newScript(t)
	ctx := t.Context()
	if err := s.c.Delete(ctx, "g"); !errors.Is(err, kerr.GroupIDNotFound) {
		t.Error(err)
	}
	m := s.settle(one{})
	if err := s.c.Delete(ctx, "g"); !errors.Is(err, kerr.NonEmptyGroup) {
		t.Error(err)
	}
	if err := s.commit(m[0], 1, 1); err != nil {
		t.Fatal(err)
	}
	s.leave(m[0])
	s.shard.set(func(f *fakeShard) { f.err = kerr.RequestTimedOut })
	if err := s.c.Delete(ctx, "g"); !errors.Is(err, kerr.CoordinatorNotAvailable) {
		t.Error(err)
	}
	s.shard.set(func(f *fakeShard) { f.err = nil })
	if err := s.c.Delete(ctx, "g"); err != nil {
		t.Error(err)
	}
	s.state(Dead)
	if got := s.committed(); got != -1 {
		t.Errorf("committed %d", got)
	}
	if s.shard.machine.exists("g") {
		t.Error("still stored")
	}
	// A group of which only offsets are known.
	if err := s.commit(one{}, -1, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.c.Delete(ctx, "g"); err != nil {
		t.Error(err)
	}
	s.state(Dead)
}

// TestDeleteEndsWithOffice: who waits for a deletion is not left alone.
func TestDeleteEndsWithOffice(t *testing.T) {
	s := newScript(t)
	if err := s.commit(one{}, -1, 1); err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	s.shard.set(func(f *fakeShard) { f.hold = hold })
	done := make(chan error, 1)
	go func() { done <- s.c.Delete(context.Background(), "g") }()
	for deadline := time.Now().Add(10 * time.Second); ; {
		s.c.mu.Lock()
		g := s.c.groups["g"]
		s.c.mu.Unlock()
		if g != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the deletion does not begin")
		}
	}
	s.join(one{}).fails(kerr.CoordinatorNotAvailable)
	s.shard.set(func(f *fakeShard) { f.st.Role = 0 })
	s.c.step(t.Context())
	close(hold)
	if err := <-done; !errors.Is(err, kerr.NotCoordinator) {
		t.Error(err)
	}
}

func TestDeleteOffsets(t *testing.T) {
	subscribe := func(topic string) []byte {
		m := kmsg.NewConsumerMemberMetadata()
		m.Topics = []string{topic}
		return m.AppendTo(nil)
	}
	for name, c := range map[string]struct {
		topic string // that a member subscribes to; "": the member is gone
		want  error
		left  int64
	}{
		"of a topic subscribed to": {"t", kerr.GroupSubscribedToTopic, 1},
		"of another topic":         {"u", nil, -1},
		"without members":          {"", nil, -1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			r := one{}.request(false)
			r.Protocols[0].Metadata = subscribe(c.topic)
			w := s.joinAs(r)
			s.pass(3 * time.Second)
			s.pass(3 * time.Second)
			m := one{id: w.ok().MemberID}
			s.share([]one{m}, 1)
			if err := s.commit(m, 1, 1); err != nil {
				t.Fatal(err)
			}
			if c.topic == "" {
				s.leave(m)
			}
			tp := TopicPartition{"t", 0}
			errs, err := s.c.DeleteOffsets(t.Context(), "g", []TopicPartition{tp})
			if err != nil || !errors.Is(errs[tp], c.want) {
				t.Fatal(errs, err)
			}
			if got := s.committed(); got != c.left {
				t.Errorf("committed %d, want %d", got, c.left)
			}
		})
	}
	if _, err := newScript(t).c.DeleteOffsets(t.Context(), "g", nil); !errors.Is(err, kerr.GroupIDNotFound) {
		t.Error(err)
	}
}

// TestEmptyGroupsGo: a group of which nothing is left is not listed for ever;
// one with offsets is.
func TestEmptyGroupsGo(t *testing.T) {
	for name, committed := range map[string]bool{"without offsets": false, "with offsets": true} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t)
			m := s.settle(one{})
			if committed {
				if err := s.commit(m[0], 1, 1); err != nil {
					t.Fatal(err)
				}
			}
			s.leave(m[0])
			s.c.tasks.Wait() // the empty group is stored
			s.pass(keepEmpty)
			s.c.tasks.Wait()
			if got := s.shard.machine.exists("g"); got != committed {
				t.Errorf("stored: %v", got)
			}
			if list, _ := s.c.List(); (len(list) == 1) != committed {
				t.Errorf("listed: %v", list)
			}
		})
	}
}

// TestCommitAfterLeaving: that the group is empty need not be committed yet, nor
// have worked, for offsets to be reset.
func TestCommitAfterLeaving(t *testing.T) {
	s := newScript(t)
	m := s.settle(one{})
	s.shard.set(func(f *fakeShard) { f.err = kerr.RequestTimedOut })
	s.leave(m[0])
	s.c.tasks.Wait()
	s.shard.set(func(f *fakeShard) { f.err = nil })
	if err := s.commit(one{}, -1, 9); err != nil {
		t.Fatal(err)
	}
	if got := s.committed(); got != 9 {
		t.Errorf("committed %d", got)
	}
}
