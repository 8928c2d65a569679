package rafttransport

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// eventually waits for cond; what says what was waited for.
func eventually(t testing.TB, within time.Duration, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
		time.Sleep(time.Millisecond)
	}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// running runs m until the test ends.
func running(t testing.TB, m *Mux) *Mux {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- m.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("closing node %d: %v", m.cfg.LocalID, err)
		}
		if err := <-done; err != nil {
			t.Errorf("running node %d: %v", m.cfg.LocalID, err)
		}
	})
	return m
}

// muxes makes nodes 1 to n, with a proxy for each direction of each link:
// proxies[{1, 2}] stands between node 1, which dials, and node 2.
func muxes(t testing.TB, n int, tune func(*Config)) (map[int32]*Mux, map[[2]int32]*proxy) {
	t.Helper()
	listeners := make(map[int32]net.Listener)
	for id := int32(1); id <= int32(n); id++ {
		listeners[id] = listen(t)
	}
	all, proxies := make(map[int32]*Mux), make(map[[2]int32]*proxy)
	for id := int32(1); id <= int32(n); id++ {
		cfg := Config{LocalID: id, Listener: listeners[id], Peers: map[int32]string{}}
		for other := range listeners {
			if other != id {
				p := newProxy(t, listeners[other].Addr().String())
				proxies[[2]int32{id, other}] = p
				cfg.Peers[other] = p.listener.Addr().String()
			}
		}
		if tune != nil {
			tune(&cfg)
		}
		all[id] = New(cfg)
	}
	return all, proxies
}

// up waits until m reaches peer over both connections.
func up(t testing.TB, m *Mux, peer int32) {
	t.Helper()
	eventually(t, 10*time.Second, fmt.Sprintf("node %d is connected to node %d", m.cfg.LocalID, peer), func() bool {
		return m.peers[peer].links[urgent].get() != nil && m.peers[peer].links[bulk].get() != nil
	})
}

func pair(t testing.TB, tune func(*Config)) (a, b *Mux) {
	t.Helper()
	all, _ := muxes(t, 2, tune)
	a, b = running(t, all[1]), running(t, all[2])
	up(t, a, 2)
	up(t, b, 1)
	return a, b
}

func serverAddr(id int32) (raft.ServerID, raft.ServerAddress) {
	s := strconv.Itoa(int(id))
	return raft.ServerID(s), raft.ServerAddress(s)
}

// proxy forwards TCP to target. Each direction can be stopped: bytes then stay
// where they are, as on a link that loses every packet, until it goes on.
type proxy struct {
	target   string
	listener net.Listener
	forth    gate // from the dialler to the target
	back     gate

	mu     sync.Mutex // guards conns
	conns  map[net.Conn]bool
	closed atomic.Bool
	wg     sync.WaitGroup
}

type gate struct {
	mu   sync.Mutex
	cond *sync.Cond
	shut bool
	slow time.Duration // for every 64 KiB or less
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	g.shut = shut
	g.mu.Unlock()
	g.cond.Broadcast()
}

func (g *gate) pass() {
	g.mu.Lock()
	for g.shut {
		g.cond.Wait()
	}
	slow := g.slow
	g.mu.Unlock()
	time.Sleep(slow)
}

func newProxy(t testing.TB, target string) *proxy {
	p := &proxy{target: target, listener: listen(t), conns: make(map[net.Conn]bool)}
	p.forth.cond, p.back.cond = sync.NewCond(&p.forth.mu), sync.NewCond(&p.back.mu)
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) hole() { p.forth.set(true); p.back.set(true) }
func (p *proxy) heal() { p.forth.set(false); p.back.set(false) }
func (p *proxy) close() {
	p.closed.Store(true)
	_ = p.listener.Close()
	p.heal()
	p.reset()
	p.wg.Wait()
}

// reset breaks the connections there are.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) accept() {
	for {
		a, err := p.listener.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = a.Close()
			continue
		}
		p.mu.Lock()
		p.conns[a], p.conns[b] = true, true
		p.mu.Unlock()
		if p.closed.Load() {
			p.reset()
		}
		p.wg.Go(func() { p.copy(b, a, &p.forth) })
		p.wg.Go(func() { p.copy(a, b, &p.back) })
	}
}

func (p *proxy) copy(dst, src net.Conn, g *gate) {
	defer func() {
		_, _ = dst.Close(), src.Close()
		p.mu.Lock()
		delete(p.conns, dst)
		delete(p.conns, src)
		p.mu.Unlock()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		g.pass()
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// machine is a raft.FSM that counts and keeps the time of the newest entry. On
// the leader it pushes the commit index.
type machine struct {
	mu    sync.Mutex // guards the following
	count uint64
	bytes uint64
	times map[uint64]time.Time // by index, if wanted

	applied func(l *raft.Log) // may be nil; called without mu
}

func (f *machine) Apply(l *raft.Log) any {
	now := time.Now()
	f.mu.Lock()
	f.count++
	f.bytes += uint64(len(l.Data))
	if f.times != nil {
		f.times[l.Index] = now
	}
	f.mu.Unlock()
	if f.applied != nil {
		f.applied(l)
	}
	return nil
}

func (f *machine) total() uint64 { f.mu.Lock(); defer f.mu.Unlock(); return f.count }

func (f *machine) Snapshot() (raft.FSMSnapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return machineState(f.count), nil
}

func (f *machine) Restore(r io.ReadCloser) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	d := decoder{b: b}
	f.mu.Lock()
	f.count = d.u64()
	f.mu.Unlock()
	return r.Close()
}

// machineState is a snapshot, padded to some chunks.
type machineState uint64

const machineStateLen = 3*snapshotChunk + 12345

func (s machineState) Persist(sink raft.SnapshotSink) error {
	b := append(putU64(nil, uint64(s)), make([]byte, machineStateLen-8)...)
	if _, err := sink.Write(b); err != nil {
		return err
	}
	return sink.Close()
}

func (s machineState) Release() {}
