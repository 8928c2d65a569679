package rafttransport

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// writeBatch bounds what one writev takes, in bytes, and writeTimeout what
	// one batch may take: a peer that reads more slowly than writeBatch in
	// writeTimeout (some 35 KB/s) is given up.
	writeBatch   = 1 << 20
	writeTimeout = 30 * time.Second
	// readBuffer is small so that payloads are read into place, not copied.
	readBuffer = 8 << 10
	// directFrame bounds what is written by who sends it, in bytes: what surely
	// fits the socket's buffer when nothing is waiting.
	directFrame = 4 << 10
	// progressEvery is how often the arrival of a large frame is reported.
	progressEvery = 250 * time.Millisecond
)

// wire is one connection after its hello: frames in, frames out. It is the
// common part of client (dialled) and server (accepted).
type wire struct {
	mux  *Mux
	peer *peer
	lane lane
	nc   net.Conn
	br   *bufio.Reader
	out  outbox

	// onTrickle, if set, is called by the reading goroutine whenever bytes of a
	// body arrive.
	onTrickle func()
	inBody    bool // owned by the reading goroutine

	lastRecv atomic.Int64  // Mux.nanos of the last bytes
	received atomic.Uint64 // bytes since the hello

	dead     chan struct{} // closed by kill
	killOnce sync.Once
	cause    error // set before dead is closed
}

func (w *wire) init(m *Mux, p *peer, l lane, nc net.Conn) {
	w.mux, w.peer, w.lane, w.nc, w.dead = m, p, l, nc, make(chan struct{})
	w.out.wake = make(chan struct{}, 1)
	w.out.direct = directly(nc)
	w.br = bufio.NewReaderSize(wireReader{w}, readBuffer)
	w.lastRecv.Store(m.nanos())
	w.out.lastSend.Store(m.nanos())
}

// kill closes the connection; the first cause stays.
func (w *wire) kill(cause error) {
	w.killOnce.Do(func() {
		w.cause = cause
		close(w.dead)
		_ = w.nc.Close() // only unblocks its reader and writer
	})
}

// wireReader is the connection as its bufio.Reader sees it: it notes when bytes
// arrive, not when a frame is complete.
type wireReader struct{ w *wire }

func (r wireReader) Read(p []byte) (int, error) {
	n, err := r.w.nc.Read(p)
	if n > 0 {
		now := r.w.mux.nanos()
		r.w.lastRecv.Store(now)
		r.w.peer.contact.Store(now)
		r.w.received.Add(uint64(n))
		if r.w.inBody && r.w.onTrickle != nil {
			r.w.onTrickle()
		}
	}
	return n, err
}

// readFrame reads one frame into a buffer of its own. Only an error that wraps
// errMalformed blames the peer.
func (w *wire) readFrame() (header, []byte, error) {
	var raw [headerLen]byte
	w.inBody = false
	if _, err := io.ReadFull(w.br, raw[:]); err != nil {
		return header{}, nil, err
	}
	h, err := parseHeader(raw[:])
	if err != nil {
		return h, nil, err
	}
	var body []byte
	if h.length > 0 {
		body = make([]byte, h.length)
		w.inBody = true
		if _, err := io.ReadFull(w.br, body); err != nil {
			return h, nil, fmt.Errorf("in a frame of %d bytes: %w", h.length, err)
		}
	}
	if err := checkBody(h, body); err != nil {
		return h, nil, err
	}
	w.peer.stats[kindOf(h.typ)].in(headerLen + h.length)
	return h, body, nil
}

// send writes or queues a frame and returns the position in the stream at which
// it ends. It never blocks: what is queued is bounded by what callers have in
// flight. Most frames are small and nothing is before them; to write these at
// once spares the writer's waking up, which costs more than the write: on an
// idle node that is most of what there is to do, and on a busy one it is on the
// way of every commit.
func (w *wire) send(frame []byte, tail []chunk, h header) uint64 {
	size := seal(frame, h, tail)
	w.peer.stats[kindOf(h.typ)].out(size)
	return w.out.push(frame, tail, size, w.mux.nanos())
}

// writeLoop writes what is queued until the wire is dead.
func (w *wire) writeLoop() {
	for {
		select {
		case <-w.dead:
			return
		case <-w.out.wake:
		}
		for all := w.out.take(); len(all) > 0; all = w.out.take() {
			if err := w.write(all); err != nil {
				w.kill(fmt.Errorf("writing: %w", err))
				return
			}
			clear(all) // or what was written could not be freed before the next write
		}
	}
}

// write writes all of it. The deadline stays: when it is over, send's own writes
// fail, and the frame comes here, where there is a new one.
func (w *wire) write(all net.Buffers) error {
	for batch := all; len(batch) > 0; {
		var part net.Buffers
		part, batch = cut(batch, writeBatch)
		// An error here shows in the write as well.
		_ = w.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := part.WriteTo(w.nc); err != nil {
			return err
		}
	}
	return nil
}

// cut splits bufs after max bytes, within a buffer if need be.
func cut(bufs net.Buffers, max int) (head, rest net.Buffers) {
	for i, b := range bufs {
		if len(b) <= max {
			max -= len(b)
			continue
		}
		head = append(head, bufs[:i]...)
		if max > 0 {
			head = append(head, b[:max])
			bufs[i] = b[max:]
		}
		return head, bufs[i:]
	}
	return bufs, nil
}

// outbox is a connection's queue of frames to write.
type outbox struct {
	wake chan struct{} // capacity 1
	// direct writes as much of a frame as it can without waiting and returns how
	// much that was; nil when there is no such way.
	direct func(frame []byte) int

	mu      sync.Mutex // guards the following
	queue   net.Buffers
	spare   net.Buffers
	writing bool   // the writer has taken something
	end     uint64 // bytes ever queued

	lastSend atomic.Int64 // Mux.nanos of the last push
}

func (o *outbox) push(frame []byte, tail []chunk, size int, now int64) (end uint64) {
	o.lastSend.Store(now)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end += uint64(size)
	if o.direct != nil && !o.writing && len(o.queue) == 0 && len(tail) == 0 && len(frame) <= directFrame {
		if frame = frame[o.direct(frame):]; len(frame) == 0 {
			return o.end
		}
	}
	o.queue = append(o.queue, frame)
	for _, t := range tail {
		o.queue = append(o.queue, t.bytes)
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return o.end
}

// take empties the queue; when there is nothing in it, the writer has nothing to
// do. The result is valid until the next call: two slices take turns as the
// queue, since net.Buffers consumes the one it writes.
func (o *outbox) take() net.Buffers {
	o.mu.Lock()
	defer o.mu.Unlock()
	q := o.queue
	o.queue = o.spare[:0]
	o.spare = q
	o.writing = len(q) > 0
	return q
}
