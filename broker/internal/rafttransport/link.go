package rafttransport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// link keeps one connection to a peer alive, dialling again whenever it ends.
type link struct {
	mux  *Mux
	peer *peer
	lane lane
	kick chan struct{} // capacity 1: the peer has just called, try now

	current atomic.Pointer[client]

	mu      sync.Mutex // guards the following
	changed chan struct{}
	lastErr error
}

func newLink(m *Mux, p *peer, l lane) *link {
	return &link{mux: m, peer: p, lane: l, kick: make(chan struct{}, 1), changed: make(chan struct{}),
		lastErr: errors.New("not yet dialled")}
}

// get returns the usable connection, or nil.
func (l *link) get() *client { return l.current.Load() }

// set publishes a new connection, or with nil the reason why there is none.
func (l *link) set(cl *client, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.lastErr = err
	}
	l.current.Store(cl)
	close(l.changed)
	l.changed = make(chan struct{})
}

// wait returns the connection as soon as there is one, at most after d, and nil
// when stop is closed first.
func (l *link) wait(d time.Duration, stop <-chan struct{}) *client {
	if cl := l.get(); cl != nil || d <= 0 {
		return cl
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		l.mu.Lock()
		changed, cl := l.changed, l.get()
		l.mu.Unlock()
		if cl != nil {
			return cl
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil
		case <-stop:
			return nil
		}
	}
}

// unreachable is the error of a request that found no connection.
func (l *link) unreachable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Errorf("node %d at %s: %w: %w", l.peer.id, l.peer.address, ErrUnreachable, l.lastErr)
}

// run dials and redials until ctx ends.
func (l *link) run(ctx context.Context) {
	log := l.mux.log.With("peer", l.peer.id, "address", l.peer.address, "lane", l.lane.String())
	failures := 0
	for ctx.Err() == nil {
		cl, err := l.connect(ctx)
		if err == nil {
			log.Info("connected to peer")
			began := l.mux.nanos()
			err = l.serve(ctx, cl)
			if ctx.Err() != nil {
				return
			}
			log.Warn("connection to peer lost", "err", err)
			if time.Duration(l.mux.nanos()-began) > l.mux.cfg.RedialMax {
				failures = 0
			}
		} else {
			l.set(nil, err)
			if failures > refusedPause && !errors.Is(err, errRefused) {
				failures = 0
			}
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, errRefused):
				log.Error("peer refused the connection", "err", err)
			case failures == 0:
				log.Warn("cannot connect to peer, will keep trying", "err", err)
			default:
				log.Debug("cannot connect to peer", "err", err, "attempt", failures+1)
			}
		}
		if errors.Is(err, errRefused) {
			failures = max(failures, refusedPause)
		}
		l.pause(ctx, failures)
		failures++
	}
}

// refusedPause stands for so many failures that both sides would rather not log
// the next one soon: the peer is there, but the addresses or versions do not
// fit.
const refusedPause = 1 << 30

// pause waits before the next attempt: doubling, capped, spread by half either
// way, and cut short when the peer calls.
func (l *link) pause(ctx context.Context, failures int) {
	cfg := &l.mux.cfg
	d := cfg.RedialMax
	switch {
	case failures >= refusedPause:
		d *= 20
	case failures < 16:
		d = min(d, cfg.RedialMin<<failures)
	}
	d = time.Duration(float64(d) * (0.5 + cfg.Jitter()))
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.kick:
	case <-ctx.Done():
	}
}

func (l *link) wake() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// errRefused marks an answer that no retry will change by itself.
var errRefused = errors.New("refused")

// connect dials and exchanges hellos.
func (l *link) connect(ctx context.Context) (*client, error) {
	m := l.mux
	dialCtx, cancel := context.WithTimeout(ctx, m.cfg.DialTimeout)
	defer cancel()
	nc, err := m.cfg.Dial(dialCtx, l.peer.address)
	if err != nil {
		return nil, fmt.Errorf("dialling: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	defer stop()
	if err := l.greet(nc); err != nil {
		_ = nc.Close()
		return nil, err
	}
	cl := &client{pending: make(map[uint64]*call)}
	cl.wire.init(m, l.peer, l.lane, nc)
	return cl, nil
}

func (l *link) greet(nc net.Conn) error {
	m := l.mux
	if err := nc.SetDeadline(time.Now().Add(m.cfg.DialTimeout)); err != nil {
		return fmt.Errorf("saying hello: %w", err)
	}
	ask := hello{version: protocolVersion, lane: l.lane, status: helloAsk, sender: m.cfg.LocalID, receiver: l.peer.id}
	if _, err := nc.Write(ask.encode()); err != nil {
		return fmt.Errorf("saying hello: %w", err)
	}
	raw := make([]byte, helloLen)
	if _, err := io.ReadFull(nc, raw); err != nil {
		return fmt.Errorf("waiting for the peer's hello: %w", err)
	}
	answer, err := decodeHello(raw)
	if err != nil {
		return fmt.Errorf("reading the peer's hello: %w", err)
	}
	if answer.sender != l.peer.id {
		return fmt.Errorf("%w: node %d expected, but node %d answers there", errRefused, l.peer.id, answer.sender)
	}
	if answer.status != helloOK {
		return fmt.Errorf("%w: node %d %v", errRefused, answer.sender, answer.status)
	}
	return nc.SetDeadline(time.Time{})
}

// serve runs an established connection until it ends, and returns why.
func (l *link) serve(ctx context.Context, cl *client) error {
	l.peer.connects.Add(1)
	written := make(chan struct{})
	go func() { defer close(written); cl.writeLoop() }()
	stop := context.AfterFunc(ctx, func() { cl.kill(ErrClosed) })
	l.peer.opened()
	l.set(cl, nil)

	err := cl.readLoop()
	cl.kill(err) // keeps an earlier cause, such as the peer's silence
	stop()
	l.set(nil, cl.cause)
	l.peer.ended(l.mux.cfg.Now())
	cl.failAll(fmt.Errorf("node %d at %s: %w: %w", l.peer.id, l.peer.address, ErrUnreachable, cl.cause))
	<-written
	return cl.cause
}
