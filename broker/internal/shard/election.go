package shard

import (
	"context"
	"time"

	"github.com/hashicorp/raft"
)

// preferred is the node that should lead the shard, so that leaders are spread
// over the cluster: the replica at position id modulo their number.
func (s *Shard) preferred() int32 { return s.replicas[int(s.id)%len(s.replicas)] }

// patience is by how much longer the others wait for a leader than the
// preferred node when the group forms. Election timeouts are drawn between one
// and two heartbeat timeouts, so that at three the preferred node goes first
// even if it was started half a second later than the rest.
const patience = 3

// firstTimeout is how long this node waits for its first leader. When a cluster
// forms, whoever is first would else be elected, and hand over seconds later to
// who is preferred: clients that come just then would have to move twice. A
// preferred node that is not there costs the others the difference, once. On
// logs that are not new it would cost more than it brings: there, the preferred
// node often lacks the last entries and cannot be elected.
func (s *Shard) firstTimeout(forming bool) time.Duration {
	if !forming || s.node == s.preferred() {
		return heartbeatTimeout
	}
	return patience * heartbeatTimeout
}

// endFirstTimeout goes over to the usual timeout as soon as there is a leader.
func (s *Shard) endFirstTimeout(ctx context.Context) {
	r := s.raft()
	usual := r.ReloadableConfig()
	if usual.HeartbeatTimeout == heartbeatTimeout {
		return
	}
	usual.HeartbeatTimeout, usual.ElectionTimeout = heartbeatTimeout, heartbeatTimeout
	elected := make(chan raft.Observation, 1)
	observer := raft.NewObserver(elected, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	r.RegisterObserver(observer)
	defer r.DeregisterObserver(observer)
	for {
		if _, leader := r.LeaderWithID(); leader != "" {
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-elected:
		}
	}
	if err := r.ReloadConfig(usual); err != nil {
		s.log.Warn("go over to the usual election timeout", "error", err)
	}
}
