package api

import (
	"slices"
	"sync"
	"time"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/mutant"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/shard"
)

// A leader sends a consumer to a follower in the consumer's own rack (KIP-392)
// and must not do so when it leads nowhere: the follower may send it straight
// back, or be out of the consumer's reach although the leader hears of it. Both
// look the same from here: the consumer comes back with the offset that it left
// with. Such a visit is fruitless if there was something to read, or if it was
// shorter than any wait. After a few of them the leader serves the consumer
// itself for a while, longer each time; after a single one if it was long, for
// it has cost the consumer a timeout. Consumers are told apart by their
// connection, and known again when that has ended (fetch_departed.go).

const (
	maxFruitless = 2                      // visits to one partition's follower in a row
	shortVisit   = 200 * time.Millisecond // less than a follower waits that has nothing to send
	longVisit    = 5 * time.Second        // more than a consumer stays that gets answers
	firstRest    = 10 * time.Second       // without redirects
	longestRest  = 2 * time.Minute
	// maxLeaving bounds how often a second a client is sent away from one
	// partition, whatever comes of it. It is above what a client reaches that
	// comes back after each answer by design, and gets on.
	maxLeaving = 100
)

// Conn is what the handlers remember of one connection. Its methods may be
// called concurrently, and on nil, which remembers nothing.
type Conn struct {
	mu     sync.Mutex
	visits map[partition.Key]*visit // nil when it has ended

	// Whose it is, and where its visits go when it ends; from the newest request
	// that may be sent away.
	departed     *departed
	host, client string
}

// NewConn is for a new connection.
func NewConn() *Conn { return &Conn{visits: map[partition.Key]*visit{}} }

// visit is where the client was last sent for one partition.
type visit struct {
	follower  int32
	offset    int64
	at        time.Time
	away      bool          // and has not come back yet
	fruitless int           // visits in a row
	restUntil time.Time     // no redirects before
	rest      time.Duration // how long that was

	second time.Time // began then …
	times  int       // … and the client was sent away so often in it
}

// judge takes the client's return into account.
func (v *visit) judge(offset, highWatermark int64, now time.Time) {
	v.away = false
	lasted := now.Sub(v.at)
	switch {
	case offset != v.offset:
		v.fruitless, v.rest = 0, 0 // it got somewhere
		return
	case highWatermark <= offset && lasted >= shortVisit:
		return // there was nothing to get
	case lasted >= longVisit:
		v.fruitless = maxFruitless
	default:
		v.fruitless++
	}
	if v.fruitless >= maxFruitless {
		v.rest = min(max(2*v.rest, firstRest, 4*lasted), longestRest)
		v.restUntil = now.Add(v.rest)
		v.fruitless = maxFruitless - 1 // one try after the rest
	}
}

// mayLeave reports whether the client, which asks for an offset of k, may be
// sent to a follower; and to which it was sent last, -1 for none, and whether
// that was good.
func (c *Conn) mayLeave(k partition.Key, offset, highWatermark int64, now time.Time) (ok bool, last int32, good bool) {
	if c == nil {
		return true, -1, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.visits[k]
	if v == nil {
		return true, -1, false
	}
	if v.away {
		v.judge(offset, highWatermark, now)
	}
	if now.Sub(v.second) >= time.Second {
		v.second, v.times = now, 0
	}
	ok = v.times < maxLeaving && (v.fruitless == 0 || !now.Before(v.restUntil))
	return ok, v.follower, v.fruitless == 0
}

// left notes that the client is sent to a follower.
func (c *Conn) left(k partition.Key, follower int32, offset int64, now time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.visits == nil {
		return
	}
	v := c.visits[k]
	if v == nil {
		v = &visit{}
		c.visits[k] = v
	}
	v.follower, v.offset, v.at, v.away = follower, offset, now, true
	v.times++
}

// betterFollower returns the follower that should serve a client of rack
// instead of this leader, or -1: alive, in the rack, close behind, holding the
// offset. A client that got on at the follower it was sent to before is sent
// there again, for it would start anew elsewhere; else it is the one with the
// least load, and one that has just been no good only if there is no other.
func (a *API) betterFollower(req *Request, rack string, where place, st shard.Status, offset, highWatermark int64, now time.Time) int32 {
	if rack == "" || rack == a.Config.Rack || !a.Config.FetchFromFollower || st.Role != shard.Leader {
		return -1
	}
	conn := req.Conn
	conn.comesBack(req, &a.departed, where.key, offset, now)
	ok, last, good := conn.mayLeave(where.key, offset, highWatermark, now)
	if !ok {
		return -1
	}
	brokers := a.cluster.Brokers()
	var eligible []int32
	for _, f := range where.shard.Followers() {
		fit := inRack(brokers, f.Node, rack) && !a.followerLags(f, st, now, restored) && where.shard.FollowerEnd(f.Node, where.key) >= offset
		if mutant.Is(mutant.StalePreferred) {
			fit = slices.ContainsFunc(brokers, func(b controller.Broker) bool { return b.ID == f.Node && b.Rack == rack })
		}
		if fit {
			eligible = append(eligible, f.Node)
		}
	}
	best := last
	if !good || !slices.Contains(eligible, last) {
		if others := slices.DeleteFunc(slices.Clone(eligible), func(node int32) bool { return node == last }); len(others) > 0 {
			eligible = others
		}
		best = a.load.least(eligible, now)
	}
	if best >= 0 {
		a.load.add(best, now)
		conn.left(where.key, best, offset, now)
	}
	return best
}

// inRack reports whether a node is an alive broker of a rack.
func inRack(brokers []controller.Broker, node int32, rack string) bool {
	return slices.ContainsFunc(brokers, func(b controller.Broker) bool {
		return b.ID == node && b.Alive && b.Rack == rack
	})
}
