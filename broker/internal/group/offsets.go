package group

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/mutant"
)

// CommitRequest is an OffsetCommit whose partitions are all to be committed.
type CommitRequest struct {
	Group      string
	MemberID   string // "" for a client that manages its partitions itself
	InstanceID *string
	Generation int32                     // -1 likewise
	Offsets    map[TopicPartition]Offset // CommitTime is filled in
}

// Commit stores offsets; it returns once they are committed. Only members in
// the present generation may commit, or, while the group has no members,
// clients that are none.
func (c *Coordinator) Commit(ctx context.Context, r CommitRequest) error {
	if err := c.enter(); err != nil {
		return err
	}
	if err := c.mayCommit(&r); err != nil || len(r.Offsets) == 0 {
		c.mu.Unlock()
		return err
	}
	for tp, o := range r.Offsets {
		o.CommitTime = c.Now().UnixMilli()
		if mutant.Is(mutant.CommitPlusOne) {
			o.Offset++
		}
		r.Offsets[tp] = o
	}
	cmd := command{op: opCommit, epoch: c.epoch, group: r.Group, commitAs: r.Generation, commit: r.Offsets}
	done := c.afterStores(r.Group, cmd)
	c.mu.Unlock()
	if done == nil {
		return c.propose(ctx, cmd)
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// afterStores queues a commit of a client that is no member if the Machine has
// yet to hear that the group is empty, as it would refuse it; nil otherwise.
// The lock is held.
func (c *Coordinator) afterStores(id string, cmd command) <-chan error {
	g := c.groups[id]
	if g == nil || cmd.commitAs >= 0 || !g.unsaved && len(g.stores) == 0 {
		return nil
	}
	if g.unsaved {
		c.saveEmpty(g)
	}
	done := make(chan error, 1)
	c.enqueue(g, store{cmd: cmd, then: func(error) {}, done: done})
	return done
}

func (c *Coordinator) mayCommit(r *CommitRequest) error {
	g := c.groups[r.Group]
	byMember := r.Generation >= 0 || r.MemberID != "" || r.InstanceID != nil
	switch {
	case g != nil && g.state == Dead:
		return kerr.CoordinatorNotAvailable
	case g == nil && r.Generation >= 0:
		return kerr.IllegalGeneration
	case r.Generation < 0 && (g == nil || g.state == Empty):
		return nil
	case !byMember:
		return fmt.Errorf("group %s has members, and this is none: %w", r.Group, kerr.UnknownMemberID)
	}
	m, err := g.find(r.MemberID, r.InstanceID)
	switch {
	case err != nil:
		return err
	case r.Generation != g.generation:
		return kerr.IllegalGeneration
	case g.state == Completing:
		return kerr.RebalanceInProgress
	}
	m.heard(c.Now())
	return nil
}

// Offsets returns a group's committed offsets; none for an unknown group.
func (c *Coordinator) Offsets(groupID string) (map[TopicPartition]Offset, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.mu.Unlock()
	return c.machine.offsets(groupID), nil
}

// DeleteOffsets forgets committed offsets. Offsets of topics that members
// subscribe to stay, with kerr.GroupSubscribedToTopic in errs.
func (c *Coordinator) DeleteOffsets(ctx context.Context, groupID string, partitions []TopicPartition) (errs map[TopicPartition]error, err error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	epoch := c.epoch
	subscribed, err := c.subscriptions(groupID)
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	errs = map[TopicPartition]error{}
	var forget []TopicPartition
	for _, tp := range partitions {
		if subscribed[tp.Topic] {
			errs[tp] = kerr.GroupSubscribedToTopic
			continue
		}
		errs[tp] = nil
		forget = append(forget, tp)
	}
	if len(forget) == 0 {
		return errs, nil
	}
	return errs, c.propose(ctx, command{op: opForget, epoch: epoch, group: groupID, forget: forget})
}
