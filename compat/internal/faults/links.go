package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"
)

// answerWithin is how long a probe waits for an answer over a link before it takes it for dead; answers on a healthy
// one take a millisecond or so.
const answerWithin = time.Second

// linkFeltWithin bounds how long a fault of a link may take to be felt or to be gone.
const linkFeltWithin = 15 * time.Second

// Refused cuts client edges the loud way: connections are reset and new ones are refused.
func Refused(c *cluster.Cluster, edges ...cluster.Edge) Fault {
	return Fault{
		Name: fmt.Sprintf("refused %v", edges),
		inject: func(context.Context) error {
			return each(edges, func(e cluster.Edge) error { return c.Proxies.SetEnabled(e, false) })
		},
		heal: func(context.Context) error {
			return each(edges, func(e cluster.Edge) error { return c.Proxies.SetEnabled(e, true) })
		},
		probe:  probeAll(c, edges, silent{refused: true}),
		within: linkFeltWithin,
	}
}

// BlackHole cuts client edges the quiet way: connections stay, new ones are accepted, and nothing passes in either
// direction. Healing resets the connections that were caught in it.
func BlackHole(c *cluster.Cluster, edges ...cluster.Edge) Fault {
	inject := func(e cluster.Edge) error {
		for _, stream := range []string{"upstream", "downstream"} {
			// A timeout of 0 means never: data is dropped for as long as the toxic is there.
			if err := c.Proxies.AddToxic(e, "black-hole-"+stream, "timeout", stream, map[string]any{"timeout": 0}); err != nil {
				return err
			}
		}
		return nil
	}
	heal := func(e cluster.Edge) error {
		return errors.Join(c.Proxies.RemoveToxic(e, "black-hole-upstream"), c.Proxies.RemoveToxic(e, "black-hole-downstream"))
	}
	return Fault{
		Name:   fmt.Sprintf("black hole %v", edges),
		inject: func(context.Context) error { return each(edges, inject) },
		heal:   func(context.Context) error { return each(edges, heal) },
		probe:  probeAll(c, edges, silent{refused: false}),
		within: linkFeltWithin,
	}
}

// Latency delays what comes down a client edge by d.
func Latency(c *cluster.Cluster, e cluster.Edge, d time.Duration) Fault {
	return Fault{
		Name: fmt.Sprintf("latency %v on %s", d, e),
		inject: func(context.Context) error {
			return c.Proxies.AddToxic(e, "latency", "latency", "downstream", map[string]any{"latency": d.Milliseconds()})
		},
		heal: func(context.Context) error { return c.Proxies.RemoveToxic(e, "latency") },
		probe: func(ctx context.Context) (feel, string) {
			took, err := ask(ctx, c.Dial(e), d+answerWithin)
			return feels(err == nil && took >= d), fmt.Sprintf("an answer after %v, error %v", took.Round(time.Millisecond), err)
		},
		within: linkFeltWithin,
	}
}

// Bandwidth limits what comes down a client edge to kbps kB/s. Its bite is seen in what a response of known
// size takes, which is the cell's to measure: here, that the limit is set or not.
func Bandwidth(c *cluster.Cluster, e cluster.Edge, kbps int) Fault {
	return Fault{
		Name: fmt.Sprintf("bandwidth %d kB/s on %s", kbps, e),
		inject: func(context.Context) error {
			return c.Proxies.AddToxic(e, "bandwidth", "bandwidth", "downstream", map[string]any{"rate": kbps})
		},
		heal: func(context.Context) error { return c.Proxies.RemoveToxic(e, "bandwidth") },
		probe: func(ctx context.Context) (feel, string) {
			on, err := c.Proxies.HasToxic(e, "bandwidth")
			return feels(on), fmt.Sprintf("the limit is set: %v, error %v", on, err)
		},
		within: linkFeltWithin,
	}
}

func each(edges []cluster.Edge, do func(cluster.Edge) error) error {
	for _, e := range edges {
		if err := do(e); err != nil {
			return err
		}
	}
	return nil
}

// ask dials and asks for the versions: the smallest exchange that needs both directions.
func ask(ctx context.Context, addr string, within time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	start := time.Now()
	conn, err := raw.Dial(ctx, addr)
	if err == nil {
		conn.Close()
	}
	return time.Since(start), err
}

// silent says how a cut link behaves: it refuses at once, or says nothing until the asker gives up.
type silent struct{ refused bool }

// probeAll finds that the links are cut when every one is, in the way that was asked for; the cut is gone when every
// one answers.
func probeAll(c *cluster.Cluster, edges []cluster.Edge, how silent) func(context.Context) (feel, string) {
	return func(ctx context.Context) (feel, string) {
		saw := ""
		cut, whole := 0, 0
		for _, e := range edges {
			took, err := ask(ctx, c.Dial(e), answerWithin)
			switch {
			case err == nil:
				whole++
			case errors.Is(err, context.DeadlineExceeded) != how.refused:
				cut++
			}
			saw += fmt.Sprintf("%s: after %v: %v; ", e, took.Round(time.Millisecond), orAnswered(err))
		}
		switch len(edges) {
		case cut:
			return bites, saw
		case whole:
			return gone, saw
		}
		return between, saw
	}
}

func orAnswered(err error) string {
	if err == nil {
		return "an answer"
	}
	return err.Error()
}
