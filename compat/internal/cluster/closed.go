package cluster

// A process that has ended refuses connections. Toxiproxy before it does not: it accepts them, finds nobody to connect
// them to, and closes them, which clients take for something else than a node that is gone: franz-go for a missing TLS. So
// the proxies of a node that does not run are closed.

// closeTo closes the open proxies of a node that has ended.
func (c *Cluster) closeTo(node int) error {
	if c.Proxies == nil {
		return nil
	}
	for e := range c.dials {
		if !e.to(node) {
			continue
		}
		changed, err := c.Proxies.set(e, false)
		if err != nil {
			return err
		}
		if changed {
			c.mu.Lock()
			c.closed[node] = append(c.closed[node], e)
			c.mu.Unlock()
		}
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
