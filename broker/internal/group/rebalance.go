package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// rebalance starts a rebalance unless one waits for members already, and ends
// that wait if nobody is missing. The lock is held.
func (c *Coordinator) rebalance(g *group) {
	if g.state != Preparing {
		c.prepare(g)
	}
	c.completeIfJoined(g)
}

// prepare has the group wait for its members to join.
func (c *Coordinator) prepare(g *group) {
	now := c.Now()
	timeout := g.rebalanceTimeout()
	g.joinUntil, g.initialUntil = now.Add(timeout), time.Time{}
	if g.state == Empty && c.InitialDelay > 0 {
		g.joinUntil, g.initialUntil = now.Add(min(c.InitialDelay, timeout)), now.Add(timeout)
	}
	c.by(g.joinUntil)
	if g.state == Completing {
		g.dropAssignments(kerr.RebalanceInProgress)
	}
	for _, m := range g.members {
		m.synced = false
	}
	g.state, g.grown, g.syncUntil = Preparing, false, time.Time{}
}

// dropAssignments sends away those who wait for an assignment.
func (g *group) dropAssignments(err error) {
	for _, m := range g.members {
		m.Assignment = nil
		m.failSync(err)
	}
}

// completeIfJoined ends the wait for members when nobody is missing; a first
// rebalance waits for its time.
func (c *Coordinator) completeIfJoined(g *group) {
	if g.state == Preparing && g.initialUntil.IsZero() && g.allJoined() {
		c.complete(g)
	}
}

// joinTimeout is for when joinUntil has come.
func (c *Coordinator) joinTimeout(g *group, now time.Time) {
	if g.grown && now.Before(g.initialUntil) {
		g.grown = false
		g.joinUntil = c.by(earliest(now.Add(c.InitialDelay), g.initialUntil))
		return
	}
	c.complete(g)
}

// complete begins the next generation with those who have joined. Static
// members keep their place; dynamic ones that are missing lose it.
func (c *Coordinator) complete(g *group) {
	for _, id := range g.memberIDs() {
		if m := g.members[id]; m.joining == nil && m.InstanceID == nil {
			c.Log.Info("member did not join in time", "group", g.id, "member", id)
			g.remove(m, kerr.UnknownMemberID)
		}
	}
	now := c.Now()
	if len(g.members) > 0 && !g.electLeader() {
		// Only static members are left, and none has come: nobody could
		// assign. Their sessions end this, if nothing else does.
		g.joinUntil, g.initialUntil = c.by(now.Add(g.rebalanceTimeout())), time.Time{}
		return
	}
	g.generation++
	g.joinUntil, g.initialUntil = time.Time{}, time.Time{}
	if len(g.members) == 0 {
		c.empty(g)
		return
	}
	g.state, g.protocol = Completing, g.elect()
	g.syncUntil = c.by(now.Add(g.rebalanceTimeout()))
	c.Log.Info("rebalanced", "group", g.id, "generation", g.generation, "members", len(g.members), "protocol", g.protocol)
	for _, m := range g.members {
		m.heard(now)
		c.by(m.until)
		m.synced = false
		w := m.joining
		m.joining = nil
		w.answer(g.joined(m), nil)
	}
}

// empty is the end of a rebalance to which nobody came.
func (c *Coordinator) empty(g *group) {
	g.state, g.protocol, g.leader = Empty, "", ""
	g.emptySince = c.Now()
	c.by(g.emptySince.Add(keepEmpty))
	c.Log.Info("group is empty", "group", g.id, "generation", g.generation)
	c.saveEmpty(g)
}

// saveEmpty stores that a group has no members. A failure is not tried again
// before it matters: a coordinator to come would miss them soon enough.
func (c *Coordinator) saveEmpty(g *group) {
	g.unsaved = false
	c.save(g, func(err error) { g.unsaved = err != nil })
}

// gone is called after members were removed (lost), or only ids that nobody
// has joined with: the others share out anew what was the members'; such an id
// had nothing, and at most a rebalance under way waited for it.
func (c *Coordinator) gone(g *group, lost bool) {
	switch {
	case g.state == Preparing:
		c.completeIfJoined(g)
	case lost && (g.state == Stable || g.state == Completing):
		c.rebalance(g)
	}
}
