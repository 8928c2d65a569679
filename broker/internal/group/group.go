package group

import (
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// State is where a group stands.
type State string

// The states, by the names that clients are told.
const (
	Empty      State = "Empty"               // no members; perhaps offsets
	Preparing  State = "PreparingRebalance"  // waits for members to join
	Completing State = "CompletingRebalance" // waits for the leader's assignment, and for it to be committed
	Stable     State = "Stable"
	Dead       State = "Dead" // being deleted, or never existed
)

// group is a group in an office's memory. Its fields are guarded by the
// coordinator's lock.
type group struct {
	id           string
	state        State
	protocolType string
	protocol     string
	leader       string // a member id; "" when Empty
	generation   int32
	members      map[string]*member
	static       map[string]string    // instance id → member id
	pending      map[string]time.Time // ids given to members that have yet to join with them → until when

	// joinUntil is when a Preparing group goes on without those who have not
	// joined. In its first rebalance (initialUntil is set) it waits for that
	// moment even if all have joined, and again while more members come, up
	// to initialUntil.
	joinUntil    time.Time
	initialUntil time.Time
	grown        bool // a member was added since joinUntil was set

	syncUntil  time.Time // Completing: when those who have not asked for their assignment are removed
	emptySince time.Time // Empty: for the removal of groups of which nothing is left
	unsaved    bool      // Empty: that could not be stored

	stores []store // to be proposed, in order; the first is under way
}

// member is a member in an office's memory.
type member struct {
	Member
	joining *wait[JoinResult] // its JoinGroup that is not answered
	syncing *wait[SyncResult] // its SyncGroup that is not answered
	synced  bool              // Completing: it has asked for its assignment
	until   time.Time         // when its session ends, unless it is heard of or waits here
}

// wait is a request that will be answered later, once.
type wait[T any] struct{ c chan answered[T] }

type answered[T any] struct {
	result T
	err    error
}

func newWait[T any]() *wait[T] { return &wait[T]{c: make(chan answered[T], 1)} }

// answer is for whoever removes the wait from its member; w may be nil.
func (w *wait[T]) answer(result T, err error) {
	if w != nil {
		w.c <- answered[T]{result, err}
	}
}

func newGroup(id string) *group {
	return &group{id: id, state: Empty, members: map[string]*member{}, static: map[string]string{}, pending: map[string]time.Time{}}
}

// heard begins a member's session anew.
func (m *member) heard(now time.Time) { m.until = now.Add(milliseconds(m.SessionTimeout)) }

// failJoin answers a waiting JoinGroup with an error.
func (m *member) failJoin(err error) {
	w := m.joining
	m.joining = nil
	w.answer(JoinResult{MemberID: m.ID}, err)
}

// failSync answers a waiting SyncGroup with an error.
func (m *member) failSync(err error) {
	w := m.syncing
	m.syncing = nil
	w.answer(SyncResult{}, err)
}

// find returns the member that a request is from. The error is
// kerr.FencedInstanceID when another process has taken over the instance id,
// kerr.UnknownMemberID when there is no such member.
func (g *group) find(id string, instance *string) (*member, error) {
	if instance != nil {
		current, ok := g.static[*instance]
		switch {
		case !ok:
			return nil, kerr.UnknownMemberID
		case current != id:
			return nil, kerr.FencedInstanceID
		}
	}
	m := g.members[id]
	if m == nil {
		return nil, kerr.UnknownMemberID
	}
	return m, nil
}

func (g *group) add(m *member) {
	if len(g.members) == 0 {
		g.leader = m.ID
	}
	g.members[m.ID] = m
	if m.InstanceID != nil {
		g.static[*m.InstanceID] = m.ID
	}
}

// remove forgets a member; whatever it waits for gets err.
func (g *group) remove(m *member, err error) {
	m.failJoin(err)
	m.failSync(err)
	delete(g.members, m.ID)
	if m.InstanceID != nil {
		delete(g.static, *m.InstanceID)
	}
	if g.leader == m.ID {
		g.leader = ""
		g.electLeader()
	}
}

// electLeader makes sure that the leader is a member; one that has joined is
// preferred. It reports whether the leader has joined.
func (g *group) electLeader() bool {
	if m := g.members[g.leader]; m != nil && m.joining != nil {
		return true
	}
	for _, id := range g.memberIDs() {
		if g.members[id].joining != nil {
			g.leader = id
			return true
		}
	}
	if g.members[g.leader] == nil {
		g.leader = ""
		if ids := g.memberIDs(); len(ids) > 0 {
			g.leader = ids[0]
		}
	}
	return false
}

func (g *group) memberIDs() []string { return slices.Sorted(maps.Keys(g.members)) }

// allJoined reports whether nobody is missing from the rebalance.
func (g *group) allJoined() bool {
	for _, m := range g.members {
		if m.joining == nil {
			return false
		}
	}
	return len(g.pending) == 0
}

// rebalanceTimeout is how long members may take to join: the longest that any
// asks for.
func (g *group) rebalanceTimeout() time.Duration {
	var longest int32
	for _, m := range g.members {
		longest = max(longest, m.RebalanceTimeout)
	}
	return milliseconds(longest)
}

func milliseconds(n int32) time.Duration { return time.Duration(n) * time.Millisecond }

// common lists the protocols that every member knows, in the leader's order.
func (g *group) common() []string {
	known := map[string]int{}
	for _, m := range g.members {
		for name := range m.names() {
			known[name]++
		}
	}
	first := g.members[g.leader]
	if first == nil {
		return nil
	}
	var names []string
	for _, p := range first.Protocols {
		if known[p.Name] == len(g.members) && !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}

// names is the set of the protocols that a member knows.
func (m *member) names() map[string]bool {
	names := map[string]bool{}
	for _, p := range m.Protocols {
		names[p.Name] = true
	}
	return names
}

// metadata is what a member says of itself for a protocol.
func (m *member) metadata(protocol string) []byte {
	for _, p := range m.Protocols {
		if p.Name == protocol {
			return p.Metadata
		}
	}
	return nil
}

// elect returns the protocol that most members like best among those that all
// know; of equals the one that the leader likes better.
func (g *group) elect() string {
	candidates := g.common()
	votes := map[string]int{}
	for _, m := range g.members {
		for _, p := range m.Protocols {
			if slices.Contains(candidates, p.Name) {
				votes[p.Name]++
				break
			}
		}
	}
	best := ""
	for _, name := range candidates {
		if best == "" || votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

// accepts reports whether the group can go on with a member that knows these
// protocols in place of the one with id except ("" for none).
func (g *group) accepts(protocolType string, protocols []Protocol, except string) bool {
	others := maps.Clone(g.members)
	delete(others, except)
	if len(others) == 0 {
		return true
	}
	if g.protocolType != protocolType {
		return false
	}
	return slices.ContainsFunc(protocols, func(p Protocol) bool {
		for _, m := range others {
			if !m.names()[p.Name] {
				return false
			}
		}
		return true
	})
}

// meta is the group's present state for the log.
func (g *group) meta() *Meta {
	m := &Meta{ProtocolType: g.protocolType, Generation: g.generation, Protocol: g.protocol, Leader: g.leader}
	for _, id := range g.memberIDs() {
		m.Members = append(m.Members, g.members[id].Member)
	}
	return m
}

// fromMeta is a group as its last rebalance left it.
func fromMeta(id string, meta *Meta, now time.Time) *group {
	g := newGroup(id)
	g.protocolType, g.generation, g.protocol, g.leader = meta.ProtocolType, meta.Generation, meta.Protocol, meta.Leader
	for _, stored := range meta.Members {
		m := &member{Member: stored}
		m.heard(now)
		g.members[m.ID] = m
		if m.InstanceID != nil {
			g.static[*m.InstanceID] = m.ID
		}
	}
	g.emptySince = now
	if len(g.members) > 0 {
		g.state = Stable
	}
	return g
}
