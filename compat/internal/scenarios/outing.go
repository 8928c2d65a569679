package scenarios

import (
	"context"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/scenario"
)

// outing is a scenario in which all clients write, and read from the follower, while something happens.
type outing struct {
	id, title string
	limit     time.Duration
	configs   map[string]string // of every topic
	settings  map[string]string // of every node, while it lasts
	perSecond int               // written by each client; 0: loadPerSecond
	// can says why it cannot be run on a cluster; unset: it can.
	can func(*cluster.Cluster) error
	// beside, where it is set, starts raw sessions for a member, which run until the writers have ended.
	beside func(*member)
	// happen injects and heals. A client's own complaints are told by its cell, what happen returns is everyone's.
	happen func(context.Context, *party) error
}

// together makes the scenario of an outing. Before and after what happens every reader goes a step forward by itself; in
// the end everything that was acknowledged has been read, and the replicas' logs agree.
func together(o outing) *scenario.Scenario {
	return &scenario.Scenario{ID: o.id, Title: o.title, Limit: o.limit, Faults: true,
		RunAll: func(ctx context.Context, cells []*scenario.Cell) error {
			if err := o.begin(ctx, cells[0].Cluster); err != nil {
				return err
			}
			p, err := invite(ctx, cells, o.configs)
			if err != nil {
				return err
			}
			sessions, stop := context.WithCancel(ctx)
			defer func() {
				stop()
				p.wg.Wait()
			}()
			p.write(o.perSecond)
			done := false
			defer func() {
				if !done {
					p.abandon()
				}
			}()
			if o.beside != nil {
				for _, m := range p.members {
					m.ctx, m.wg = sessions, &p.wg
					o.beside(m)
				}
			}
			p.read(ctx, resumeWithin, "before anything happened")
			if err := p.stillFollows(ctx); err != nil {
				return err
			}
			if err := o.happen(ctx, p); err != nil {
				return err
			}
			p.read(ctx, resumeWithin, "after everything was healed")
			done = true
			p.finish(ctx, stop)
			return nil
		}}
}

// begin sees that the cluster is one for the outing.
func (o outing) begin(ctx context.Context, c *cluster.Cluster) error {
	if o.can != nil {
		if err := o.can(c); err != nil {
			return err
		}
	}
	if len(o.settings) == 0 {
		return nil
	}
	// The cluster is put back to the plan's settings after every scenario that changed them.
	return c.Reconfigure(ctx, o.settings)
}
