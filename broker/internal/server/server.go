package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"lockstep/broker/internal/api"
	"lockstep/broker/internal/config"
	"lockstep/broker/internal/metrics"
)

const (
	// drainTime bounds how long answers may take to get out when the server
	// stops.
	drainTime = 5 * time.Second
	// acceptPause is how long a listener rests after a failed accept (the
	// process is out of file descriptors, mostly).
	acceptPause = 100 * time.Millisecond
)

// Handler answers requests; api.API does.
type Handler interface {
	// Start begins to answer a request and returns how to wait for the answer.
	// It is called in the order of a connection's requests and does not block.
	// On an error the connection is closed.
	Start(ctx context.Context, req *api.Request) (api.Wait, error)
}

// Options is what a Server works with; none may be nil.
type Options struct {
	API     Handler
	Config  *config.Config
	Metrics *metrics.Metrics
	Log     *slog.Logger
}

// Server owns the listeners and every connection accepted on them.
type Server struct {
	Options
	listeners map[api.Listener]net.Listener // filled by Listen

	mu    sync.Mutex         // guards conns
	conns map[*conn]struct{} // nil once the server stops
	done  sync.WaitGroup     // one for each of conns
}

// New returns a server that does not listen yet.
func New(o Options) *Server {
	return &Server{Options: o, listeners: map[api.Listener]net.Listener{}, conns: map[*conn]struct{}{}}
}

// Listen opens the listeners the configuration names. Its error names the
// setting and the address.
func (s *Server) Listen() error {
	for _, l := range []struct {
		kind             api.Listener
		setting, address string
	}{
		{api.Normal, "LOCKSTEP_LISTENERS", s.Config.Listen},
		{api.Local, "LOCKSTEP_LOCAL_LISTENERS", s.Config.LocalListen},
	} {
		if l.address == "" {
			continue
		}
		ln, err := net.Listen("tcp", l.address)
		if err != nil {
			s.closeListeners()
			if errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("%s: address %s is taken by another process; stop it or choose another port", l.setting, l.address)
			}
			return fmt.Errorf("%s: listen on %s: %w", l.setting, l.address, err)
		}
		s.listeners[l.kind] = ln
	}
	return nil
}

// Addr is the address a listener is bound to; nil when there is none.
func (s *Server) Addr(kind api.Listener) net.Addr {
	if ln := s.listeners[kind]; ln != nil {
		return ln.Addr()
	}
	return nil
}

// Run serves until ctx ends, then stops gracefully: see the package's comment.
// Listen comes first.
func (s *Server) Run(ctx context.Context) error {
	life := newLifetimes()
	defer life.end()
	var accepting sync.WaitGroup
	for kind, ln := range s.listeners {
		accepting.Go(func() { s.accept(ctx, life, kind, ln) })
	}
	<-ctx.Done()
	s.closeListeners()
	accepting.Wait()
	s.stop(life)
	return nil
}

// Close gives the listeners back without having served.
func (s *Server) Close() { s.closeListeners() }

func (s *Server) closeListeners() {
	for _, ln := range s.listeners {
		ln.Close()
	}
}

// accept serves connections of one listener until it is closed.
func (s *Server) accept(ctx context.Context, life *lifetimes, kind api.Listener, ln net.Listener) {
	for {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			s.serve(life, kind, nc)
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		default:
			s.Log.Error("accept failed", "listener", kind.String(), "err", err)
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
				return
			}
		}
	}
}

// serve starts the goroutines of a new connection.
func (s *Server) serve(life *lifetimes, kind api.Listener, nc net.Conn) {
	c := newConn(s, life, kind, nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	gauge := s.Metrics.Connections.WithLabelValues(kind.String())
	gauge.Inc()
	s.done.Go(func() {
		c.run()
		gauge.Dec()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	})
}

// stop ends every connection, gently until drainTime is over.
func (s *Server) stop(life *lifetimes) {
	s.mu.Lock()
	for c := range s.conns {
		c.stopReading()
	}
	s.conns = nil
	s.mu.Unlock()
	life.release()

	drained := make(chan struct{})
	go func() {
		s.done.Wait()
		close(drained)
	}()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case <-drained:
	case <-timer.C:
		s.Log.Warn("stopping with answers unsent", "waited", drainTime)
		life.end()
		<-drained
	}
}

// Dispatch answers a request that another node forwards, given and answered as
// header and body without length prefixes. It blocks as long as the request
// does; the answer to a request that has none is empty.
func (s *Server) Dispatch(ctx context.Context, raw []byte) ([]byte, error) {
	req, err := api.ParseRequest(raw)
	if err != nil {
		return nil, err
	}
	req.Listener, req.Gone = api.Peer, ctx.Done()
	wait, err := s.API.Start(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := wait()
	if resp == nil {
		return nil, ctx.Err()
	}
	return api.AppendResponse(nil, req, resp), nil
}

// lifetimes are the two contexts of everything the server runs: parked ends
// first, to release requests that wait for something to happen; gone when
// there is no sending any more.
type lifetimes struct {
	parked, gone context.Context
	release, end context.CancelFunc
}

func newLifetimes() *lifetimes {
	l := &lifetimes{}
	l.gone, l.end = context.WithCancel(context.Background())
	l.parked, l.release = context.WithCancel(l.gone)
	return l
}

// child returns the lifetimes of one connection of l.
func (l *lifetimes) child() *lifetimes {
	c := &lifetimes{}
	c.gone, c.end = context.WithCancel(l.gone)
	c.parked, c.release = context.WithCancel(l.parked)
	context.AfterFunc(c.gone, c.release)
	return c
}
