package shard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// A node without data may be new in a cluster that forms, or its disk may have
// been emptied. In that case it has forgotten what it promised: for whom it voted,
// and which entries it said to have. Were it to vote like any other, two leaders
// could be elected in one term, and a majority of which it is one could elect a
// leader without entries that were acknowledged because it had them.
//
// So a replica without a log first asks all others what they have (standing), and
// waits until each has answered.
//
//   - If none has anything, the group forms: nothing was ever committed, as that
//     would have left traces on two of them.
//   - Else this one is rebuilt. It begins in the highest term that any of them
//     knows, with its vote spent: whatever it promised was to one of them or known
//     to one of them, in a term not above. It neither votes nor stands for
//     election until it has applied everything that a leader's log held when it
//     was asked after that. All entries that it acknowledged in an earlier life and
//     that were committed are among those.
//
// That it is being rebuilt is noted on the disk before anything else, so that a
// restart in between changes nothing. While one of the others is away as well,
// a replica without data does not take part: then the last copy of something may
// be on the one that is away.

// ServiceStanding is the node-to-node service that asks a replica what it has of a
// shard: request shard u32; answer term u64, last log index u64, leads u8.
const ServiceStanding = 5

const (
	askStandingFirst  = 5 * time.Millisecond // and then twice as long each time
	askStandingEvery  = 100 * time.Millisecond
	askStandingWithin = time.Second
)

// Keys of the stable store. The first three are hashicorp/raft's.
var (
	keyCurrentTerm = []byte("CurrentTerm")
	keyVoteTerm    = []byte("LastVoteTerm")
	keyVoteFor     = []byte("LastVoteCand")
	keyRebuilding  = []byte("Rebuilding") // 1 while this replica must not vote
)

// standing is what a replica has of a shard.
type standing struct {
	term  uint64
	last  uint64 // index; 1 is only the list of members with which the group forms
	leads bool   // and has applied all of earlier terms
}

func (st standing) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, st.term)
	b = binary.BigEndian.AppendUint64(b, st.last)
	if st.leads {
		return append(b, 1)
	}
	return append(b, 0)
}

func decodeStanding(b []byte) (standing, error) {
	if len(b) != 17 {
		return standing{}, fmt.Errorf("answer of %d bytes about what a replica has", len(b))
	}
	return standing{term: binary.BigEndian.Uint64(b), last: binary.BigEndian.Uint64(b[8:]), leads: b[16] == 1}, nil
}

// Standing answers another replica's question, before Raft runs too.
func (s *Shard) Standing() ([]byte, error) {
	term, err := storedUint(s.logStore, keyCurrentTerm)
	if err != nil {
		return nil, fmt.Errorf("standing of shard %d: %w", s.id, err)
	}
	last, err := s.logStore.LastIndex()
	if err != nil {
		return nil, fmt.Errorf("standing of shard %d: %w", s.id, err)
	}
	st := standing{term: term, last: max(last, s.snapshots.Newest())}
	if o := s.office.Load(); o != nil {
		st.leads = o.term == term
	}
	return st.encode(), nil
}

// storedUint is a number of the stable store, 0 when it was never set.
func storedUint(store raft.StableStore, key []byte) (uint64, error) {
	n, err := store.GetUint64(key)
	if err != nil && err.Error() == "not found" { // as Raft tells it
		return 0, nil
	}
	return n, err
}

func (s *Shard) askStanding(ctx context.Context, node int32) (standing, error) {
	ctx, cancel := context.WithTimeout(ctx, askStandingWithin)
	defer cancel()
	b, err := s.mux.Call(ctx, node, ServiceStanding, binary.BigEndian.AppendUint32(nil, s.id))
	if err != nil {
		return standing{}, err
	}
	return decodeStanding(b)
}

// join gives a replica without data its place: in a group that forms, which it
// reports, or as one that is rebuilt. It waits for the answers of all others, or
// the end of ctx.
func (s *Shard) join(ctx context.Context) (forms bool, err error) {
	s.waiting.Store(true)
	defer s.waiting.Store(false)
	highest := standing{}
	for _, node := range s.replicas {
		if node == s.node {
			continue
		}
		st, err := s.untilStanding(ctx, node)
		if err != nil {
			return false, err
		}
		highest.term, highest.last = max(highest.term, st.term), max(highest.last, st.last)
	}
	if highest.last <= 1 {
		return true, s.form(highest.term)
	}
	s.log.Info("this replica is empty and the cluster is not: rebuilding it from the others", "term", highest.term, "last", highest.last)
	return false, s.enter(highest.term)
}

// untilStanding asks a node until it answers.
func (s *Shard) untilStanding(ctx context.Context, node int32) (standing, error) {
	pause := askStandingFirst
	for tries := 0; ; tries++ {
		st, err := s.askStanding(ctx, node)
		if err == nil {
			return st, nil
		}
		if tries == int(10*time.Second/askStandingEvery) {
			s.log.Warn("this replica is empty: it takes no part until every other node has told what it has", "missing", node, "error", err)
		}
		select {
		case <-ctx.Done():
			return standing{}, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, askStandingEvery)
	}
}

// form writes the list of members. Every node forms the group with the same, so
// that it does not matter which one is first.
func (s *Shard) form(term uint64) error {
	if term > 1 { // somebody has tried to be elected already, with this one's vote perhaps
		if err := s.spendVote(term); err != nil {
			return err
		}
	}
	var members raft.Configuration
	for _, node := range s.replicas {
		id := serverID(node)
		members.Servers = append(members.Servers, raft.Server{ID: id, Address: raft.ServerAddress(id)})
	}
	if err := raft.BootstrapCluster(s.config(), s.logStore, s.logStore, s.snapshots, s.transport(), members); err != nil {
		return err
	}
	if term > 1 {
		return s.logStore.SetUint64(keyCurrentTerm, term)
	}
	return nil
}

// enter begins a replica's life in a group that exists: it gets everything, the
// list of members too, from the leader. The term comes last: with it this replica
// is not without data any more.
func (s *Shard) enter(term uint64) error {
	if err := s.logStore.SetUint64(keyRebuilding, 1); err != nil {
		return err
	}
	if err := s.spendVote(term); err != nil {
		return err
	}
	s.rebuilding.Store(true)
	return s.logStore.SetUint64(keyCurrentTerm, term)
}

// spendVote gives this replica's vote in a term to nobody.
func (s *Shard) spendVote(term uint64) error {
	return errors.Join(s.logStore.SetUint64(keyVoteTerm, term), s.logStore.Set(keyVoteFor, []byte("nobody")))
}

// rebuild waits until this replica has what it may have had before, and lets it
// vote again.
func (s *Shard) rebuild(ctx context.Context) {
	if !s.rebuilding.Load() {
		return
	}
	tick := time.NewTicker(askStandingEvery)
	defer tick.Stop()
	var leader int32
	var from standing // the leader's, when it was asked
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		st := s.Status()
		if st.Leader < 0 || st.Leader == s.node {
			continue
		}
		if st.Leader != leader || uint64(st.Epoch) != from.term {
			asked, err := s.askStanding(ctx, st.Leader)
			if err != nil || !asked.leads {
				continue
			}
			leader, from = st.Leader, asked
		}
		if st.Applied < from.last || uint64(st.Epoch) != from.term {
			continue
		}
		if err := s.logStore.SetUint64(keyRebuilding, 0); err != nil {
			s.diskFailed(err)
			return
		}
		s.rebuilding.Store(false)
		s.transport().SetVoting(true)
		s.log.Info("this replica has been rebuilt and votes again", "leader", leader, "applied", st.Applied)
		return
	}
}
