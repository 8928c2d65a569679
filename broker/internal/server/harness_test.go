package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/api"
	"lockstep/broker/internal/config"
	"lockstep/broker/internal/metrics"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// handler answers with a Metadata response at once, or what answer says.
type handler struct {
	mu      sync.Mutex
	started []int32 // correlation ids
	answer  func(ctx context.Context, req *api.Request) (api.Wait, error)
}

func (h *handler) Start(ctx context.Context, req *api.Request) (api.Wait, error) {
	h.mu.Lock()
	h.started = append(h.started, req.CorrelationID)
	answer := h.answer
	h.mu.Unlock()
	if answer != nil {
		return answer(ctx, req)
	}
	return func() kmsg.Response { return empty(req) }, nil
}

func empty(req *api.Request) kmsg.Response { return req.Body.ResponseKind() }

// hasStarted waits until n requests have started.
func (h *handler) hasStarted(t *testing.T, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d requests start", n), func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.started) >= n
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// running is a server with both listeners on loopback.
type running struct {
	*Server
	handler *handler
	log     *logBuffer
	stop    context.CancelFunc
	stopped chan struct{}
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T) *running {
	t.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.LocalListen, cfg.MaxRequestBytes = "127.0.0.1:0", "127.0.0.1:0", 1<<20
	r := &running{handler: &handler{}, log: &logBuffer{}, stopped: make(chan struct{})}
	r.Server = New(Options{API: r.handler, Config: cfg, Metrics: metrics.New(), Log: slog.New(slog.NewTextHandler(r.log, nil))})
	if err := r.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() {
		defer close(r.stopped)
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-r.stopped
	})
	return r
}

// connections is what the gauge says.
func (r *running) connections(t *testing.T, l api.Listener) float64 {
	t.Helper()
	var m dto.Metric
	if err := r.Metrics.Connections.WithLabelValues(l.String()).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetGauge().GetValue()
}

// client is one connection.
type client struct {
	t *testing.T
	net.Conn
}

func (r *running) dial(t *testing.T, l api.Listener) *client {
	t.Helper()
	c, err := net.Dial("tcp", r.Addr(l).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &client{t, c}
}

// request is a Metadata request as a frame.
func request(correlation int32, version int16) []byte {
	m := kmsg.NewPtrMetadataRequest()
	m.Version = version
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("me")).AppendRequest(nil, m, correlation)
}

func (c *client) send(frames ...[]byte) {
	c.t.Helper()
	if _, err := c.Write(bytes.Join(frames, nil)); err != nil {
		c.t.Fatal(err)
	}
}

// receive reads one response and returns its correlation id.
func (c *client) receive() int32 {
	c.t.Helper()
	id, err := c.tryReceive()
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

func (c *client) tryReceive() (int32, error) {
	var head [8]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if _, err := io.CopyN(io.Discard, c, int64(n)-4); err != nil {
		return 0, err
	}
	return int32(binary.BigEndian.Uint32(head[4:])), nil
}

// closed waits for the server to close the connection.
func (c *client) closed() {
	c.t.Helper()
	if id, err := c.tryReceive(); err == nil {
		c.t.Fatalf("got an answer to %d instead of the end", id)
	} else if errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "timeout") {
		c.t.Fatal("the connection stays open")
	}
}
