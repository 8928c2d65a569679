package rafttransport

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// call is one request and, once done is closed, its outcome.
type call struct {
	// timeout is how long the answer may take: from the sending, or if sized
	// is set, from when the peer has received the whole of it. 0: no limit.
	timeout time.Duration
	sized   bool
	// hook, if set, runs once before done is closed, in a goroutine that must
	// not be held up.
	hook func(*call)
	// acks counts consumed snapshot chunks; nil for other requests.
	acks chan struct{}

	done chan struct{}
	err  error
	body []byte
	// appended is the decoded answer to an AppendEntries, set by its hook.
	appended raft.AppendEntriesResponse

	// Guarded by client.mu.
	id    uint64
	since int64  // Mux.nanos of the sending, then of the arrival
	end   uint64 // where it ends in the stream; 0 until queued
}

func newCall(timeout time.Duration) *call {
	return &call{timeout: timeout, done: make(chan struct{})}
}

func (c *call) finish(body []byte, err error) {
	c.body, c.err = body, err
	if c.hook != nil {
		c.hook(c)
	}
	close(c.done)
}

// client is a connection this node dialled: it sends requests and matches the
// responses to them.
type client struct {
	wire
	// arrived is how many bytes the peer said it has received.
	arrived  atomic.Uint64
	pingedAt atomic.Int64 // Mux.nanos; 0 when no ping is unanswered

	mu      sync.Mutex // guards the following
	pending map[uint64]*call
	nextID  uint64
	closed  error // non-nil once the pending calls were failed
}

// start sends a request, whose frame has its header still unset. If it returns
// an error nothing was sent and c will never be done.
func (cl *client) start(c *call, typ frameType, shard uint32, frame []byte, tail []chunk) error {
	cl.mu.Lock()
	if cl.closed != nil {
		cl.mu.Unlock()
		return cl.closed
	}
	cl.nextID++
	c.id = cl.nextID
	c.since = cl.mux.nanos()
	cl.pending[c.id] = c
	cl.mu.Unlock()

	end := cl.send(frame, tail, header{typ: typ, shard: shard, id: c.id})

	cl.mu.Lock()
	c.end = end
	cl.mu.Unlock()
	return nil
}

// forget drops a request whose answer is no longer wanted.
func (cl *client) forget(c *call) {
	cl.mu.Lock()
	delete(cl.pending, c.id)
	cl.mu.Unlock()
}

func (cl *client) lookup(id uint64, remove bool) *call {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	c := cl.pending[id]
	if remove {
		delete(cl.pending, id)
	}
	return c
}

// readLoop handles what the peer sends until the connection ends.
func (cl *client) readLoop() error {
	for {
		h, body, err := cl.readFrame()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return errors.New("closed by the peer")
			}
			return err
		}
		switch {
		case h.typ == typePong:
			d := decoder{b: body}
			cl.arrived.Store(d.u64())
			if err := d.done("pong"); err != nil {
				return err
			}
			if h.id != 0 {
				cl.pingedAt.Store(0)
			}
		case h.typ == typeSnapshotAck:
			if c := cl.lookup(h.id, false); c != nil && c.acks != nil {
				select {
				case c.acks <- struct{}{}:
				default:
					return fmt.Errorf("%w: more snapshot acks than chunks", errMalformed)
				}
			}
		case h.typ&responseBit != 0:
			c := cl.lookup(h.id, true)
			if c == nil {
				continue // given up
			}
			if h.flags&flagError != 0 {
				c.finish(nil, RemoteError(body))
			} else {
				c.finish(body, nil)
			}
		default:
			return fmt.Errorf("%w: type %d from the answering side", errMalformed, h.typ)
		}
	}
}

// failAll fails what is pending and all that comes after.
func (cl *client) failAll(err error) {
	cl.mu.Lock()
	cl.closed = err
	pending := cl.pending
	cl.pending = nil
	cl.mu.Unlock()
	for _, c := range pending {
		c.finish(nil, err)
	}
}

// sweep is called every sweepEvery: it pings, notices a silent peer and
// expires requests.
func (cl *client) sweep(now int64) {
	cfg := &cl.mux.cfg
	silent := time.Duration(now - cl.lastRecv.Load())
	switch {
	case silent > cfg.PeerTimeout:
		cl.kill(fmt.Errorf("nothing heard for %v", silent.Round(time.Millisecond)))
		return
	case silent >= cfg.PingInterval || now-cl.out.lastSend.Load() >= int64(cfg.PingInterval):
		if cl.pingedAt.CompareAndSwap(0, now) {
			cl.send(newFrame(0), nil, header{typ: typePing, id: 1})
		}
	}
	arrived := cl.arrived.Load()
	var expired []*call
	cl.mu.Lock()
	for id, c := range cl.pending {
		if c.timeout == 0 || c.end == 0 {
			continue
		}
		if c.sized && arrived < c.end {
			c.since = now // still under way; a dead peer is noticed by its silence
			continue
		}
		if now-c.since > int64(c.timeout) {
			delete(cl.pending, id)
			expired = append(expired, c)
		}
	}
	cl.mu.Unlock()
	for _, c := range expired {
		cl.peer.timeouts.Add(1)
		c.finish(nil, fmt.Errorf("node %d: %w (%v)", cl.peer.id, ErrTimeout, c.timeout))
	}
}
