package cluster

import (
	"fmt"
	"slices"
)

// A process that has ended refuses connections. Toxiproxy before it does not: it accepts them, finds nobody to connect
// them to, and closes them, which clients take for something else than a node that is gone: franz-go for a missing TLS. So
// the proxies of a node that does not run are closed.

// to tells whether an edge leads to a node.
func (e Edge) to(node int) bool {
	if _, to, peers := e.Ends(); peers {
		return to == node
	}
	return e == ClientEdge(node) || e == LocalEdge(node)
}

// closeTo closes the open proxies of a node that has ended.
func (c *Cluster) closeTo(node int) error {
	if c.Proxies == nil {
		return nil
	}
	open, err := c.Proxies.enabled()
	if err != nil {
		return fmt.Errorf("close the proxies of node %d: %w", node, err)
	}
	for _, e := range open {
		if !e.to(node) {
			continue
		}
		if err := c.Proxies.SetEnabled(e, false); err != nil {
			return err
		}
		c.mu.Lock()
		c.closed[node] = append(c.closed[node], e)
		c.mu.Unlock()
	}
	return nil
}

// openTo opens what closeTo closed. What a fault had closed before stays closed.
func (c *Cluster) openTo(node int) error {
	c.mu.Lock()
	closed := c.closed[node]
	delete(c.closed, node)
	c.mu.Unlock()
	for _, e := range closed {
		if err := c.Proxies.SetEnabled(e, true); err != nil {
			return err
		}
	}
	return nil
}

// enabled are the edges that are open, in order.
func (p *Proxies) enabled() ([]Edge, error) {
	all, err := p.client.Proxies()
	if err != nil {
		return nil, err
	}
	var out []Edge
	for name, x := range all {
		if x.Enabled {
			out = append(out, Edge(name))
		}
	}
	slices.Sort(out)
	return out, nil
}
