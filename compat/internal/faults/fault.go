package faults

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/history"
)

// Fault is one fault and the probe that shows it. Make one with the functions of this package.
type Fault struct {
	Name string
	// inject and heal change the cluster.
	inject, heal func(ctx context.Context) error
	probe        probe
	// wiped is the node that loses its data; 0: none does.
	wiped int
	// within bounds how long it may take until the probe agrees.
	within time.Duration
}

// probeEvery is the pause between two looks.
const probeEvery = 50 * time.Millisecond

// Inject injects the fault and returns when it bites. An error means that the cell shows nothing: the fault could not
// be injected, or was not felt.
func (f Fault) Inject(ctx context.Context, h *history.Cell) error {
	h.Append(history.Event{Kind: history.Fault, Name: f.Name})
	if err := f.inject(ctx); err != nil {
		return fmt.Errorf("inject %s: %w", f.Name, err)
	}
	if f.wiped != 0 {
		// What it has said of itself binds it no longer.
		h.Append(history.Event{Kind: history.Wiped, Node: f.wiped})
	}
	saw, err := f.await(ctx, bites)
	if err != nil {
		return fmt.Errorf("%s does not bite: %w", f.Name, err)
	}
	h.Append(history.Event{Kind: history.Bitten, Name: f.Name, Text: saw})
	return nil
}

// Then returns the fault with something to be done as soon as it is injected, before anybody looks whether it bites: for
// what has to happen in the moment before nodes have noticed it.
func (f Fault) Then(do func()) Fault {
	inject := f.inject
	f.inject = func(ctx context.Context) error {
		err := inject(ctx)
		if err == nil {
			do()
		}
		return err
	}
	return f
}

// Heal takes the fault back and returns when it is gone.
func (f Fault) Heal(ctx context.Context, h *history.Cell) error {
	h.Append(history.Event{Kind: history.Healed, Name: f.Name})
	if err := f.heal(ctx); err != nil {
		return fmt.Errorf("heal %s: %w", f.Name, err)
	}
	saw, err := f.await(ctx, gone)
	if err != nil {
		return fmt.Errorf("%s does not go away: %w", f.Name, err)
	}
	h.Append(history.Event{Kind: history.Gone, Name: f.Name, Text: saw})
	return nil
}

// await looks until the probe says want.
func (f Fault) await(ctx context.Context, want feel) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, f.within)
	defer cancel()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	saw := "nothing"
	for {
		felt, now := f.probe(ctx)
		if felt == want && ctx.Err() == nil {
			return now, nil
		}
		if ctx.Err() == nil {
			saw = now // and not what the context's end looks like
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", fmt.Errorf("%w (last seen: %s)", ctx.Err(), saw)
		}
	}
}
