package scenarios

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"
)

// session is a raw reader beside a member's clients: it asks one replica after the other, past all proxies, and all it is
// told goes into the history for the oracles. It has one question out at a time.
type session struct {
	m    *member
	name string
	// pick chooses the node to ask next.
	pick func() int
	// pause is how long it rests after an answer, and wait how long a replica may hold a question.
	pause, wait time.Duration
	// atEnd asks at the end that the last answer showed, and not for the records below it.
	atEnd bool

	conns map[int]*raw.Conn
	next  int64
}

// askFor bounds one question of a session: nodes are killed, frozen and cut off while it asks.
const askFor = 3 * time.Second

// start runs the session until the member's writers have ended.
func (s *session) start() {
	s.conns = map[int]*raw.Conn{}
	s.m.wg.Go(func() {
		defer func() {
			for _, c := range s.conns {
				c.Close()
			}
		}()
		for s.m.ctx.Err() == nil {
			s.ask(s.m.ctx, s.pick())
			if hold(s.m.ctx, s.pause) != nil {
				return
			}
		}
	})
}

// ask asks a node once. A connection over which no answer came is not used again.
func (s *session) ask(ctx context.Context, node int) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	conn := s.conns[node]
	if conn == nil {
		var err error
		if conn, err = raw.Dial(ctx, s.m.c.Cluster.Direct(node)); err != nil {
			return
		}
		s.conns[node] = conn
	}
	f := raw.Fetch{Topic: s.m.topic.Name, Partition: s.m.topic.Partition, Offset: s.next, MaxWait: s.wait, MinBytes: 1}
	a, records, err := s.m.c.Probe(ctx, s.name, node, conn, f)
	if err != nil {
		conn.Close()
		delete(s.conns, node)
		return
	}
	if n := len(records); n > 0 {
		s.next = records[n-1].Offset + 1
	}
	if s.atEnd && a.Error == nil {
		s.next = max(s.next, a.HighWatermark)
	}
}

// hop starts a session that asks a node at random each time, in an order that the cell's seed decides: what one replica has
// shown it, no other may take back.
func hop(m *member) {
	r := rand.New(rand.NewPCG(m.c.Seed, 1))
	(&session{m: m, name: "hopping", pick: func() int { return cluster.Nodes()[r.IntN(cluster.Size)] },
		pause: 10 * time.Millisecond, wait: 20 * time.Millisecond}).start()
}

// onEvery starts a session on each node, that reads all it is given at once.
func onEvery(m *member) {
	for _, n := range cluster.Nodes() {
		(&session{m: m, name: fmt.Sprintf("on-%d", n), pick: func() int { return n }, pause: time.Millisecond, wait: 200 * time.Millisecond}).start()
	}
}
