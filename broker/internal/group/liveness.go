package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Heartbeat keeps a member's session alive and tells it of rebalances
// (kerr.RebalanceInProgress).
func (c *Coordinator) Heartbeat(groupID, memberID string, instance *string, generation int32) error {
	if groupID == "" {
		return kerr.InvalidGroupID
	}
	if err := c.enter(); err != nil {
		return err
	}
	defer c.mu.Unlock()
	g, m, err := c.memberOf(groupID, memberID, instance)
	switch {
	case err != nil:
		return err
	case generation != g.generation:
		return kerr.IllegalGeneration
	}
	m.heard(c.Now())
	if g.state == Preparing {
		return kerr.RebalanceInProgress
	}
	return nil
}

// Leaver is a member that leaves: by its id, or by its instance id alone, as
// an administrator removes static members.
type Leaver struct {
	MemberID   string
	InstanceID *string
}

// Leave removes members. The errors are theirs, in order; err is for all.
func (c *Coordinator) Leave(groupID string, leavers []Leaver) (errs []error, err error) {
	if groupID == "" {
		return nil, kerr.InvalidGroupID
	}
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.mu.Unlock()
	g := c.groups[groupID]
	members := 0
	if g != nil {
		members = len(g.members)
	}
	for _, l := range leavers {
		errs = append(errs, c.leave(groupID, l))
	}
	if g != nil {
		c.gone(g, len(g.members) < members)
	}
	return errs, nil
}

func (c *Coordinator) leave(groupID string, l Leaver) error {
	if g := c.groups[groupID]; g != nil && l.InstanceID == nil {
		if _, ok := g.pending[l.MemberID]; ok {
			delete(g.pending, l.MemberID)
			return nil
		}
	} else if g != nil && l.MemberID == "" {
		l.MemberID = g.static[*l.InstanceID]
	}
	g, m, err := c.memberOf(groupID, l.MemberID, l.InstanceID)
	if err != nil {
		return err
	}
	c.Log.Info("member left", "group", g.id, "member", m.ID)
	g.remove(m, kerr.UnknownMemberID)
	return nil
}

// deadline is when something is due in the group next; zero for never.
func (g *group) deadline() time.Time {
	var next time.Time
	note := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	note(g.joinUntil)
	note(g.syncUntil)
	for _, until := range g.pending {
		note(until)
	}
	for _, m := range g.members {
		if m.joining == nil && m.syncing == nil {
			note(m.until)
		}
	}
	if g.state == Empty {
		note(g.emptySince.Add(keepEmpty))
	}
	return next
}

// expire does what is due in a group; the lock is held.
func (c *Coordinator) expire(g *group, now time.Time) {
	due := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	members, pending := len(g.members), len(g.pending)
	for id, until := range g.pending {
		if due(until) {
			delete(g.pending, id)
		}
	}
	for _, id := range g.memberIDs() {
		m := g.members[id]
		if m.joining == nil && m.syncing == nil && due(m.until) {
			c.Log.Info("member's session ended", "group", g.id, "member", id, "timeout_ms", m.SessionTimeout)
			g.remove(m, kerr.UnknownMemberID)
		}
	}
	if due(g.syncUntil) {
		g.syncUntil = time.Time{}
		for _, id := range g.memberIDs() {
			if m := g.members[id]; !m.synced {
				c.Log.Info("member did not ask for its assignment", "group", g.id, "member", id)
				g.remove(m, kerr.UnknownMemberID)
			}
		}
	}
	if lost := len(g.members) < members; lost || len(g.pending) < pending {
		c.gone(g, lost)
	}
	if g.state == Preparing && due(g.joinUntil) {
		c.joinTimeout(g, now)
	}
	if g.state == Empty && due(g.emptySince.Add(keepEmpty)) {
		c.sweep(g, now)
	}
}

// sweep removes an empty group of which nothing is left.
func (c *Coordinator) sweep(g *group, now time.Time) {
	if len(g.pending) > 0 || len(g.stores) > 0 || len(c.machine.offsets(g.id)) > 0 {
		g.emptySince = now // look again
		return
	}
	c.delete(g, nil)
}
