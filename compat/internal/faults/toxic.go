package faults

import (
	"context"
	"errors"
	"fmt"

	"lockstep/compat/internal/cluster"
)

// bothWays are toxiproxy's names of a connection's two directions: from whoever dials, and towards them.
var bothWays = []string{"upstream", "downstream"}

// toxic is what is put on an edge, once on each of some streams.
type toxic struct {
	kind    string
	streams []string
	attrs   map[string]any
}

func (t toxic) name(stream string) string { return t.kind + "-" + stream }

func (t toxic) add(c *cluster.Cluster, e cluster.Edge) error {
	for _, stream := range t.streams {
		if err := c.Proxies.AddToxic(e, t.name(stream), t.kind, stream, t.attrs); err != nil {
			return err
		}
	}
	return nil
}

func (t toxic) remove(c *cluster.Cluster, e cluster.Edge) error {
	var errs []error
	for _, stream := range t.streams {
		errs = append(errs, c.Proxies.RemoveToxic(e, t.name(stream)))
	}
	return errors.Join(errs...)
}

func each(edges []cluster.Edge, do func(cluster.Edge) error) func(context.Context) error {
	return func(context.Context) error {
		for _, e := range edges {
			if err := do(e); err != nil {
				return err
			}
		}
		return nil
	}
}

// possible is each, for edges that are there to be broken.
func possible(c *cluster.Cluster, edges []cluster.Edge, do func(cluster.Edge) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if len(edges) == 0 {
			return errors.New("no edges")
		}
		for _, e := range edges {
			if e.Peer() && !c.Features().PeerLinks {
				return fmt.Errorf("%s: nodes of %s do not replicate over links of a pair of their own: %w", e, c.Target().Name(), cluster.ErrCannot)
			}
		}
		return each(edges, do)(ctx)
	}
}
