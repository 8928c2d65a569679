package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
)

// takeOver gives a static member's place to the process that has come back
// under its instance id, with a new member id; the old id is fenced. While
// the group is stable and the protocol stays, that needs no rebalance, but the
// new id must be committed before its owner is told.
func (c *Coordinator) takeOver(g *group, r *JoinRequest, old *member, id string) (*member, *wait[JoinResult], JoinResult, error) {
	before := old.Member
	ledBefore := g.leader
	m := g.rename(old, id, kerr.FencedInstanceID)
	m.update(r)
	m.heard(c.Now())
	c.by(m.until)
	if g.state != Stable || g.elect() != g.protocol {
		return m, c.joinRebalance(g, r, m), JoinResult{}, nil
	}
	w := newWait[JoinResult]()
	m.joining = w
	generation := g.generation
	c.save(g, func(err error) {
		if m.joining != w || g.state != Stable || g.generation != generation {
			return // a rebalance has begun: it will answer
		}
		if err != nil {
			back := g.rename(m, before.ID, kerr.UnknownMemberID)
			back.Member = before
			return
		}
		m.joining = nil
		m.heard(c.Now())
		c.by(m.until)
		result := g.joined(m)
		switch {
		case r.CanSkip:
			result.Skip = m.ID == g.leader
		default:
			// Without the flag, a leader that does not know itself to be one
			// will not assign anew, which nobody waits for.
			result.Leader, result.Members = ledBefore, nil
		}
		w.answer(result, nil)
	})
	return m, w, JoinResult{}, nil
}

// rename gives a member another id; what waits under the old one gets err.
func (g *group) rename(old *member, id string, err error) *member {
	old.failJoin(err)
	old.failSync(err)
	m := &member{Member: old.Member, synced: old.synced, until: old.until}
	m.ID = id
	delete(g.members, old.ID)
	g.members[id] = m
	g.static[*m.InstanceID] = id
	if g.leader == old.ID {
		g.leader = id
	}
	return m
}
