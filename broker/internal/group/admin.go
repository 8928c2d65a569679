package group

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumerType is the protocol type of consumers, whose metadata is known.
const consumerType = "consumer"

// Description is a group as DescribeGroups shows it.
type Description struct {
	State        State
	ProtocolType string
	Protocol     string
	Members      []Described // by id
}

// Described is a member in a Description. Outside a stable group it has
// neither metadata nor assignment.
type Described struct {
	ID         string
	InstanceID *string
	ClientID   string
	ClientHost string
	Metadata   []byte
	Assignment []byte
}

// Describe describes a group; one that does not exist is Dead.
func (c *Coordinator) Describe(id string) (Description, error) {
	if err := c.enter(); err != nil {
		return Description{}, err
	}
	defer c.mu.Unlock()
	g := c.groups[id]
	switch {
	case g == nil && c.machine.exists(id):
		return Description{State: Empty}, nil
	case g == nil:
		return Description{State: Dead}, nil
	}
	d := Description{State: g.state, ProtocolType: g.protocolType, Protocol: g.protocol}
	if g.state != Stable {
		d.Protocol = ""
	}
	for _, memberID := range g.memberIDs() {
		m := g.members[memberID]
		x := Described{ID: memberID, InstanceID: m.InstanceID, ClientID: m.ClientID, ClientHost: m.ClientHost}
		if g.state == Stable {
			x.Metadata, x.Assignment = m.metadata(g.protocol), m.Assignment
		}
		d.Members = append(d.Members, x)
	}
	return d, nil
}

// Listed is a group as ListGroups shows it.
type Listed struct {
	ID           string
	State        State
	ProtocolType string
}

// List lists the shard's groups by id; none while another node coordinates
// them. The error is kerr.CoordinatorLoadInProgress.
func (c *Coordinator) List() ([]Listed, error) {
	switch err := c.enter(); err {
	case nil:
	case kerr.NotCoordinator:
		return nil, nil
	default:
		return nil, err
	}
	defer c.mu.Unlock()
	ids := c.machine.ids()
	for id := range c.groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var all []Listed
	for _, id := range slices.Compact(ids) {
		l := Listed{ID: id, State: Empty}
		if g := c.groups[id]; g != nil {
			l.State, l.ProtocolType = g.state, g.protocolType
		}
		all = append(all, l)
	}
	return all, nil
}

// Delete removes a group that has no members, with its offsets. Errors:
// kerr.GroupIDNotFound, kerr.NonEmptyGroup.
func (c *Coordinator) Delete(ctx context.Context, id string) error {
	if err := c.enter(); err != nil {
		return err
	}
	g := c.groups[id]
	if g == nil {
		if !c.machine.exists(id) {
			c.mu.Unlock()
			return kerr.GroupIDNotFound
		}
		g = newGroup(id)
		g.emptySince = c.Now()
		c.groups[id] = g
	}
	if g.state != Empty {
		defer c.mu.Unlock()
		if g.state == Dead {
			return kerr.GroupIDNotFound
		}
		return kerr.NonEmptyGroup
	}
	done := make(chan error, 1)
	c.delete(g, done)
	c.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// delete removes an empty group; the lock is held. Until that is committed,
// nobody can join it.
func (c *Coordinator) delete(g *group, done chan<- error) {
	g.state = Dead
	clear(g.pending)
	then := func(err error) {
		if err == nil {
			delete(c.groups, g.id)
			return
		}
		g.state, g.emptySince = Empty, c.Now()
		c.by(g.emptySince.Add(keepEmpty))
	}
	c.enqueue(g, store{cmd: command{op: opDelete, epoch: c.epoch, group: g.id}, then: then, done: done})
}

// subscriptions are the topics that the group's members subscribe to; the lock
// is held. The error is kerr.NonEmptyGroup when that cannot be known.
func (c *Coordinator) subscriptions(id string) (map[string]bool, error) {
	g := c.groups[id]
	switch {
	case g == nil && c.machine.exists(id):
		return nil, nil
	case g == nil || g.state == Dead:
		return nil, kerr.GroupIDNotFound
	case g.state == Empty:
		return nil, nil
	case g.protocolType != consumerType || g.protocol == "":
		return nil, kerr.NonEmptyGroup
	}
	topics := map[string]bool{}
	for _, m := range g.members {
		var subscription kmsg.ConsumerMemberMetadata
		if err := subscription.ReadFrom(m.metadata(g.protocol)); err != nil {
			return nil, kerr.NonEmptyGroup
		}
		for _, t := range subscription.Topics {
			topics[t] = true
		}
	}
	return topics, nil
}
