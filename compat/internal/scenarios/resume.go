package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/scenario"
)

// resumeBound is how long a client may stand still because of a fault that leaves it another way: the longest time after
// which any of them gives up a connection that has fallen silent (60 s in librdkafka) and some more.
const resumeBound = 90 * time.Second

// step is a fault in a row of them, while each of which clients go on.
type step struct {
	name  string
	fault faults.Fault
	// onlyHere tells readers that have no other way while it lasts.
	onlyHere func(*member) bool
}

// steps measures one fault after the other, each from where all clients read from the follower, and the leader is where it
// was. A leader keeps readers that came back empty-handed from a follower to itself for up to minutes; it tells them by their
// connections, which are therefore broken before each step.
func (p *party) steps(ctx context.Context, steps ...step) error {
	for _, s := range steps {
		if err := p.settle(ctx); err != nil {
			return err
		}
		if err := p.during(ctx, faults.Refused(p.cluster, cluster.ClientEdge(p.leader)), 0); err != nil {
			return err
		}
		if err := p.awaitOnFollower(ctx); err != nil {
			return err
		}
		if err := p.measure(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// measure injects a fault, waits until every client has found another way and gone a step forward on it, notes for how long
// each stood still, and heals the fault. What readers have to get was sent after the fault bit. The standstill of readers
// that have no other way is measured from the healing.
func (p *party) measure(ctx context.Context, s step) error {
	name, f, onlyHere := s.name, s.fault, s.onlyHere
	p.mustGoOn(f, resumeBound)
	from := time.Now().UnixNano()
	if err := p.fault(ctx, f.Inject); err != nil {
		return err
	}
	p.each(func(m *member) error {
		ctx, cancel := context.WithTimeout(ctx, resumeBound)
		defer cancel()
		if err := m.load.AwaitAcks(ctx, progress); err != nil {
			return fmt.Errorf("the writer does not go on after %s: %w", f.Name, err)
		}
		if onlyHere(m) {
			return nil
		}
		if err := m.readsOn(ctx); err != nil {
			return fmt.Errorf("the reader does not go on after %s: %w", f.Name, err)
		}
		return nil
	})
	healed := time.Now().UnixNano()
	for _, m := range p.members {
		if m.writer == m.client {
			m.note("writer: "+name, longestPause(m.c.H.Events(), m.load.Handle, history.Acked, from, healed))
		}
		if !onlyHere(m) {
			m.note("reader: "+name, longestPause(m.c.H.Events(), reader, history.Read, from, healed))
		}
	}
	if err := p.fault(ctx, f.Heal); err != nil {
		return err
	}
	p.each(func(m *member) error {
		ctx, cancel := context.WithTimeout(ctx, resumeBound)
		defer cancel()
		if err := m.readsOn(ctx); err != nil {
			return fmt.Errorf("the reader does not go on after %s was healed: %w", f.Name, err)
		}
		if onlyHere(m) {
			m.note("reader, once healed: "+name, longestPause(m.c.H.Events(), reader, history.Read, healed, time.Now().UnixNano()))
		}
		return nil
	})
	return nil
}

// nobody is for faults past which every reader has another way.
func nobody(*member) bool { return false }

// local readers know no other address than the follower's.
func local(m *member) bool { return m.c.Kind.Local }

// readsOn waits until the reader has gone a step forward in what has not been acknowledged yet.
func (m *member) readsOn(ctx context.Context) error {
	next := m.c.H.Tally(m.load.Handle).Next
	return m.c.H.Until(ctx, "records written later", reader, func(x history.Tally) bool { return x.Next >= next+progress })
}

// note puts a standstill into the results and the history.
func (m *member) note(what string, pause time.Duration) {
	if m.c.Result.Resume == nil {
		m.c.Result.Resume = map[string]int64{}
	}
	m.c.Result.Resume[what] = pause.Milliseconds()
	m.c.H.Logf("stood still, %s: %d ms", what, pause.Milliseconds())
}

// longestPause is the longest time without an event of the handle that lay at least in part between two moments, in ns
// since 1970; what lies before from does not count.
func longestPause(events []history.Event, handle string, kind history.Kind, from, to int64) time.Duration {
	last, longest := from, int64(0)
	for _, e := range events {
		if e.Handle != handle || e.Kind != kind || e.At <= last {
			continue
		}
		at := min(e.At, to)
		longest = max(longest, at-last)
		last = at
		if e.At >= to {
			break
		}
	}
	return time.Duration(max(longest, to-last))
}

// awaitOnFollower waits until nobody reads from leaders any more: in a time in which every reader went a step forward they
// served nothing. Only then is a fault of the follower felt by all. Where nobody counts, the step forward has to do: what was
// committed since the leader is the leader it sends readers to followers for.
func (p *party) awaitOnFollower(ctx context.Context) error {
	if !p.cluster.Features().Counters {
		p.read(ctx, resumeWithin, "on the way back to the follower")
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*resumeBound)
	defer cancel()
	c := p.members[0].c
	for {
		w, err := c.OpenWindow(ctx)
		if err != nil {
			return err
		}
		p.read(ctx, resumeWithin, "on the way back to the follower")
		served := c.ServedSince(ctx, w)
		if served.Leader == 0 && served.Follower > 0 {
			return nil
		}
		if ctx.Err() != nil {
			return scenario.Unknownf("leaders served %d records to readers that were to read from followers, which served %d", served.Leader, served.Follower)
		}
	}
}
