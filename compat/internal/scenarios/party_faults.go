package scenarios

import (
	"context"
	"time"

	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/history"
)

// fault injects or heals, and tells every member's history of it. An error is everybody's.
func (p *party) fault(ctx context.Context, do func(context.Context, *history.Cell) error) error {
	h := p.members[0].c.H
	before := len(h.Events())
	err := do(ctx, h)
	for _, e := range h.Events()[before:] {
		switch e.Kind {
		case history.Fault, history.Bitten, history.Healed, history.Gone, history.Wiped:
			for _, m := range p.members[1:] {
				m.c.H.Append(e)
			}
		}
	}
	return err
}

// during injects a fault, lets it last, and heals it.
func (p *party) during(ctx context.Context, f faults.Fault, lasts time.Duration) error {
	if err := p.fault(ctx, f.Inject); err != nil {
		return err
	}
	if err := hold(ctx, lasts); err != nil {
		return err
	}
	return p.fault(ctx, f.Heal)
}

// outlast is during, for faults past which every writer has another way: each goes a step forward while it lasts.
func (p *party) outlast(ctx context.Context, f faults.Fault, lasts time.Duration) error {
	p.mustGoOn(f, resumeWithin)
	if err := p.fault(ctx, f.Inject); err != nil {
		return err
	}
	p.acks(ctx, resumeWithin, "during "+f.Name)
	if err := hold(ctx, lasts); err != nil {
		return err
	}
	return p.fault(ctx, f.Heal)
}

// mustGoOn has the histories demand (oracle 7) that writers go on within a bound while a fault lasts that leaves a
// quorum, and readers, at the latest, when it is healed.
func (p *party) mustGoOn(f faults.Fault, within time.Duration) {
	if p.bounded[f.Name] {
		return
	}
	p.bounded[f.Name] = true
	for _, m := range p.members {
		m.c.MustResume(m.load.Handle, f.Name, history.Fault, within)
		m.c.MustResume(reader, f.Name, history.Healed, within)
	}
}

// resumeWithin is how long a client may take to go on once nothing is in its way.
const resumeWithin = 60 * time.Second

// hold lets a fault last.
func hold(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
