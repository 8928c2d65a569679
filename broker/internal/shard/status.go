package shard

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/rafttransport"
)

// Status returns the current status.
func (s *Shard) Status() Status {
	r := s.raft()
	if r == nil {
		return Status{Leader: -1, Heard: -1, Waiting: s.waiting.Load(), Rebuilding: s.rebuilding.Load()}
	}
	st := Status{Leader: -1, Rebuilding: s.rebuilding.Load(), Applied: r.AppliedIndex(), Last: r.LastIndex(), Commit: r.CommitIndex()}
	view := s.transport().Leader()
	term := r.CurrentTerm()
	if st.Heard = -1; view.Term == term {
		st.Heard = view.Node
	}
	st.Epoch = int32(term)
	o := s.office.Load()
	switch r.State() {
	case raft.Leader:
		st.Role, st.Leader = Leader, s.node
		st.Ready = o != nil && o.term == term
		st.LastContact = s.quorumContact()
	case raft.Candidate:
		st.Role, st.LastContact = Candidate, view.LastContact
	default:
		st.LastContact = view.LastContact
		if _, id := r.LeaderWithID(); id != "" && view.Term == term {
			st.Leader = view.Node
		}
		st.Commit = max(st.Commit, view.Commit)
		if st.Commit > st.Applied {
			st.LagEntries = st.Commit - st.Applied
			st.LagSince = s.lag.since(st.Applied)
		}
	}
	return st
}

// Storage returns what the shard takes on disk now.
func (s *Shard) Storage() Storage {
	u := s.logStore.Usage()
	return Storage{FirstIndex: u.First, Segments: u.Segments, LogBytes: u.EntryBytes, DiskBytes: u.FileBytes, SnapshotIndex: s.snapshots.Newest()}
}

// quorumContact is when this leader last heard from enough replicas to make a
// majority with itself: now, for a group of one.
func (s *Shard) quorumContact() time.Time {
	need := len(s.replicas) / 2 // besides itself
	if need == 0 {
		return time.Now()
	}
	var contacts []time.Time
	for _, p := range s.Followers() {
		contacts = append(contacts, p.LastContact)
	}
	for i := range contacts { // few: the need-th newest
		newer := 0
		for _, c := range contacts {
			if c.After(contacts[i]) {
				newer++
			}
		}
		if newer == need-1 {
			return contacts[i]
		}
	}
	return time.Time{}
}

// Followers returns the progress of the other replicas; empty unless leader.
func (s *Shard) Followers() []Progress {
	r := s.raft()
	if r == nil || r.State() != raft.Leader {
		return nil
	}
	t := s.transport()
	all := make([]Progress, 0, len(s.replicas)-1)
	for _, node := range s.replicas {
		if node != s.node {
			match, contact := t.Follower(node)
			all = append(all, Progress{Node: node, Match: match, LastContact: contact, LagSince: s.lag.since(match), Lost: s.mux.Lost(node)})
		}
	}
	return all
}

// FollowerEnd is the offset after the newest committed record of k that the
// follower has acknowledged (leader only).
func (s *Shard) FollowerEnd(node int32, k partition.Key) int64 {
	match, _ := s.transport().Follower(node)
	return s.set.Partition(k).EndAt(match)
}

// FollowerLag is what the follower lacks of k, as far as this replica has
// applied it (leader only).
func (s *Shard) FollowerLag(node int32, k partition.Key) (records, bytes int64) {
	match, _ := s.transport().Follower(node)
	return s.set.Partition(k).Above(match)
}

// LogEnd is the offset after the newest committed record of k on this replica.
func (s *Shard) LogEnd(k partition.Key) int64 { return s.set.Partition(k).HighWatermark() }

// Watch wakes w whenever the shard's leader, term or readiness changes, until
// Unwatch.
func (s *Shard) Watch(w *partition.Watcher) { s.watchers.add(w) }

// Unwatch ends Watch.
func (s *Shard) Unwatch(w *partition.Watcher) { s.watchers.remove(w) }

func (s *Shard) wakeAll() {
	s.changed.wake()
	s.watchers.wake()
	s.set.WakeAll()
}

// monitor notes when what was committed, and wakes watchers when the
// leader or the term changes.
func (s *Shard) monitor(ctx context.Context) {
	const every = 250 * time.Millisecond
	changes := make(chan raft.Observation, 16)
	observer := raft.NewObserver(changes, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	r := s.raft()
	r.RegisterObserver(observer)
	defer r.DeregisterObserver(observer)
	tick := rafttransport.NewBeat(every)
	defer tick.Stop()
	var seen Status
	for {
		select {
		case <-ctx.Done():
			return
		case <-changes:
		case <-tick.C:
			tick.Next()
		}
		st := s.Status()
		now := time.Now()
		needed := st.Applied
		for _, p := range s.Followers() {
			needed = min(needed, p.Match)
		}
		s.lag.note(st.Commit, needed, now)
		if st.Leader != seen.Leader || st.Epoch != seen.Epoch || st.Ready != seen.Ready {
			s.wakeAll()
		}
		seen = st
	}
}

// watchers are woken together.
type watchers struct {
	mu sync.Mutex
	by map[*partition.Watcher]struct{}
}

func (ws *watchers) add(w *partition.Watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.by == nil {
		ws.by = map[*partition.Watcher]struct{}{}
	}
	ws.by[w] = struct{}{}
}

func (ws *watchers) remove(w *partition.Watcher) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.by, w)
}

func (ws *watchers) wake() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.by {
		w.Wake()
	}
}

// signal lets many wait for the next of many events.
type signal struct {
	c atomic.Pointer[chan struct{}]
}

// next returns a channel that is closed by the next wake.
func (g *signal) next() <-chan struct{} {
	for {
		if c := g.c.Load(); c != nil {
			return *c
		}
		c := make(chan struct{})
		if g.c.CompareAndSwap(nil, &c) {
			return c
		}
	}
}

func (g *signal) wake() {
	if c := g.c.Swap(nil); c != nil {
		close(*c)
	}
}
