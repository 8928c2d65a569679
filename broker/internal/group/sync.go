package group

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
)

// SyncRequest is a SyncGroup.
type SyncRequest struct {
	Group        string
	MemberID     string
	InstanceID   *string
	Generation   int32
	ProtocolType *string           // nil when the version has none
	Protocol     *string           // likewise
	Assignments  map[string][]byte // from the leader: by member id
}

// SyncResult is its answer.
type SyncResult struct {
	ProtocolType string
	Protocol     string
	Assignment   []byte
}

// Sync waits for the member's assignment in a generation, which the leader's
// Sync brings.
func (c *Coordinator) Sync(ctx context.Context, r SyncRequest) (SyncResult, error) {
	if r.Group == "" {
		return SyncResult{}, kerr.InvalidGroupID
	}
	if err := c.enter(); err != nil {
		return SyncResult{}, err
	}
	m, w, result, err := c.sync(&r)
	c.mu.Unlock()
	if w == nil {
		return result, err
	}
	return awaitAnswer(ctx, c, m, w, &m.syncing, SyncResult{})
}

// sync is Sync with the lock held; it returns who waits, and for what, if the
// assignment is not known yet.
func (c *Coordinator) sync(r *SyncRequest) (*member, *wait[SyncResult], SyncResult, error) {
	g, m, err := c.memberOf(r.Group, r.MemberID, r.InstanceID)
	switch {
	case err != nil:
		return nil, nil, SyncResult{}, err
	case r.Generation != g.generation:
		return nil, nil, SyncResult{}, kerr.IllegalGeneration
	case r.ProtocolType != nil && *r.ProtocolType != g.protocolType, r.Protocol != nil && *r.Protocol != g.protocol:
		return nil, nil, SyncResult{}, kerr.InconsistentGroupProtocol
	}
	switch g.state {
	case Preparing:
		return nil, nil, SyncResult{}, kerr.RebalanceInProgress
	case Stable:
		m.synced = true
		m.heard(c.Now())
		return nil, nil, g.assigned(m), nil
	}
	// Completing.
	assigning := g.leader == m.ID && !m.synced
	m.synced = true
	m.failSync(kerr.RebalanceInProgress) // an earlier request of the same member
	w := newWait[SyncResult]()
	m.syncing = w
	if assigning {
		c.assign(g, r.Assignments)
	}
	return m, w, SyncResult{}, nil
}

// assign takes the leader's assignments, and ends the rebalance once they are
// committed. A member that the leader left out gets an empty one.
func (c *Coordinator) assign(g *group, assignments map[string][]byte) {
	for _, m := range g.members {
		m.Assignment = assignments[m.ID]
	}
	generation := g.generation
	c.save(g, func(err error) {
		if g.state != Completing || g.generation != generation {
			return // another rebalance has begun, and told everybody
		}
		if err != nil {
			g.dropAssignments(err)
			c.rebalance(g)
			return
		}
		g.state = Stable
		now := c.Now()
		for _, m := range g.members {
			m.heard(now)
			c.by(m.until)
			w := m.syncing
			m.syncing = nil
			w.answer(g.assigned(m), nil)
		}
	})
}

func (g *group) assigned(m *member) SyncResult {
	return SyncResult{ProtocolType: g.protocolType, Protocol: g.protocol, Assignment: m.Assignment}
}

// memberOf finds the member that a request is from; the lock is held. Errors
// are those of group.find.
func (c *Coordinator) memberOf(id, memberID string, instance *string) (*group, *member, error) {
	g := c.groups[id]
	switch {
	case g == nil:
		return nil, nil, kerr.UnknownMemberID
	case g.state == Dead:
		return nil, nil, kerr.CoordinatorNotAvailable
	}
	m, err := g.find(memberID, instance)
	return g, m, err
}
