package api

import (
	"cmp"
	"context"
	"sync"
	"time"

	"lockstep/broker/internal/config"
	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/mutant"
	"lockstep/broker/internal/shard"
)

// A linearizable read sees every write that was acknowledged, anywhere, before
// it was asked for. The replica that answers, leader or follower, gets the
// shard's read index first, which the leader verifies with a majority, and has
// applied it before it looks (shard.ReadIndex). One that cannot get it answers
// NOT_LEADER_OR_FOLLOWER: nothing, rather than what may be old.

// shortestConfirm is how long confirming may take at least, however soon the
// client wants an answer.
const shortestConfirm = 500 * time.Millisecond

// linearizable reports whether reads of t that come in on l must see every
// write acknowledged before them. It is enough that the topic or the listener
// wants it; where neither says anything, the node's default holds.
func (a *API) linearizable(l Listener, t *controller.Topic) bool {
	listener := a.Config.ListenerConsistency[l.String()]
	topic := cmp.Or(t.Configs[readConsistencyConfig], listener, a.Config.ReadConsistency)
	return (listener == config.Linearizable || topic == config.Linearizable) && !mutant.Is(mutant.StaleLinearizable)
}

// confirm brings what is to be read linearizably up to date, all shards at a
// time. Partitions of those that cannot be get an error; whatever is answered
// without looking at the log's end needs no confirmation.
func (f *fetching) confirm(ctx context.Context) {
	want := map[replica][]*fetched{}
	now := time.Now()
	for _, p := range f.parts {
		if p.err != nil || !f.a.linearizable(f.req.Listener, p.where.topic) {
			continue
		}
		st := p.where.shard.Status()
		p.leading = st.Role == shard.Leader
		if d := decide(f.situation(p, st, now)); d.action == serve || d.action == park {
			want[p.where.shard] = append(want[p.where.shard], p)
		}
	}
	patience := min(max(f.deadline.Sub(f.began), shortestConfirm), f.a.Config.Lease)
	ctx, cancel := context.WithDeadline(ctx, f.began.Add(patience))
	defer cancel()
	var asking sync.WaitGroup
	for s, parts := range want {
		asking.Go(func() {
			if err := s.ReadIndex(ctx); err != nil {
				for _, p := range parts {
					p.err = err
				}
			}
		})
	}
	asking.Wait()
}

// confirmations are the shards that were asked for one request: one answer of
// each is enough for all its partitions.
type confirmations struct {
	ctx context.Context
	end context.CancelFunc
	by  map[replica]error
}

func newConfirmations(a *API, ctx context.Context) *confirmations {
	c := &confirmations{by: map[replica]error{}}
	c.ctx, c.end = context.WithTimeout(ctx, a.Config.Lease)
	return c
}

// of returns once s is up to date, or why it is not.
func (c *confirmations) of(s replica) error {
	err, asked := c.by[s]
	if !asked {
		err = s.ReadIndex(c.ctx)
		c.by[s] = err
	}
	return err
}
