package group

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/shard"
)

// fakeShard commits at once, to the Machine of its node.
type fakeShard struct {
	machine *Machine

	mu       sync.Mutex // guards what follows
	st       shard.Status
	err      error         // of every Propose
	hold     chan struct{} // not nil: Propose waits until it is closed
	proposed int
}

func (s *fakeShard) Status() shard.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.st
}

func (s *fakeShard) set(change func(s *fakeShard)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *fakeShard) Propose(ctx context.Context, kind byte, cmd []byte) (any, error) {
	s.mu.Lock()
	hold := s.hold
	s.proposed++
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, kerr.RequestTimedOut
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case kind != Kind:
		return nil, fmt.Errorf("kind %d", kind)
	case s.err != nil:
		return nil, s.err
	case s.st.Role != shard.Leader:
		return nil, kerr.NotLeaderForPartition
	}
	return s.machine.Apply(cmd), nil
}

func (s *fakeShard) Watch(*partition.Watcher)   {}
func (s *fakeShard) Unwatch(*partition.Watcher) {}

// script drives a coordinator step by step: its clock stands still in between,
// and nothing is due before step.
type script struct {
	t     *testing.T
	c     *Coordinator
	shard *fakeShard
	now   time.Time
	ids   int
}

// newScript is a coordinator in office, in epoch 1.
func newScript(t *testing.T) *script {
	s := &script{t: t, now: time.UnixMilli(1_000_000)}
	s.elect(NewMachine(), 1)
	return s
}

// elect puts a new node in office, with a replica of the Machine.
func (s *script) elect(m *Machine, epoch int32) {
	s.t.Helper()
	s.shard = &fakeShard{machine: m, st: shard.Status{Role: shard.Leader, Ready: true, Epoch: epoch}}
	s.c = NewCoordinator(m, s.shard, Options{
		InitialDelay: 3 * time.Second,
		Now:          func() time.Time { return s.now },
		NewID:        func() string { s.ids++; return fmt.Sprint(s.ids) },
	})
	s.t.Cleanup(s.c.Close)
	s.c.step(s.t.Context())
	if s.c.epoch != epoch {
		s.t.Fatalf("office of epoch %d, want %d", s.c.epoch, epoch)
	}
}

// pass lets time go by and does what is due.
func (s *script) pass(d time.Duration) {
	s.now = s.now.Add(d)
	s.c.step(s.t.Context())
}

// one is a client.
type one struct {
	id, instance string
	protocols    string // one letter each
	skip         bool   // speaks version 9
}

func (o one) instanceID() *string {
	if o.instance == "" {
		return nil
	}
	return &o.instance
}

const (
	sessionTime   = 10 * time.Second
	rebalanceTime = 60 * time.Second
)

func (o one) request(requireID bool) *JoinRequest {
	r := &JoinRequest{
		Group: "g", MemberID: o.id, InstanceID: o.instanceID(), ClientID: "c", ClientHost: "/h",
		SessionTimeout: int32(sessionTime.Milliseconds()), RebalanceTimeout: int32(rebalanceTime.Milliseconds()),
		ProtocolType: "consumer", RequireID: requireID, CanSkip: o.skip,
	}
	names := o.protocols
	if names == "" {
		names = "a"
	}
	for _, name := range names {
		r.Protocols = append(r.Protocols, Protocol{Name: string(name), Metadata: []byte("of a client")})
	}
	return r
}

// waiting is an answer that may still be to come.
type waiting[T any] struct {
	t *testing.T
	w *wait[T] // nil: it has come
	answered[T]
}

// get waits for the answer.
func (w *waiting[T]) get() (T, error) {
	w.t.Helper()
	if w.w != nil {
		select {
		case w.answered = <-w.w.c:
			w.w = nil
		case <-time.After(10 * time.Second):
			w.t.Fatal("no answer")
		}
	}
	return w.result, w.err
}

// ok is get for an answer without an error.
func (w *waiting[T]) ok() T {
	w.t.Helper()
	result, err := w.get()
	if err != nil {
		w.t.Fatalf("answer is %v", err)
	}
	return result
}

// fails checks that the answer is an error.
func (w *waiting[T]) fails(want error) {
	w.t.Helper()
	if _, err := w.get(); !errors.Is(err, want) {
		w.t.Fatalf("answer is %v, want %v", err, want)
	}
}

// parked checks that there is no answer yet.
func (w *waiting[T]) parked() {
	w.t.Helper()
	if w.w == nil || len(w.w.c) > 0 {
		w.t.Fatal("answered too early")
	}
}

func (s *script) join(o one) *waiting[JoinResult] {
	s.t.Helper()
	return s.joinAs(o.request(false))
}

func (s *script) joinAs(r *JoinRequest) *waiting[JoinResult] {
	s.t.Helper()
	if err := s.c.enter(); err != nil {
		return &waiting[JoinResult]{t: s.t, answered: answered[JoinResult]{err: err}}
	}
	defer s.c.mu.Unlock()
	_, w, result, err := s.c.join(r)
	return &waiting[JoinResult]{s.t, w, answered[JoinResult]{result, err}}
}

// sync asks for o's assignment; as leader it brings everybody's, which is the
// member's id.
func (s *script) sync(o one, generation int32) *waiting[SyncResult] {
	s.t.Helper()
	if err := s.c.enter(); err != nil {
		return &waiting[SyncResult]{t: s.t, answered: answered[SyncResult]{err: err}}
	}
	defer s.c.mu.Unlock()
	r := &SyncRequest{Group: "g", MemberID: o.id, InstanceID: o.instanceID(), Generation: generation, Assignments: map[string][]byte{}}
	if g := s.c.groups["g"]; g != nil && g.leader == o.id {
		for id := range g.members {
			r.Assignments[id] = []byte(id)
		}
	}
	_, w, result, err := s.c.sync(r)
	return &waiting[SyncResult]{s.t, w, answered[SyncResult]{result, err}}
}

func (s *script) beat(o one, generation int32, want error) {
	s.t.Helper()
	if err := s.c.Heartbeat("g", o.id, o.instanceID(), generation); !errors.Is(err, want) {
		s.t.Fatalf("heartbeat of %s: %v, want %v", o.id, err, want)
	}
}

func (s *script) leave(o one) {
	s.t.Helper()
	errs, err := s.c.Leave("g", []Leaver{{MemberID: o.id, InstanceID: o.instanceID()}})
	if err = errors.Join(append(errs, err)...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) commit(o one, generation int32, offset int64) error {
	return s.c.Commit(s.t.Context(), CommitRequest{
		Group: "g", MemberID: o.id, InstanceID: o.instanceID(), Generation: generation,
		Offsets: map[TopicPartition]Offset{{"t", 0}: {Offset: offset}},
	})
}

func (s *script) committed() int64 {
	s.t.Helper()
	offsets, err := s.c.Offsets("g")
	if err != nil {
		s.t.Fatal(err)
	}
	if o, ok := offsets[TopicPartition{"t", 0}]; ok {
		return o.Offset
	}
	return -1
}

func (s *script) state(want State) {
	s.t.Helper()
	d, err := s.c.Describe("g")
	if err != nil || d.State != want {
		s.t.Fatalf("group is %s (%v), want %s", d.State, err, want)
	}
}

// settle takes clients, which are new, through the first rebalance, and
// returns them with their ids. The first of them leads.
func (s *script) settle(clients ...one) []one {
	s.t.Helper()
	var joins []*waiting[JoinResult]
	for _, o := range clients {
		joins = append(joins, s.join(o))
	}
	s.pass(3 * time.Second)
	s.pass(3 * time.Second)
	for i, j := range joins {
		clients[i].id = j.ok().MemberID
	}
	s.share(clients, 1)
	return clients
}

// share has clients ask for their assignments, the leader last.
func (s *script) share(clients []one, generation int32) {
	s.t.Helper()
	var syncs []*waiting[SyncResult]
	for i := len(clients) - 1; i >= 0; i-- {
		syncs = append(syncs, s.sync(clients[i], generation))
	}
	for i, w := range syncs {
		if got, want := string(w.ok().Assignment), clients[len(clients)-1-i].id; got != want {
			s.t.Fatalf("%s got the assignment of %q", want, got)
		}
	}
	s.state(Stable)
}
