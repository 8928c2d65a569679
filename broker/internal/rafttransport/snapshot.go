package rafttransport

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// A snapshot travels over the bulk connection in chunks, among other frames.
// The receiver acknowledges a chunk when Raft has read it, and the sender keeps
// at most snapshotWindow chunks unacknowledged: so neither side holds more than
// a window's worth, and other shards wait for a few chunks at most.

// InstallSnapshot implements raft.Transport. It has no time limit as long as
// the receiver takes a chunk every SnapshotStall, and restores what it got
// within SnapshotFinish.
func (t *ShardTransport) InstallSnapshot(_ raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	p, err := t.mux.peerNamed(target)
	if err != nil {
		return err
	}
	cl := p.links[bulk].wait(t.mux.cfg.LinkWait, t.closed)
	if cl == nil {
		return t.noConnection(p.links[bulk])
	}
	c := newCall(0)
	c.acks = make(chan struct{}, snapshotWindow)
	if err := cl.start(c, typeSnapshot, t.id, encodeSnapshot(args), nil); err != nil {
		return err
	}
	if err := t.sendChunks(cl, c, io.LimitReader(data, args.Size), args.Size); err != nil {
		cl.forget(c)
		cl.send(newFrame(0), nil, header{typ: typeSnapshotAbort, shard: t.id, id: c.id})
		return fmt.Errorf("snapshot to node %d: %w", p.id, err)
	}
	if err := t.awaitSnapshot(c, t.mux.cfg.SnapshotFinish, nil); err != nil {
		cl.forget(c)
		return fmt.Errorf("snapshot to node %d: waiting for it to be restored: %w", p.id, err)
	}
	if c.err != nil {
		return c.err
	}
	if err := decodeResponse(c.body, resp); err != nil {
		return err
	}
	if resp.Success {
		t.followers[p.id].installed(args.Term, args.LastLogIndex)
	}
	return nil
}

// sendChunks sends size bytes of data; it returns early, without an error, when
// the receiver has answered.
func (t *ShardTransport) sendChunks(cl *client, c *call, data io.Reader, size int64) error {
	// Chunks are acknowledged in order, and an acknowledged one is out of our
	// hands, so that as many buffers as the window has places do.
	var ring [snapshotWindow][]byte
	for n := 0; size > 0; n++ {
		slot := n % snapshotWindow
		if n >= snapshotWindow {
			if err := t.awaitSnapshot(c, t.mux.cfg.SnapshotStall, c.acks); err != nil {
				return err
			}
		} else {
			ring[slot] = newFrame(snapshotChunk)
		}
		select {
		case <-c.done:
			return nil
		default:
		}
		frame := ring[slot][:headerLen+min(size, snapshotChunk)]
		if _, err := io.ReadFull(data, frame[headerLen:]); err != nil {
			return fmt.Errorf("reading it with %d bytes to go: %w", size, err)
		}
		size -= int64(len(frame) - headerLen)
		cl.send(frame, nil, header{typ: typeSnapshotChunk, shard: t.id, id: c.id})
	}
	return nil
}

// awaitSnapshot waits for the answer, or with acks for an acknowledgement.
func (t *ShardTransport) awaitSnapshot(c *call, d time.Duration, acks <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-acks:
		return nil
	case <-c.done:
		return nil
	case <-t.closed:
		return ErrClosed
	case <-timer.C:
		return fmt.Errorf("%w (%v)", ErrTimeout, d)
	}
}

// installed notes that the follower has restored a snapshot up to last.
func (f *follower) installed(term, last uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.enter(term) {
		f.match.Store(max(f.match.Load(), last))
		f.contact.Store(f.shard.mux.nanos())
	}
}

var errAborted = errors.New("snapshot aborted by its sender")

// snapshotStream is a snapshot being received: the connection's reader puts
// chunks in, Raft reads them.
type snapshotStream struct {
	from   *server
	shard  uint32
	id     uint64
	chunks chan []byte // capacity snapshotWindow

	coming  int64 // bytes not yet put in; owned by the connection's reader
	left    int64 // bytes not yet read; owned by Raft, like current
	current []byte

	abort     chan struct{}   // closed when no more will come
	detached  <-chan struct{} // closed with the shard
	abortOnce sync.Once
	over      chan struct{} // closed when Raft has answered
	overOnce  sync.Once
}

// openSnapshot makes the stream of the snapshot that h announces.
func (s *server) openSnapshot(h header, size int64) (*snapshotStream, error) {
	for id, old := range s.snapshots {
		if old.isOver() {
			delete(s.snapshots, id)
		}
	}
	if s.snapshots[h.id] != nil || len(s.snapshots) == maxSnapshots {
		return nil, fmt.Errorf("%w: snapshot %d is open already, or one of more than %d", errMalformed, h.id, maxSnapshots)
	}
	st := &snapshotStream{from: s, shard: h.shard, id: h.id, chunks: make(chan []byte, snapshotWindow),
		coming: size, left: size, abort: make(chan struct{}), over: make(chan struct{})}
	s.snapshots[h.id] = st
	return st, nil
}

// snapshotFrame takes a chunk or an abort. An error means it was malformed.
func (s *server) snapshotFrame(h header, body []byte) error {
	st := s.snapshots[h.id]
	if st == nil || st.isOver() {
		return nil // answered before its sender knew
	}
	if h.typ == typeSnapshotAbort {
		st.abortOnce.Do(func() { close(st.abort) })
		return nil
	}
	if len(body) == 0 || int64(len(body)) > st.coming {
		return fmt.Errorf("%w: snapshot chunk of %d bytes, %d to come", errMalformed, len(body), st.coming)
	}
	select {
	case st.chunks <- body:
		st.coming -= int64(len(body))
		return nil
	default:
		return fmt.Errorf("%w: more than %d snapshot chunks in flight", errMalformed, snapshotWindow)
	}
}

// Read implements io.Reader for Raft.
func (st *snapshotStream) Read(p []byte) (int, error) {
	if st.left == 0 {
		return 0, io.EOF
	}
	if len(st.current) == 0 {
		select {
		case st.current = <-st.chunks:
		case <-st.abort:
			return 0, errAborted
		case <-st.detached:
			return 0, ErrClosed
		case <-st.from.dead:
			return 0, fmt.Errorf("receiving a snapshot from node %d: %w", st.from.peer.id, io.ErrUnexpectedEOF)
		}
	}
	n := copy(p, st.current)
	st.current = st.current[n:]
	st.left -= int64(n)
	if len(st.current) == 0 {
		st.from.send(newFrame(0), nil, header{typ: typeSnapshotAck, shard: st.shard, id: st.id})
	}
	return n, nil
}

// finish is called when Raft, or whoever speaks for it, has answered.
func (st *snapshotStream) finish() { st.overOnce.Do(func() { close(st.over) }) }

func (st *snapshotStream) isOver() bool {
	select {
	case <-st.over:
		return true
	default:
		return false
	}
}
