package rafttransport

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// presence counts the connections to and from a peer. When its process ends,
// its operating system closes all of them at once: the earliest sign that it
// is gone, long before its silence would tell.
type presence struct {
	mu       sync.Mutex // guards the following
	open     int
	lostAt   time.Time     // when open became 0; zero while there is a connection or never was one
	watchers []func(int32) // called when open becomes 0
}

func (p *peer) opened() {
	p.presence.mu.Lock()
	defer p.presence.mu.Unlock()
	p.presence.open++
	p.presence.lostAt = time.Time{}
}

func (p *peer) ended(now time.Time) {
	p.presence.mu.Lock()
	p.presence.open--
	var tell []func(int32)
	if p.presence.open == 0 {
		p.presence.lostAt = now
		tell = p.presence.watchers
	}
	p.presence.mu.Unlock()
	for _, f := range tell {
		f(p.id)
	}
}

// WatchLost has f called whenever the last connection to or from a peer ends.
// f must not block. It is for use before Run.
func (m *Mux) WatchLost(f func(peer int32)) {
	for _, p := range m.order {
		p.presence.mu.Lock()
		p.presence.watchers = append(p.presence.watchers, f)
		p.presence.mu.Unlock()
	}
}

// Lost returns for how long there has been no connection to or from the peer
// though there once was: 0 while there is one, or never was.
func (m *Mux) Lost(peer int32) time.Duration {
	p := m.peers[peer]
	if p == nil {
		return 0
	}
	p.presence.mu.Lock()
	defer p.presence.mu.Unlock()
	if p.presence.lostAt.IsZero() {
		return 0
	}
	return m.cfg.Now().Sub(p.presence.lostAt)
}

// Stand makes the local Raft stand for election at once, as a leader that hands
// over its office would ask it to: without a pre-vote, and with votes even of
// those that still believe in a leader. False when Raft's queue is full.
func (t *ShardTransport) Stand() bool {
	rpc := raft.RPC{Command: &raft.TimeoutNowRequest{RPCHeader: t.rpcHeader()}, RespChan: make(chan raft.RPCResponse, 1)}
	t.inMu.Lock()
	defer t.inMu.Unlock()
	select {
	case t.consumer <- rpc:
		return true
	default:
		return false
	}
}
