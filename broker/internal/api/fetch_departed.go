package api

import (
	"sync"
	"time"

	"lockstep/broker/internal/partition"
)

// A consumer that was sent to a follower may be back on another connection:
// franz-go closes those that it has not used for 20 seconds, which is about as
// long as it takes it to find that it cannot reach the follower. If the leader
// had forgotten by then, it would send such a consumer there for ever. So visits
// outlive their connections. Whoever comes back is known by its address, its
// client id, and the offset that it left with: that it is another one with all
// three alike does not matter, for it would fare no better there.

const (
	departedFor  = longestRest // after that nobody is waited for
	departedMost = 10_000      // visits
)

// departed are visits of connections that ended before the client was back. The
// zero value is usable.
type departed struct {
	mu     sync.Mutex
	visits map[departure]*visit
}

type departure struct {
	host, client string
	key          partition.Key
	offset       int64
}

// keep takes a visit over. There are few, as a rule: when there are many, those
// that are over go first, and then no more are taken.
func (d *departed) keep(at departure, v *visit, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.visits) >= departedMost {
		for k, v := range d.visits {
			if now.Sub(v.at) > departedFor {
				delete(d.visits, k)
			}
		}
	}
	if len(d.visits) >= departedMost {
		return
	}
	if d.visits == nil {
		d.visits = map[departure]*visit{}
	}
	d.visits[at] = v
}

// back returns the visit from which a client comes back; nil if there is none.
func (d *departed) back(at departure, now time.Time) *visit {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.visits[at]
	delete(d.visits, at)
	if v == nil || now.Sub(v.at) > departedFor {
		return nil
	}
	return v
}

// End is to be called when the connection has ended.
func (c *Conn) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, v := range c.visits {
		if v.away {
			c.departed.keep(departure{c.host, c.client, k, v.offset}, v, time.Now())
		}
	}
	c.visits = nil
}

// comesBack notes whose connection it is, and looks for a visit that began on
// another one.
func (c *Conn) comesBack(req *Request, d *departed, k partition.Key, offset int64, now time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.departed, c.host, c.client = d, req.ClientHost, req.ClientID
	if c.visits == nil || c.visits[k] != nil {
		return
	}
	if v := c.departed.back(departure{c.host, c.client, k, offset}, now); v != nil {
		c.visits[k] = v
	}
}
