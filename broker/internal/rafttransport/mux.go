package rafttransport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// sweepEvery is the grain of all time-outs.
const sweepEvery = 50 * time.Millisecond

// Mux carries the traffic of all shards of a node. Register handlers and open
// shards, then Run it.
type Mux struct {
	cfg     Config
	log     *slog.Logger
	name    string // decimal LocalID
	started time.Time

	peers  map[int32]*peer // these three do not change after New
	byName map[string]*peer
	order  []*peer

	handlers [256]atomic.Pointer[Handler]

	wg     sync.WaitGroup
	closed chan struct{}

	mu       sync.RWMutex // guards the following
	shards   map[uint32]*ShardTransport
	running  bool
	isClosed bool
}

// New makes a Mux. It starts nothing: until Run is called, every peer is
// unreachable.
func New(cfg Config) *Mux {
	cfg.setDefaults()
	m := &Mux{cfg: cfg, log: cfg.Logger,
		name: strconv.Itoa(int(cfg.LocalID)), started: cfg.Now(),
		peers: make(map[int32]*peer), byName: make(map[string]*peer), shards: make(map[uint32]*ShardTransport),
		closed: make(chan struct{})}
	for id, address := range cfg.Peers {
		if id == cfg.LocalID {
			continue
		}
		p := newPeer(m, id, address)
		m.peers[id], m.byName[p.name] = p, p
		m.order = append(m.order, p)
	}
	slices.SortFunc(m.order, func(a, b *peer) int { return cmp.Compare(a.id, b.id) })
	return m
}

// Run connects to the peers and serves them until ctx ends or Close is called,
// and then closes the Mux. It returns nil then, and an error if the listener
// failed or Run was called before.
func (m *Mux) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer m.Close()
	defer cancel()

	m.mu.Lock()
	if m.isClosed || m.running {
		m.mu.Unlock()
		return errors.New("running the raft transport: closed or running already")
	}
	m.running = true
	failed := make(chan error, 1)
	m.wg.Go(func() { m.sweepLoop(ctx) })
	m.wg.Go(func() {
		if err := m.acceptLoop(ctx); err != nil {
			failed <- err
		}
	})
	for _, p := range m.order {
		for _, l := range p.links {
			m.wg.Go(func() { l.run(ctx) })
		}
	}
	m.mu.Unlock()

	select {
	case <-ctx.Done():
	case <-m.closed:
	case err := <-failed:
		if !m.isDone() {
			return err
		}
	}
	return nil
}

func (m *Mux) isDone() bool {
	select {
	case <-m.closed:
		return true
	default:
		return false
	}
}

// Close ends all connections and shards, fails what is pending and returns when
// every goroutine of the Mux has ended. Handlers see their context end, and
// are waited for, so a handler must not call Close. It may be called more than
// once.
func (m *Mux) Close() error {
	m.mu.Lock()
	first := !m.isClosed
	m.isClosed = true
	shards := make([]*ShardTransport, 0, len(m.shards))
	for _, t := range m.shards {
		shards = append(shards, t)
	}
	m.mu.Unlock()
	var err error
	if first {
		close(m.closed)
		err = m.cfg.Listener.Close()
	}
	for _, t := range shards {
		_ = t.Close() // cannot fail
	}
	m.wg.Wait()
	if err != nil {
		return fmt.Errorf("closing the raft listener: %w", err)
	}
	return nil
}

// goRun runs f in a goroutine that Close waits for; false if it is too late.
func (m *Mux) goRun(f func()) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.isClosed {
		return false
	}
	m.wg.Go(f)
	return true
}

// sweepLoop watches over all connections.
func (m *Mux) sweepLoop(ctx context.Context) {
	tick := NewBeat(sweepEvery)
	defer tick.Stop()
	last := m.nanos()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			tick.Next()
		}
		now := m.nanos()
		// After a pause of this process nothing was heard because nobody
		// listened; what has arrived meanwhile must be read first.
		paused := time.Duration(now-last) > 10*sweepEvery
		last = now
		for _, p := range m.order {
			for i := range p.links {
				if cl := p.links[i].get(); cl != nil {
					if paused {
						cl.lastRecv.Store(now)
					} else {
						cl.sweep(now)
					}
				}
				if s := p.accepted[i].Load(); s != nil {
					if paused {
						s.lastRecv.Store(now)
					} else if silent := time.Duration(now - s.lastRecv.Load()); silent > 3*m.cfg.PeerTimeout {
						s.kill(fmt.Errorf("nothing heard for %v", silent.Round(time.Millisecond)))
					}
				}
			}
		}
	}
}

// Shard returns the transport of a Raft group, made on first use or after the
// last one was closed (which raft does when it is shut down). It is closed from
// the start if the Mux is.
func (m *Mux) Shard(id uint32) *ShardTransport {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.shards[id]; t != nil {
		return t
	}
	t := newShardTransport(m, id)
	if m.isClosed {
		close(t.closed)
		return t
	}
	m.shards[id] = t
	m.wg.Go(t.answerLoop)
	m.wg.Go(t.heartbeatLoop)
	return t
}

// shard returns an open transport, or nil.
func (m *Mux) shard(id uint32) *ShardTransport {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.shards[id]
}

func (m *Mux) dropShard(t *ShardTransport) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shards[t.id] == t {
		delete(m.shards, t.id)
	}
}

// peerNamed resolves a raft.ServerAddress.
func (m *Mux) peerNamed(address raft.ServerAddress) (*peer, error) {
	p := m.byName[string(address)]
	if p == nil {
		return nil, fmt.Errorf("node %q is not among this node's peers: %w", address, ErrUnreachable)
	}
	return p, nil
}

// Contact returns when anything last came from the peer, over any connection;
// the zero time if nothing ever did. A reachable peer is heard at least every
// PingInterval. It takes no lock.
func (m *Mux) Contact(peer int32) time.Time {
	p := m.peers[peer]
	if p == nil {
		return time.Time{}
	}
	return m.timeOf(p.contact.Load())
}

// nanos is the clock of the package: nanoseconds since New, never 0.
func (m *Mux) nanos() int64 { return int64(m.cfg.Now().Sub(m.started)) + 1 }

func (m *Mux) timeOf(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return m.started.Add(time.Duration(nanos - 1))
}
