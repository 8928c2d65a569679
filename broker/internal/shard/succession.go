package shard

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// A dead leader's successor need not wait for Raft's timers. They are long,
// because on a machine with too much to do a live leader can be silent for
// long; but when a process ends, its connections end with it, and that is seen
// at once. A follower that has lost all connections to and from its leader asks
// the other replicas; if a majority has lost them, the leader could not commit
// anything any more, dead or not, so standing for election now takes nothing
// from anyone. Of those that agree, only the one that Raft's rule would prefer
// stands, so that they do not split the vote. Whatever goes wrong here, the
// timers still run.
//
// The first leader of a replica's life is found in the same way: a majority that
// knows of none has none to lose. There the replicas are given a little time to
// start, for one that is late may be the one to prefer.

// ServiceLeaderLost is the node-to-node service that asks a replica whether it
// has lost the leader too, or for -1 whether it knows of none: request shard u32,
// leader i32; answer lost u8, last log term u64, last log index u64.
const ServiceLeaderLost = 4

const (
	// lostFor is how long the connections must have been gone: a connection
	// that was reset is there again by then.
	lostFor = 60 * time.Millisecond
	// askEvery is the pause between two looks.
	askEvery = 15 * time.Millisecond
	// askWithin bounds one question.
	askWithin = 200 * time.Millisecond
	// allStart is for how long a first leader has to be agreed on by all replicas;
	// then a majority is enough.
	allStart = 250 * time.Millisecond
	// nobody is the leader that a replica has which knows of none.
	nobody = int32(-1)
)

// claim is what a replica says when it is asked about its leader.
type claim struct {
	lost        bool
	term, index uint64 // of its newest log entry
	rank        int    // 0 is the replica that should lead, and so on; both sides know it
}

func (c claim) encode() []byte {
	b := make([]byte, 1, 17)
	if c.lost {
		b[0] = 1
	}
	b = binary.BigEndian.AppendUint64(b, c.term)
	return binary.BigEndian.AppendUint64(b, c.index)
}

func decodeClaim(rank int, b []byte) (claim, error) {
	if len(b) != 17 {
		return claim{}, fmt.Errorf("answer of %d bytes about a lost leader", len(b))
	}
	return claim{lost: b[0] == 1, term: binary.BigEndian.Uint64(b[1:]), index: binary.BigEndian.Uint64(b[9:]), rank: rank}, nil
}

// heir tells whether mine is to stand: so many replicas have lost the leader, and
// none of those has a better log, or the same and a better rank.
func heir(mine claim, others []claim, quorum int) bool {
	agree := 1
	for _, o := range others {
		if !o.lost {
			continue
		}
		agree++
		if cmp.Or(cmp.Compare(o.term, mine.term), cmp.Compare(o.index, mine.index), cmp.Compare(mine.rank, o.rank)) > 0 {
			return false
		}
	}
	return mine.lost && agree >= quorum
}

// rank orders the replicas: who should lead, and who comes next.
func (s *Shard) rank(node int32) int {
	n := len(s.replicas)
	return (slices.Index(s.replicas, node) - int(s.id)%n + n) % n
}

// succeed finds a first leader, and then watches for the end of leaders'
// processes until ctx ends.
func (s *Shard) succeed(ctx context.Context) {
	s.succeedTo(ctx, nobody)
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.peerLost:
		}
		if leader := s.Status().Leader; !s.rebuilding.Load() && leader >= 0 && leader != s.node {
			s.succeedTo(ctx, leader)
		}
	}
}

// succeedTo looks until there is another leader, the old one is there again, or
// Raft's timers have had their time.
func (s *Shard) succeedTo(ctx context.Context, leader int32) {
	ctx, cancel := context.WithTimeout(ctx, 2*heartbeatTimeout)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	begun := time.Now()
	for s.raft().State() == raft.Follower && s.missing(leader) {
		quorum := len(s.replicas)/2 + 1
		if leader == nobody && time.Since(begun) < allStart {
			quorum = len(s.replicas)
		}
		if mine := s.claim(leader); mine.lost && heir(mine, s.askOthers(ctx, leader), quorum) {
			s.log.Info("there is no leader any more, or none yet: standing for election", "last", leader)
			if !s.transport().Stand() {
				s.log.Warn("Raft is too busy to stand for election")
			}
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// missing tells whether leader is the last that this replica knows, and may be
// gone.
func (s *Shard) missing(leader int32) bool {
	return s.Status().Leader == leader && (leader == nobody || s.mux.Lost(leader) > 0)
}

// claim is this replica's own answer about leader; nobody asks whether it knows
// of none.
func (s *Shard) claim(leader int32) claim {
	c := claim{rank: s.rank(s.node), lost: s.missing(leader) && (leader == nobody || s.mux.Lost(leader) >= lostFor)}
	last, err := s.logStore.LastIndex()
	if err != nil {
		return claim{}
	}
	var e raft.Log
	if s.logStore.GetLog(last, &e) == nil { // else all of it lies in a snapshot
		c.term, c.index = e.Term, e.Index
	}
	return c
}

// askOthers asks all replicas but this one and the leader, at the same time.
// Those that do not answer in time have no say.
func (s *Shard) askOthers(ctx context.Context, leader int32) []claim {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	req := binary.BigEndian.AppendUint32(nil, s.id)
	req = binary.BigEndian.AppendUint32(req, uint32(leader))
	answers := make(chan claim, len(s.replicas))
	asked := 0
	for _, node := range s.replicas {
		if node == s.node || node == leader {
			continue
		}
		asked++
		go func() {
			var c claim
			if b, err := s.mux.Call(ctx, node, ServiceLeaderLost, req); err == nil {
				c, _ = decodeClaim(s.rank(node), b) // an answer that cannot be read has no say
			}
			answers <- c
		}()
	}
	var out []claim
	for range asked {
		out = append(out, <-answers)
	}
	return out
}

// LeaderLost answers another replica's question about leader.
func (s *Shard) LeaderLost(leader int32) []byte {
	if s.raft() == nil || s.rebuilding.Load() {
		return claim{}.encode()
	}
	return s.claim(leader).encode()
}

// noticeLost is called by the transport when the last connection of a peer has
// ended.
func (s *Shard) noticeLost(int32) {
	select {
	case s.peerLost <- struct{}{}:
	default:
	}
}
