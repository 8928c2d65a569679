package rafttransport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestCalls(t *testing.T) {
	a, b := pair(t, func(c *Config) { c.MaxHandlers = 3 })
	echo := func(_ context.Context, from int32, req []byte) ([]byte, error) {
		return fmt.Appendf(nil, "%d:%s", from, req), nil
	}
	a.Handle(1, echo)
	b.Handle(1, echo)
	b.Handle(2, func(context.Context, int32, []byte) ([]byte, error) { return nil, errors.New("out of tea") })
	deadline := make(chan time.Duration, 1)
	ended := make(chan error, 8)
	b.Handle(3, func(ctx context.Context, _ int32, _ []byte) ([]byte, error) {
		if d, ok := ctx.Deadline(); ok {
			select {
			case deadline <- time.Until(d):
			default:
			}
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	ctx := context.Background()
	big := bytes.Repeat([]byte("x"), 3<<20)
	for _, tt := range []struct {
		name    string
		peer    int32
		service byte
		req     []byte
		want    string
		err     error
	}{
		{"remote", 2, 1, []byte("hi"), "1:hi", nil},
		{"empty", 2, 1, nil, "1:", nil},
		{"large", 2, 1, big, "1:" + string(big), nil},
		{"local", 1, 1, []byte("hi"), "1:hi", nil},
		{"error", 2, 2, nil, "", RemoteError("out of tea")},
		{"no service", 2, 99, nil, "", RemoteError("node 2 has no service 99")},
		{"no service here", 1, 99, nil, "", RemoteError("node 1 has no service 99")},
		{"no peer", 7, 1, nil, "", ErrUnreachable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := a.Call(ctx, tt.peer, tt.service, tt.req)
			if string(got) != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %.20q, %v; want %.20q, %v", got, err, tt.want, tt.err)
			}
		})
	}
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		// Whose clock ends it first, the caller's or the handler's, is open.
		if _, err := a.Call(ctx, 2, 3, nil); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, RemoteError(context.DeadlineExceeded.Error())) {
			t.Errorf("got %v", err)
		}
		if d := <-deadline; d > 100*time.Millisecond {
			t.Errorf("the handler was given %v", d)
		}
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the handler's context ended with %v", err)
		}
	})
	t.Run("too many", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		var refused, expired atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, err := a.Call(ctx, 2, 3, nil)
				var remote RemoteError
				if errors.As(err, &remote) && remote == RemoteError(errTooManyCalls.Error()) {
					refused.Add(1)
				} else if err != nil {
					expired.Add(1)
				}
			})
		}
		wg.Wait()
		if refused.Load() != 5 || expired.Load() != 3 {
			t.Errorf("%d of 8 calls were refused and %d expired, want 5 and 3", refused.Load(), expired.Load())
		}
		eventually(t, 5*time.Second, "the handlers have returned", func() bool {
			return len(b.peers[1].accepted[urgent].Load().handlers) == 0
		})
	})
	t.Run("concurrent and out of order", func(t *testing.T) {
		release := make(chan struct{})
		b.Handle(4, func(_ context.Context, _ int32, req []byte) ([]byte, error) {
			if string(req) == "first" {
				<-release
			} else {
				close(release)
			}
			return req, nil
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := a.Call(ctx, 2, 4, []byte("first")); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := a.Call(ctx, 2, 4, []byte("second")); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
	})
}

func TestContactAndStats(t *testing.T) {
	a, b := pair(t, func(c *Config) { c.PingInterval = 50 * time.Millisecond })
	if !a.Contact(9).IsZero() {
		t.Error("contact with an unknown peer")
	}
	first := a.Contact(2)
	if first.IsZero() {
		// Only hellos so far, which do not count.
		eventually(t, 5*time.Second, "a ping is answered", func() bool { return !a.Contact(2).IsZero() })
		first = a.Contact(2)
	}
	eventually(t, 5*time.Second, "contact is renewed on both sides", func() bool {
		return a.Contact(2).After(first) && b.Contact(1).After(first)
	})
	b.Handle(1, func(context.Context, int32, []byte) ([]byte, error) { return make([]byte, 1000), nil })
	if _, err := a.Call(context.Background(), 2, 1, make([]byte, 200)); err != nil {
		t.Fatal(err)
	}
	s := a.Stats()
	if len(s) != 1 || s[0].Peer != 2 || s[0].Up != [2]bool{true, true} || s[0].Connects != 2 {
		t.Errorf("%+v", s)
	}
	want := Traffic{FramesIn: 1, BytesIn: headerLen + 1000, FramesOut: 1, BytesOut: headerLen + 9 + 200}
	if got := s[0].Kinds[KindCall]; got != want {
		t.Errorf("calls: %+v, want %+v", got, want)
	}
}

// TestSilentPeer stops a link without closing it: what is pending fails in
// about PeerTimeout, and after healing the peers find each other again.
func TestSilentPeer(t *testing.T) {
	all, proxies := muxes(t, 2, func(c *Config) {
		c.PingInterval, c.PeerTimeout, c.DialTimeout, c.RedialMax = 50*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond, 50*time.Millisecond
	})
	a, b := running(t, all[1]), running(t, all[2])
	up(t, a, 2)
	up(t, b, 1)
	entered := make(chan struct{}, 1)
	b.Handle(1, func(ctx context.Context, _ int32, _ []byte) ([]byte, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, nil
	})
	failed := make(chan error, 1)
	go func() { _, err := a.Call(context.Background(), 2, 1, nil); failed <- err }()
	<-entered
	proxies[[2]int32{1, 2}].hole()
	began := time.Now()
	if err := <-failed; !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "nothing heard") {
		t.Errorf("the pending call: %v", err)
	}
	if d := time.Since(began); d < 200*time.Millisecond {
		t.Errorf("given up after %v already", d)
	}
	eventually(t, 5*time.Second, "calls are refused at once", func() bool {
		_, err := a.Call(context.Background(), 2, 1, nil)
		return errors.Is(err, ErrUnreachable)
	})
	if b.peers[1].links[urgent].get() == nil {
		t.Error("the other direction broke as well")
	}
	proxies[[2]int32{1, 2}].heal()
	up(t, a, 2)
}

// TestSlowLinkIsNotDead sends a frame that takes several PeerTimeouts.
func TestSlowLinkIsNotDead(t *testing.T) {
	all, proxies := muxes(t, 2, func(c *Config) {
		c.PingInterval, c.PeerTimeout = 100*time.Millisecond, 400*time.Millisecond
	})
	a, b := running(t, all[1]), running(t, all[2])
	up(t, a, 2)
	up(t, b, 1)
	b.Handle(1, func(_ context.Context, _ int32, req []byte) ([]byte, error) { return req[:1], nil })
	slow := &proxies[[2]int32{1, 2}].forth
	slow.mu.Lock()
	slow.slow = 5 * time.Millisecond
	slow.mu.Unlock()
	began := time.Now()
	if _, err := a.Call(context.Background(), 2, 1, make([]byte, 24<<20)); err != nil {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	if d := time.Since(began); d < 3*a.cfg.PeerTimeout {
		t.Errorf("the call took %v only: this was no test", d)
	}
	if c := a.Stats()[0].Connects; c != 2 {
		t.Errorf("%d connections were made, want 2", c)
	}
}

func TestReconnectsAfterResets(t *testing.T) {
	all, proxies := muxes(t, 2, nil)
	a, b := running(t, all[1]), running(t, all[2])
	b.Handle(1, func(_ context.Context, _ int32, req []byte) ([]byte, error) { return req, nil })
	for range 5 {
		up(t, a, 2)
		before := a.Stats()[0].Connects
		proxies[[2]int32{1, 2}].reset()
		eventually(t, 10*time.Second, "both connections are made again", func() bool { return a.Stats()[0].Connects == before+2 })
	}
	up(t, a, 2)
	if _, err := a.Call(context.Background(), 2, 1, nil); err != nil {
		t.Error(err)
	}
}

func TestBackoff(t *testing.T) {
	for _, jitter := range []float64{0, 0.5, 0.999} {
		m := New(Config{LocalID: 1, Listener: listen(t), Peers: map[int32]string{2: ""}, RedialMin: time.Millisecond, RedialMax: 8 * time.Millisecond,
			Jitter: func() float64 { return jitter }})
		l := m.peers[2].links[0]
		for failures, want := range []time.Duration{1, 2, 4, 8, 8} {
			want *= time.Millisecond
			began := time.Now()
			l.pause(context.Background(), failures)
			if d := time.Since(began); d < time.Duration(float64(want)*(0.5+jitter)) {
				t.Errorf("jitter %v, failure %d: paused %v", jitter, failures, d)
			}
		}
		l.wake()
		began := time.Now()
		m.cfg.RedialMax, m.cfg.RedialMin = time.Hour, time.Hour
		l.pause(context.Background(), refusedPause)
		if d := time.Since(began); d > time.Minute {
			t.Errorf("a wake was ignored for %v", d)
		}
		_ = m.Close()
	}
}

func TestCloseEndsEverything(t *testing.T) {
	before := runtime.NumGoroutine()
	listeners := []net.Listener{listen(t), listen(t)}
	var ms []*Mux
	var runs sync.WaitGroup
	for id := int32(1); id <= 2; id++ {
		m := New(Config{LocalID: id, Listener: listeners[id-1], Peers: map[int32]string{3 - id: listeners[2-id].Addr().String()}})
		ms = append(ms, m)
		runs.Go(func() {
			if err := m.Run(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	up(t, ms[0], 2)
	up(t, ms[1], 1)
	entered := make(chan struct{})
	ms[1].Handle(1, func(ctx context.Context, _ int32, _ []byte) ([]byte, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	pending := make(chan error, 3)
	go func() { _, err := ms[0].Call(context.Background(), 2, 1, nil); pending <- err }()
	<-entered
	id, addr := serverAddr(2)
	ms[1].Shard(5) // whose Raft never answers
	for range 2 {
		go func() {
			pl, err := ms[0].Shard(5).AppendEntriesPipeline(id, addr)
			if err != nil {
				pending <- err
				return
			}
			f, err := pl.AppendEntries(appendRequests["entries"], nil)
			if err == nil {
				err = f.Error()
			}
			pending <- err
		}()
	}
	eventually(t, 5*time.Second, "the requests have arrived", func() bool { return len(ms[1].Shard(5).waiting)+int(ms[1].Shard(5).inBytes.Load()) > 200 })
	for _, m := range ms {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if err := m.Close(); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	}
	for range 3 {
		if err := <-pending; err == nil {
			t.Error("a pending request succeeded")
		}
	}
	runs.Wait()
	eventually(t, 5*time.Second, "all goroutines have ended", func() bool {
		if n := runtime.NumGoroutine(); n > before {
			runtime.Gosched()
			return false
		}
		return true
	})
	if _, err := ms[0].Call(context.Background(), 2, 1, nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a call after Close: %v", err)
	}
	if _, err := ms[0].Call(context.Background(), 1, 1, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a local call after Close: %v", err)
	}
	if err := ms[0].Run(context.Background()); err == nil {
		t.Error("a closed Mux ran")
	}
}
