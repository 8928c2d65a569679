package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/api"
	"lockstep/broker/internal/config"
)

func TestAnswersInOrder(t *testing.T) {
	r := start(t)
	release := make(chan struct{})
	r.handler.answer = func(_ context.Context, req *api.Request) (api.Wait, error) {
		return func() kmsg.Response {
			if req.CorrelationID == 1 {
				<-release
			}
			return empty(req)
		}, nil
	}
	slow, other := r.dial(t, api.Normal), r.dial(t, api.Normal)
	slow.send(request(1, 12), request(2, 4), request(3, 9))
	r.handler.hasStarted(t, 3) // all start although the first is not answered
	other.send(request(9, 12))
	if id := other.receive(); id != 9 {
		t.Fatalf("another connection got the answer to %d", id)
	}
	close(release)
	for want := int32(1); want <= 3; want++ {
		if id := slow.receive(); id != want {
			t.Errorf("got the answer to %d, want %d", id, want)
		}
	}
}

func TestRequestsKnowTheirConnection(t *testing.T) {
	r := start(t)
	type seen struct {
		listener api.Listener
		client   api.Client
		conn     *api.Conn
	}
	got := make(chan seen, 4)
	r.handler.answer = func(ctx context.Context, req *api.Request) (api.Wait, error) {
		got <- seen{req.Listener, api.ClientOf(ctx), req.Conn}
		return func() kmsg.Response { return empty(req) }, nil
	}
	var conns []*api.Conn
	for _, l := range []api.Listener{api.Normal, api.Local} {
		c := r.dial(t, l)
		c.send(request(1, 12), request(2, 12))
		for range 2 {
			s := <-got
			if s.listener != l || s.client != (api.Client{ID: "me", Host: "127.0.0.1"}) || s.conn == nil {
				t.Errorf("on the %s listener: %+v", l, s)
			}
			conns = append(conns, s.conn)
		}
		if n := r.connections(t, l); n != 1 {
			t.Errorf("%v connections counted on the %s listener", n, l)
		}
		c.Close()
		eventually(t, "the gauge falls", func() bool {
			return r.connections(t, l) == 0
		})
	}
	if conns[0] != conns[1] || conns[0] == conns[2] {
		t.Error("connections are mixed up")
	}
}

func TestBadFrames(t *testing.T) {
	prefix := func(n uint32, rest ...byte) []byte { return append(binary.BigEndian.AppendUint32(nil, n), rest...) }
	for _, c := range []struct {
		name  string
		bytes []byte
		log   string
	}{
		{"too long", prefix(1<<20 + 1), "frame length out of range"},
		{"far too long", prefix(0x7fffffff), "frame length out of range"},
		{"negative", prefix(0xffffffff), "frame length out of range"},
		{"too short", prefix(7), "frame length out of range"},
		{"an HTTP request", []byte("GET / HTTP/1.1\r\n\r\n"), "frame length out of range"},
		{"unknown API", prefix(10, 0, 99, 0, 0, 0, 0, 0, 1, 0, 0), "unknown API key 99"},
		{"client id cut short", prefix(12, 0, 3, 0, 0, 0, 0, 0, 1, 0, 9, 'x', 'y'), "malformed request"},
		{"body cut short", func() []byte { f := request(1, 12); f[3]--; return f[:len(f)-1] }(), "malformed request"},
		{"an array that is longer than the frame", prefix(14, 0, 3, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff), "malformed request"},
		{"unsupported version", prefix(10, 0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff), "malformed request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t)
			bad, good := r.dial(t, api.Normal), r.dial(t, api.Normal)
			bad.send(request(5, 12), c.bytes)
			if id := bad.receive(); id != 5 {
				t.Errorf("the answer before: %d", id)
			}
			bad.closed()
			good.send(request(6, 12))
			if id := good.receive(); id != 6 {
				t.Errorf("another connection: %d", id)
			}
			if log := r.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, c.log) || !strings.Contains(log, "client=me") {
				t.Errorf("log: %q", log)
			}
		})
	}
}

// TestRefusedByHandler: what cannot be answered closes the connection, after
// the answers to what came before.
func TestRefusedByHandler(t *testing.T) {
	r := start(t)
	r.handler.answer = func(_ context.Context, req *api.Request) (api.Wait, error) {
		if req.CorrelationID == 2 {
			return nil, api.ErrUnsupportedVersion
		}
		return func() kmsg.Response { return empty(req) }, nil
	}
	c := r.dial(t, api.Normal)
	c.send(request(1, 12), request(2, 12), request(3, 12))
	if id := c.receive(); id != 1 {
		t.Errorf("answer to %d", id)
	}
	c.closed()
	if !strings.Contains(r.log.String(), "unsupported version") {
		t.Errorf("log: %q", r.log.String())
	}
}

func TestNoAnswer(t *testing.T) {
	r := start(t)
	r.handler.answer = func(_ context.Context, req *api.Request) (api.Wait, error) {
		return func() kmsg.Response {
			if req.CorrelationID == 1 {
				return nil
			}
			req.HangUp = req.CorrelationID == 3
			return empty(req)
		}, nil
	}
	c := r.dial(t, api.Normal)
	c.send(request(1, 12), request(2, 12), request(3, 12), request(4, 12))
	for _, want := range []int32{2, 3} {
		if id := c.receive(); id != want {
			t.Errorf("answer to %d, want %d", id, want)
		}
	}
	c.closed()
}

// TestPendingIsBounded: a client that pipelines without end is not read on.
func TestPendingIsBounded(t *testing.T) {
	r := start(t)
	release := make(chan struct{})
	r.handler.answer = func(_ context.Context, req *api.Request) (api.Wait, error) {
		return func() kmsg.Response { <-release; return empty(req) }, nil
	}
	c := r.dial(t, api.Normal)
	const n = 3 * maxPending
	for i := range int32(n) {
		c.send(request(i, 12))
	}
	r.handler.hasStarted(t, maxPending)
	r.handler.mu.Lock()
	if got := len(r.handler.started); got > maxPending+2 {
		t.Errorf("%d requests started", got)
	}
	r.handler.mu.Unlock()
	close(release)
	for want := range int32(n) {
		if id := c.receive(); id != want {
			t.Fatalf("answer to %d, want %d", id, want)
		}
	}
}

// TestClientLeaves: what a client waits for ends with its connection.
func TestClientLeaves(t *testing.T) {
	r := start(t)
	released, gone := make(chan struct{}), make(chan struct{})
	r.handler.answer = func(ctx context.Context, req *api.Request) (api.Wait, error) {
		return func() kmsg.Response {
			<-ctx.Done()
			close(released)
			<-req.Gone
			close(gone)
			return empty(req)
		}, nil
	}
	c := r.dial(t, api.Normal)
	c.send(request(1, 12))
	r.handler.hasStarted(t, 1)
	c.Close()
	for _, ch := range []chan struct{}{released, gone} {
		select {
		case <-ch:
		case <-time.After(patience):
			t.Fatal("still waiting")
		}
	}
}

// TestStop: parked requests are released at once, what takes longer is waited
// for, and both are answered.
func TestStop(t *testing.T) {
	r := start(t)
	commit := make(chan struct{})
	r.handler.answer = func(ctx context.Context, req *api.Request) (api.Wait, error) {
		return func() kmsg.Response {
			switch req.CorrelationID {
			case 1:
				<-ctx.Done() // parked
			case 2:
				<-commit
			}
			return empty(req)
		}, nil
	}
	parked, committing, idle := r.dial(t, api.Normal), r.dial(t, api.Local), r.dial(t, api.Normal)
	parked.send(request(1, 12))
	committing.send(request(2, 12))
	r.handler.hasStarted(t, 2)
	r.stop()
	if id := parked.receive(); id != 1 {
		t.Errorf("answer to %d", id)
	}
	parked.closed()
	idle.closed()
	select {
	case <-r.stopped:
		t.Fatal("stopped before the last answer")
	default:
	}
	close(commit)
	if id := committing.receive(); id != 2 {
		t.Errorf("answer to %d", id)
	}
	committing.closed()
	<-r.stopped
	if _, err := net.Dial("tcp", r.Addr(api.Normal).String()); err == nil {
		t.Error("still accepting")
	}
}

func TestTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for setting, change := range map[string]func(*config.Config){
		"LOCKSTEP_LISTENERS":       func(c *config.Config) { c.Listen = taken.Addr().String() },
		"LOCKSTEP_LOCAL_LISTENERS": func(c *config.Config) { c.LocalListen = taken.Addr().String() },
	} {
		cfg := config.Default()
		cfg.Listen, cfg.LocalListen = "127.0.0.1:0", "127.0.0.1:0"
		change(cfg)
		err := New(Options{Config: cfg}).Listen()
		if err == nil || !strings.HasPrefix(err.Error(), setting+": ") || !strings.Contains(err.Error(), taken.Addr().String()) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

func TestDispatch(t *testing.T) {
	r := start(t)
	r.handler.answer = func(_ context.Context, req *api.Request) (api.Wait, error) {
		if req.Listener != api.Peer {
			t.Errorf("came on the %s listener", req.Listener)
		}
		return func() kmsg.Response { return empty(req) }, nil
	}
	got, err := r.Dispatch(t.Context(), request(7, 12)[4:])
	if err != nil || len(got) < 5 || binary.BigEndian.Uint32(got) != 7 || got[4] != 0 {
		t.Errorf("got % x, %v", got, err)
	}
	if _, err := r.Dispatch(t.Context(), []byte{0, 99, 0, 0, 0, 0, 0, 1, 0, 0}); !errors.Is(err, api.ErrUnknownAPI) {
		t.Errorf("got %v", err)
	}
}

func TestReadFrame(t *testing.T) {
	long := append(binary.BigEndian.AppendUint32(nil, 3<<20), bytes.Repeat([]byte("x"), 3<<20)...)
	got, err := readFrame(bytes.NewReader(long), 8<<20)
	if err != nil || !bytes.Equal(got, long[4:]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := readFrame(bytes.NewReader(long[:1<<20]), 8<<20); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut short: %v", err)
	}
	if _, err := readFrame(bytes.NewReader(nil), 8<<20); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	// A promise of much is not enough to get the memory.
	promise := binary.BigEndian.AppendUint32(nil, 100<<20)
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			readFrame(bytes.NewReader(promise), 100<<20)
		}
	}).AllocedBytesPerOp()
	if allocated > 2*allocAtOnce {
		t.Errorf("%d bytes allocated for a promise", allocated)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, p []byte) {
		frame, err := readFrame(bytes.NewReader(p), 1<<10)
		if err == nil && (len(frame) < minFrame || len(frame) > 1<<10 || !bytes.Equal(frame, p[4:4+len(frame)])) {
			t.Fatalf("frame of %d bytes", len(frame))
		}
	})
}
