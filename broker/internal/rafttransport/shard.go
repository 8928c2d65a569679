package rafttransport

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// ShardTransport is one Raft group's view of the Mux.
//
// To shut a Raft down without waiting for requests to unreachable peers, call
// raft's Shutdown, then Close, then wait for the future of Shutdown.
type ShardTransport struct {
	mux       *Mux
	id        uint32
	followers map[int32]*follower // one for each peer; does not change
	leader    leaderState
	commit    atomic.Int64 // highest commit index this node, leading, has told anyone

	consumer    chan raft.RPC
	waiting     chan *inbound // what is or was in consumer, unanswered
	heartbeats  chan *inbound
	heartbeatFn atomic.Pointer[func(raft.RPC)]
	beatTerm    atomic.Uint64 // of the newest heartbeat that Raft has accepted
	inBytes     atomic.Int64  // of the requests in waiting
	inMu        sync.Mutex    // held while putting into consumer and waiting

	noVotes atomic.Bool // see SetVoting

	closed    chan struct{}
	closeOnce sync.Once
}

var (
	_ raft.Transport   = (*ShardTransport)(nil)
	_ raft.WithPreVote = (*ShardTransport)(nil)
	_ raft.WithClose   = (*ShardTransport)(nil)
)

func newShardTransport(m *Mux, id uint32) *ShardTransport {
	t := &ShardTransport{mux: m, id: id, followers: make(map[int32]*follower),
		consumer: make(chan raft.RPC, queueDepth), waiting: make(chan *inbound, queueDepth),
		heartbeats: make(chan *inbound, queueDepth), closed: make(chan struct{})}
	for _, p := range m.order {
		t.followers[p.id] = &follower{shard: t, peer: p}
	}
	return t
}

// Close detaches the shard: pending and later requests fail with ErrClosed, and
// peers are told that the shard is not open. Mux.Shard makes a new one.
func (t *ShardTransport) Close() error {
	t.closeOnce.Do(func() {
		t.mux.dropShard(t)
		if !t.isClosed() {
			close(t.closed)
		}
	})
	return nil
}

func (t *ShardTransport) isClosed() bool {
	select {
	case <-t.closed:
		return true
	default:
		return false
	}
}

// SetVoting says whether this replica takes part in elections, as it does at
// first. While it does not, it neither gets votes nor gives any.
func (t *ShardTransport) SetVoting(on bool) { t.noVotes.Store(!on) }

// Consumer implements raft.Transport.
func (t *ShardTransport) Consumer() <-chan raft.RPC { return t.consumer }

// LocalAddr implements raft.Transport: the decimal node id.
func (t *ShardTransport) LocalAddr() raft.ServerAddress { return raft.ServerAddress(t.mux.name) }

// EncodePeer implements raft.Transport: the address as it is.
func (t *ShardTransport) EncodePeer(_ raft.ServerID, addr raft.ServerAddress) []byte {
	return []byte(addr)
}

// DecodePeer implements raft.Transport.
func (t *ShardTransport) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }

// SetHeartbeatHandler implements raft.Transport.
func (t *ShardTransport) SetHeartbeatHandler(cb func(raft.RPC)) {
	if cb == nil {
		t.heartbeatFn.Store(nil)
		return
	}
	t.heartbeatFn.Store(&cb)
}

// rpcHeader is the header Raft itself would send.
func (t *ShardTransport) rpcHeader() raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(t.mux.name), Addr: []byte(t.mux.name)}
}

// AppendEntries implements raft.Transport. A heartbeat fails at once if the
// peer is unreachable; anything else waits up to LinkWait for a connection.
func (t *ShardTransport) AppendEntries(_ raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	p, err := t.mux.peerNamed(target)
	if err != nil {
		return err
	}
	l, typ, timeout, wait := p.links[bulk], typeAppend, t.mux.cfg.AppendTimeout, t.mux.cfg.LinkWait
	if isHeartbeat(args) {
		l, typ, timeout, wait = p.links[urgent], typeHeartbeat, t.mux.cfg.RequestTimeout, 0
	}
	cl := l.wait(wait, t.closed)
	if cl == nil {
		return t.noConnection(l)
	}
	calls, err := t.startAppend(cl, typ, timeout, args)
	if err != nil {
		return err
	}
	return t.awaitAppend(cl, calls, resp, nil)
}

// noConnection says why there is no connection.
func (t *ShardTransport) noConnection(l *link) error {
	if t.isClosed() {
		return fmt.Errorf("shard %d: %w", t.id, ErrClosed)
	}
	return l.unreachable()
}

// startAppend sends a request, in as many parts as its size asks for.
func (t *ShardTransport) startAppend(cl *client, typ frameType, timeout time.Duration, args *raft.AppendEntriesRequest) ([]*call, error) {
	f := t.followers[cl.peer.id]
	storeMax(&t.commit, int64(args.LeaderCommitIndex))
	parts := split(args)
	calls := make([]*call, 0, len(parts))
	for _, part := range parts {
		if part.bytes > MaxFrame-smallFrame {
			return nil, fmt.Errorf("log entry %d of %d bytes does not fit a frame of %d", part.prevIndex+1, part.bytes, MaxFrame)
		}
		req := *args
		req.PrevLogEntry, req.PrevLogTerm = part.prevIndex, part.prevTerm
		last := part.prevIndex + uint64(len(part.entries))
		frame, tail := encodeAppend(&req, part.entries)
		c := newCall(timeout)
		c.sized = typ == typeAppend
		term, commit := args.Term, args.LeaderCommitIndex
		c.hook = func(c *call) {
			if c.err == nil {
				c.err = decodeAppendResponse(c.body, &c.appended)
			}
			if c.err != nil {
				f.failed(term)
				return
			}
			f.answered(term, last, commit, &c.appended)
		}
		f.sending(term, last, commit)
		if err := cl.start(c, typ, t.id, frame, tail); err != nil {
			f.failed(term)
			return nil, err
		}
		calls = append(calls, c)
	}
	return calls, nil
}

// awaitAppend waits for the answers to all parts, or the first that is not a
// success, and leaves it in resp. resp is untouched on error. A non-nil stop
// ends the waiting.
func (t *ShardTransport) awaitAppend(cl *client, calls []*call, resp *raft.AppendEntriesResponse, stop <-chan struct{}) error {
	for i, c := range calls {
		select {
		case <-c.done:
		case <-stop:
			return fmt.Errorf("shard %d: AppendEntries to node %d: %w", t.id, cl.peer.id, raft.ErrPipelineShutdown)
		case <-t.closed:
			return fmt.Errorf("shard %d: AppendEntries to node %d: %w", t.id, cl.peer.id, ErrClosed)
		}
		if c.err != nil {
			return c.err
		}
		if i == len(calls)-1 || !c.appended.Success {
			*resp = c.appended
			return nil
		}
	}
	return nil
}

// request sends a small request over the urgent connection and waits for the
// answer.
func (t *ShardTransport) request(target raft.ServerAddress, typ frameType, frame []byte, resp any) error {
	p, err := t.mux.peerNamed(target)
	if err != nil {
		return err
	}
	l := p.links[urgent]
	// A vote may well come while the connection does: at start, or just after
	// the peer came back.
	cl := l.wait(t.mux.cfg.RequestTimeout/4, t.closed)
	if cl == nil {
		return t.noConnection(l)
	}
	c := newCall(t.mux.cfg.RequestTimeout)
	if err := cl.start(c, typ, t.id, frame, nil); err != nil {
		return err
	}
	select {
	case <-c.done:
	case <-t.closed:
		cl.forget(c)
		return fmt.Errorf("shard %d: request to node %d: %w", t.id, p.id, ErrClosed)
	}
	if c.err != nil {
		return c.err
	}
	return decodeResponse(c.body, resp)
}

// RequestVote implements raft.Transport.
func (t *ShardTransport) RequestVote(_ raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	if t.noVotes.Load() {
		return errNoVotes
	}
	return t.request(target, typeVote, encodeVote(args), resp)
}

// RequestPreVote implements raft.WithPreVote.
func (t *ShardTransport) RequestPreVote(_ raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	if t.noVotes.Load() {
		return errNoVotes
	}
	return t.request(target, typePreVote, encodePreVote(args), resp)
}

// TimeoutNow implements raft.Transport.
func (t *ShardTransport) TimeoutNow(_ raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	return t.request(target, typeTimeoutNow, encodeTimeoutNow(args), resp)
}
