package rafttransport

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Handler answers calls to one service. It runs in a goroutine of its own;
// many may run at once. ctx ends with the caller's deadline, the connection, or
// the Mux. req is the handler's to keep, and the result must not be written to
// again. An error reaches the caller as a RemoteError with the same text.
type Handler func(ctx context.Context, from int32, req []byte) ([]byte, error)

// bulkCall is the size from which a call goes over the bulk connection, in
// bytes. The response takes the connection of its request.
const bulkCall = 32 << 10

// maxCall bounds a call's request and response, in bytes.
const maxCall = MaxFrame - smallFrame

var errTooManyCalls = errors.New("too many calls at a time")

// Handle registers the handler of a service, replacing an earlier one. nil
// removes it.
func (m *Mux) Handle(service byte, h func(ctx context.Context, from int32, req []byte) ([]byte, error)) {
	if h == nil {
		m.handlers[service].Store(nil)
		return
	}
	handler := Handler(h)
	m.handlers[service].Store(&handler)
}

// Call asks a service on peer and waits for its answer or the end of ctx. It
// does not wait for a connection. peer may be the local node. The errors are
// RemoteError (the handler's own, or there is none), ErrUnreachable, ErrClosed
// and ctx's; after all but the first two the handler may still run.
func (m *Mux) Call(ctx context.Context, peer int32, service byte, req []byte) ([]byte, error) {
	if len(req) > maxCall {
		return nil, fmt.Errorf("call to node %d: request of %d bytes, at most %d are allowed", peer, len(req), maxCall)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if peer == m.cfg.LocalID {
		return m.callLocal(ctx, service, req)
	}
	p := m.peers[peer]
	if p == nil {
		return nil, fmt.Errorf("call to node %d, which is not among this node's peers: %w", peer, ErrUnreachable)
	}
	lane := urgent
	if len(req) >= bulkCall {
		lane = bulk
	}
	cl := p.links[lane].get()
	if cl == nil {
		return nil, p.links[lane].unreachable()
	}
	c := newCall(0)
	if err := cl.start(c, typeCall, 0, encodeCall(ctx, service, req), nil); err != nil {
		return nil, err
	}
	select {
	case <-c.done:
		return c.body, c.err
	case <-ctx.Done():
		cl.forget(c)
		return nil, fmt.Errorf("call to node %d: %w", peer, ctx.Err())
	}
}

// encodeCall copies req: the caller may go on with it while a call that it gave
// up is still queued.
func encodeCall(ctx context.Context, service byte, req []byte) []byte {
	var left uint64 // microseconds; 0: no deadline
	if deadline, ok := ctx.Deadline(); ok {
		left = uint64(max(time.Until(deadline).Microseconds(), 1))
	}
	return append(putU64(append(newFrame(9+len(req)), service), left), req...)
}

func (m *Mux) callLocal(ctx context.Context, service byte, req []byte) ([]byte, error) {
	if m.isDone() {
		return nil, ErrClosed
	}
	h := m.handlers[service].Load()
	if h == nil {
		return nil, m.noHandler(service)
	}
	resp, err := (*h)(ctx, m.cfg.LocalID, req)
	if err != nil {
		return nil, RemoteError(err.Error())
	}
	return resp, nil
}

func (m *Mux) noHandler(service byte) RemoteError {
	return RemoteError(fmt.Sprintf("node %d has no service %d", m.cfg.LocalID, service))
}

// startHandler runs the handler of a call that came over s.
func (s *server) startHandler(h header, body []byte) error {
	d := decoder{b: body}
	service, left := d.u8(), d.u64()
	if d.bad {
		return fmt.Errorf("%w: call of %d bytes", errMalformed, len(body))
	}
	handler := s.mux.handlers[service].Load()
	if handler == nil {
		s.reply(h.typ, 0, h.id, nil, s.mux.noHandler(service))
		return nil
	}
	select {
	case s.handlers <- struct{}{}:
	default:
		s.reply(h.typ, 0, h.id, nil, errTooManyCalls)
		return nil
	}
	ctx, cancel := s.ctx, context.CancelFunc(func() {})
	if left > 0 {
		const longest = 1 << 40 // some 12 days: beyond, the product would overflow
		ctx, cancel = context.WithTimeout(ctx, time.Duration(min(left, longest))*time.Microsecond)
	}
	run := func() {
		resp, err := (*handler)(ctx, s.peer.id, d.b)
		cancel()
		<-s.handlers // first, or the caller's next call might find no room
		if err == nil && len(resp) > maxCall {
			err = fmt.Errorf("response of %d bytes, at most %d are allowed", len(resp), maxCall)
		}
		s.reply(h.typ, 0, h.id, append(newFrame(len(resp)), resp...), err)
	}
	if !s.mux.goRun(run) {
		cancel()
	}
	return nil
}
