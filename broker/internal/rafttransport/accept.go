package rafttransport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// maxGreeting bounds the connections that have not shown a valid hello yet.
const maxGreeting = 64

// acceptLoop accepts until ctx ends, and returns an error only if the listener
// was closed by somebody else.
func (m *Mux) acceptLoop(ctx context.Context) error {
	greeting := make(chan struct{}, maxGreeting)
	delay := 5 * time.Millisecond
	for {
		nc, err := m.cfg.Listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("accepting peers on %v: %w", m.cfg.Listener.Addr(), err)
			}
			// Out of descriptors, or a connection that was reset early.
			m.log.Warn("cannot accept a connection", "err", err)
			select {
			case <-time.After(delay):
			case <-ctx.Done():
				return nil
			}
			delay = min(2*delay, time.Second)
			continue
		}
		delay = 5 * time.Millisecond
		select {
		case greeting <- struct{}{}:
			m.wg.Go(func() { m.welcome(ctx, nc, func() { <-greeting }) })
		default:
			m.log.Warn("too many connections without a hello, dropping one", "remote", nc.RemoteAddr().String())
			_ = nc.Close()
		}
	}
}

// welcome exchanges hellos and serves the connection. It calls greeted once
// the hello is over.
func (m *Mux) welcome(ctx context.Context, nc net.Conn, greeted func()) {
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	defer stop()
	p, l, err := m.receiveHello(nc)
	greeted()
	if err != nil {
		_ = nc.Close()
		if ctx.Err() == nil {
			m.log.Warn("refused a connection", "remote", nc.RemoteAddr().String(), "err", err)
		}
		return
	}
	tuneAccepted(nc)
	s := newServer(ctx, m, p, l, nc)
	if old := p.accepted[l].Swap(s); old != nil {
		old.kill(errors.New("replaced by a newer connection of the same peer"))
	}
	// It is alive: if our own connection to it is down, now is the time.
	for _, link := range p.links {
		if link.get() == nil {
			link.wake()
		}
	}
	p.opened()
	s.run()
	p.ended(m.cfg.Now())
	p.accepted[l].CompareAndSwap(s, nil)
	if ctx.Err() == nil {
		level := m.log.Info
		if errors.Is(s.cause, errMalformed) {
			level = m.log.Error
		}
		level("connection from peer ended", "peer", p.id, "lane", l.String(), "remote", nc.RemoteAddr().String(), "err", s.cause)
	}
}

// receiveHello reads the dialler's hello, judges it and answers.
func (m *Mux) receiveHello(nc net.Conn) (*peer, lane, error) {
	if err := nc.SetDeadline(time.Now().Add(m.cfg.DialTimeout)); err != nil {
		return nil, 0, fmt.Errorf("reading its hello: %w", err)
	}
	raw := make([]byte, helloLen)
	if _, err := io.ReadFull(nc, raw); err != nil {
		return nil, 0, fmt.Errorf("reading its hello: %w", err)
	}
	ask, err := decodeHello(raw)
	if err != nil {
		return nil, 0, fmt.Errorf("reading its hello: %w", err)
	}
	p, status, refusal := m.judge(ask)
	answer := hello{version: protocolVersion, lane: ask.lane, status: status, sender: m.cfg.LocalID, receiver: ask.sender}
	if _, err := nc.Write(answer.encode()); err != nil {
		return nil, 0, fmt.Errorf("answering its hello: %w", err)
	}
	if refusal != nil {
		return nil, 0, refusal
	}
	return p, ask.lane, nc.SetDeadline(time.Time{})
}

func (m *Mux) judge(ask hello) (*peer, helloStatus, error) {
	if ask.receiver != m.cfg.LocalID {
		return nil, helloWrong, fmt.Errorf("node %d was looking for node %d, but this is node %d: check its peer addresses",
			ask.sender, ask.receiver, m.cfg.LocalID)
	}
	if ask.version != protocolVersion {
		return nil, helloVersion, fmt.Errorf("node %d speaks version %d of the protocol, this node %d", ask.sender, ask.version, protocolVersion)
	}
	p := m.peers[ask.sender]
	if p == nil {
		return nil, helloUnknown, fmt.Errorf("node %d is not among this node's peers (or is this node itself)", ask.sender)
	}
	return p, helloOK, nil
}
