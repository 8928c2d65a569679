package rafttransport

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

const (
	// queueDepth bounds the requests that wait for a shard's Raft, queueBytes
	// their size. A leader has PipelineDepth requests in flight at most; more
	// is what it gave up on.
	queueDepth = 64
	queueBytes = 64 << 20
)

var (
	errBusy    = errors.New("shard is busy")
	errNoVotes = errors.New("this replica takes no part in elections: it is being rebuilt")
)

// inbound is a request on its way through a shard's Raft.
type inbound struct {
	from   *server
	typ    frameType
	shard  uint32
	id     uint64
	size   int
	at     int64 // Mux.nanos of its arrival
	rpc    raft.RPC
	resp   chan raft.RPCResponse // capacity 1
	append *raft.AppendEntriesRequest
	stream *snapshotStream
}

// reply sends the answer. resp is a pointer to a raft response, or nil with err.
func (in *inbound) reply(resp any, err error) {
	var frame []byte
	if err == nil {
		frame, err = encodeResponse(newFrame(64), resp)
	}
	if in.stream != nil {
		in.stream.finish()
	}
	in.from.reply(in.typ, in.shard, in.id, frame, err)
}

// deliver queues a request for Raft; it never blocks. An error is the answer.
func (t *ShardTransport) deliver(in *inbound) error {
	if t.noVotes.Load() && (in.typ == typeVote || in.typ == typePreVote) {
		return fmt.Errorf("shard %d: %w", t.id, errNoVotes)
	}
	if in.append != nil {
		t.leader.observe(in.from.peer.id, in.append)
	}
	if in.typ == typeHeartbeat && t.heartbeatFn.Load() != nil {
		if in.append.Term == t.beatTerm.Load() {
			t.beat(in)
			return nil
		}
		select {
		case t.heartbeats <- in:
			return nil
		default:
			return errBusy
		}
	}
	t.inMu.Lock()
	defer t.inMu.Unlock()
	switch {
	case t.isClosed():
		return fmt.Errorf("shard %d: %w", t.id, ErrClosed)
	case len(t.consumer) == queueDepth, len(t.waiting) == queueDepth,
		t.inBytes.Load()+int64(in.size) > queueBytes && len(t.waiting) > 0:
		return fmt.Errorf("shard %d: %w", t.id, errBusy)
	}
	t.inBytes.Add(int64(in.size))
	// Neither blocks: only holders of inMu put anything in.
	t.waiting <- in
	t.consumer <- in.rpc
	return nil
}

// answerLoop returns Raft's answers, in the order of the requests: Raft's main
// loop works them off one at a time.
func (t *ShardTransport) answerLoop() {
	for {
		select {
		case in := <-t.waiting:
			select {
			case r := <-in.resp:
				t.answer(in, r)
			case <-t.closed:
				in.reply(nil, ErrClosed)
			}
			t.inBytes.Add(-int64(in.size))
		case <-t.closed:
			t.refuseWaiting()
			return
		}
	}
}

// refuseWaiting answers what Raft will not. deliver adds nothing afterwards: it
// looks at closed with inMu held.
func (t *ShardTransport) refuseWaiting() {
	t.inMu.Lock()
	defer t.inMu.Unlock()
	for len(t.waiting) > 0 {
		(<-t.waiting).reply(nil, ErrClosed)
	}
}

// heartbeatLoop lets heartbeats pass whatever the main loop is doing. Those that
// may bring a new term have a goroutine of their own, because that makes Raft
// write to the disk; the others are answered by who read them, which on an idle
// node saves a good part of what there is to do.
func (t *ShardTransport) heartbeatLoop() {
	for {
		select {
		case in := <-t.heartbeats:
			t.beat(in)
		case <-t.closed:
			return
		}
	}
}

// beat has Raft take a heartbeat.
func (t *ShardTransport) beat(in *inbound) {
	(*t.heartbeatFn.Load())(in.rpc)
	select {
	case r := <-in.resp: // the handler has answered when it returns ...
		if t.answer(in, r) {
			t.beatTerm.Store(in.append.Term)
		}
	default: // ... unless Raft is shut down
		in.reply(nil, ErrClosed)
	}
}

// answer passes Raft's answer on, and tells whether that was a leader's request
// accepted in its own term.
func (t *ShardTransport) answer(in *inbound, r raft.RPCResponse) bool {
	resp, ok := r.Response.(*raft.AppendEntriesResponse)
	ok = ok && r.Error == nil && in.append != nil && resp.Success && resp.Term == in.append.Term
	if ok {
		t.leader.contacted(in.at)
	}
	in.reply(r.Response, r.Error)
	return ok
}
