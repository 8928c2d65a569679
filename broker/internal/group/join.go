package group

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// JoinRequest is a JoinGroup.
type JoinRequest struct {
	Group            string
	MemberID         string  // "" for a new member
	InstanceID       *string // static members only
	ClientID         string
	ClientHost       string
	SessionTimeout   int32 // milliseconds
	RebalanceTimeout int32 // milliseconds
	ProtocolType     string
	Protocols        []Protocol
	RequireID        bool // a new dynamic member must come again with the id it is given (version 4 on)
	CanSkip          bool // the client knows how to skip the assignment as leader (version 9 on)
}

// JoinResult is its answer.
type JoinResult struct {
	MemberID     string
	Generation   int32
	ProtocolType string
	Protocol     string
	Leader       string
	Skip         bool           // the leader need not assign: nothing has changed
	Members      []JoinedMember // for the leader only
}

// JoinedMember is a member as its leader sees it.
type JoinedMember struct {
	ID         string
	InstanceID *string
	Metadata   []byte
}

// randomID is 16 random bytes as a UUID is written, which is what people expect
// at the end of a member id.
func randomID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Join adds a member to a group, or has it take part in a rebalance, and waits
// until the rebalance has its members. With an error, only the result's
// MemberID may be set: kerr.MemberIDRequired gives out an id.
func (c *Coordinator) Join(ctx context.Context, r JoinRequest) (JoinResult, error) {
	failed := JoinResult{MemberID: r.MemberID}
	if err := r.check(); err != nil {
		return failed, err
	}
	if err := c.enter(); err != nil {
		return failed, err
	}
	m, w, result, err := c.join(&r)
	c.mu.Unlock()
	if w == nil {
		return result, err
	}
	return awaitAnswer(ctx, c, m, w, &m.joining, failed)
}

// awaitAnswer returns what w brings, for a member that keeps it at slot; failed
// when the client goes away before. Its session begins then, so that it may come
// back.
func awaitAnswer[T any](ctx context.Context, c *Coordinator, m *member, w *wait[T], slot **wait[T], failed T) (T, error) {
	select {
	case a := <-w.c:
		return a.result, a.err
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if *slot == w {
		*slot = nil
		m.heard(c.Now())
		c.by(m.until)
	}
	return failed, abandoned(ctx)
}

func (r *JoinRequest) check() error {
	switch {
	case r.Group == "":
		return kerr.InvalidGroupID
	case milliseconds(r.SessionTimeout) < MinSessionTimeout, milliseconds(r.SessionTimeout) > MaxSessionTimeout:
		return fmt.Errorf("session timeout of %d ms is not between %s and %s: %w", r.SessionTimeout, MinSessionTimeout, MaxSessionTimeout, kerr.InvalidSessionTimeout)
	case r.ProtocolType == "" || len(r.Protocols) == 0:
		return kerr.InconsistentGroupProtocol
	}
	return nil
}

// join does what a JoinGroup asks for, with the lock held. If the answer must
// wait it returns who waits and for what.
func (c *Coordinator) join(r *JoinRequest) (*member, *wait[JoinResult], JoinResult, error) {
	failed := JoinResult{MemberID: r.MemberID}
	g := c.groups[r.Group]
	if g == nil {
		if r.MemberID != "" {
			return nil, nil, failed, kerr.UnknownMemberID
		}
		g = newGroup(r.Group)
		g.emptySince = c.Now()
		c.by(g.emptySince.Add(keepEmpty))
		c.groups[r.Group] = g
	}
	if g.state == Dead {
		return nil, nil, failed, kerr.CoordinatorNotAvailable
	}
	if !g.accepts(r.ProtocolType, r.Protocols, g.replaced(r)) {
		return nil, nil, failed, kerr.InconsistentGroupProtocol
	}
	if r.MemberID == "" {
		return c.joinNew(g, r)
	}
	if _, ok := g.pending[r.MemberID]; ok && r.InstanceID == nil {
		delete(g.pending, r.MemberID)
		m, w := c.admit(g, r, r.MemberID)
		return m, w, JoinResult{}, nil
	}
	m, err := g.find(r.MemberID, r.InstanceID)
	if err != nil {
		return nil, nil, failed, err
	}
	return c.rejoin(g, r, m)
}

// replaced is the id of the member whose place the request takes; "" when it
// is a new one.
func (g *group) replaced(r *JoinRequest) string {
	if r.MemberID == "" && r.InstanceID != nil {
		return g.static[*r.InstanceID]
	}
	return r.MemberID
}

// joinNew answers a client without a member id.
func (c *Coordinator) joinNew(g *group, r *JoinRequest) (*member, *wait[JoinResult], JoinResult, error) {
	if r.InstanceID != nil {
		id := *r.InstanceID + "-" + c.NewID()
		if old := g.static[*r.InstanceID]; old != "" {
			return c.takeOver(g, r, g.members[old], id)
		}
		m, w := c.admit(g, r, id)
		return m, w, JoinResult{}, nil
	}
	id := r.ClientID + "-" + c.NewID()
	if r.RequireID {
		g.pending[id] = c.by(c.Now().Add(milliseconds(r.SessionTimeout)))
		return nil, nil, JoinResult{MemberID: id}, kerr.MemberIDRequired
	}
	m, w := c.admit(g, r, id)
	return m, w, JoinResult{}, nil
}

// admit adds a member and has the group rebalance.
func (c *Coordinator) admit(g *group, r *JoinRequest, id string) (*member, *wait[JoinResult]) {
	if len(g.members) == 0 {
		g.protocolType = r.ProtocolType
	}
	m := &member{Member: Member{ID: id, InstanceID: r.InstanceID, ClientID: r.ClientID, ClientHost: r.ClientHost}}
	g.add(m)
	g.grown = true
	return m, c.joinRebalance(g, r, m)
}

// joinRebalance has a member wait for the rebalance under way, or for a new
// one.
func (c *Coordinator) joinRebalance(g *group, r *JoinRequest, m *member) *wait[JoinResult] {
	m.update(r)
	m.failJoin(kerr.RebalanceInProgress) // an earlier request of the same member
	w := newWait[JoinResult]()
	m.joining = w
	c.rebalance(g)
	return w
}

// update takes over what the member says of itself now.
func (m *member) update(r *JoinRequest) {
	m.Protocols, m.SessionTimeout, m.RebalanceTimeout = r.Protocols, r.SessionTimeout, r.RebalanceTimeout
	m.ClientID, m.ClientHost = r.ClientID, r.ClientHost
}

// rejoin answers a JoinGroup of a member. Unless something has changed, it is
// one whose earlier answer was lost, and gets that again.
func (c *Coordinator) rejoin(g *group, r *JoinRequest, m *member) (*member, *wait[JoinResult], JoinResult, error) {
	same := equalProtocols(m.Protocols, r.Protocols)
	switch {
	case g.state == Completing && same, g.state == Stable && same && g.leader != m.ID:
		m.heard(c.Now())
		return nil, nil, g.joined(m), nil
	default:
		return m, c.joinRebalance(g, r, m), JoinResult{}, nil
	}
}

// joined is what a member is told of the group it has joined.
func (g *group) joined(m *member) JoinResult {
	r := JoinResult{MemberID: m.ID, Generation: g.generation, ProtocolType: g.protocolType, Protocol: g.protocol, Leader: g.leader}
	if m.ID == g.leader {
		r.Members = g.joinedMembers()
	}
	return r
}

func (g *group) joinedMembers() []JoinedMember {
	var all []JoinedMember
	for _, id := range g.memberIDs() {
		m := g.members[id]
		all = append(all, JoinedMember{ID: id, InstanceID: m.InstanceID, Metadata: m.metadata(g.protocol)})
	}
	return all
}
