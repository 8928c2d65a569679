package group

import "time"

// store is what a group has decided and wants committed.
type store struct {
	cmd  command
	then func(err error) // called with the lock held, if the office is still the same
	done chan<- error    // told in any case; nil when nobody waits
}

// save proposes the group's present state, after whatever it has stored
// before. The lock is held.
func (c *Coordinator) save(g *group, then func(error)) {
	c.enqueue(g, store{cmd: command{op: opStore, epoch: c.epoch, group: g.id, meta: g.meta()}, then: then})
}

func (c *Coordinator) enqueue(g *group, s store) {
	g.stores = append(g.stores, s)
	if len(g.stores) == 1 {
		epoch := c.epoch
		c.tasks.Go(func() { c.drain(g, epoch) })
	}
}

// drain proposes a group's stores one by one until none is left.
func (c *Coordinator) drain(g *group, epoch int32) {
	for {
		c.mu.Lock()
		next := g.stores[0]
		c.mu.Unlock()
		err := c.propose(c.closing, next.cmd)
		if err != nil {
			c.Log.Warn("group's state not stored", "group", g.id, "err", err)
		}
		c.mu.Lock()
		g.stores = g.stores[1:]
		if c.epoch == epoch {
			next.then(err)
		}
		if next.done != nil {
			next.done <- err
		}
		done := len(g.stores) == 0
		c.mu.Unlock()
		if done {
			return
		}
	}
}

func earliest(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}
