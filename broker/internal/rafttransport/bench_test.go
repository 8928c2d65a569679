package rafttransport

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// BenchmarkPipeline sends entries through one pipeline to a Raft that accepts
// them at once, with this transport and with hashicorp/raft's own.
func BenchmarkPipeline(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("mux/%dKiB", size>>10), func(b *testing.B) {
			from, to := pairDirect(b)
			playRaft(b, to.Shard(1), accept)
			benchPipeline(b, from.Shard(1), "2", size)
		})
		for _, inFlight := range []int{2, 16} {
			b.Run(fmt.Sprintf("net-%d/%dKiB", inFlight, size>>10), func(b *testing.B) {
				from, to := netTransport(b, inFlight), netTransport(b, inFlight)
				stop := make(chan struct{})
				defer close(stop)
				go func() {
					for {
						select {
						case rpc := <-to.Consumer():
							rpc.Respond(accept(nil, nil))
						case <-stop:
							return
						}
					}
				}()
				benchPipeline(b, from, to.LocalAddr(), size)
			})
		}
	}
}

func benchPipeline(b *testing.B, trans raft.Transport, to raft.ServerAddress, size int) {
	pl, err := trans.AppendEntriesPipeline(raft.ServerID(to), to)
	if err != nil {
		b.Fatal(err)
	}
	defer pl.Close()
	data := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuTime(b)
	defer func() { // steadier than the time where others use the machine
		b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range b.N {
			if f := <-pl.Consumer(); f.Error() != nil || !f.Response().Success {
				b.Errorf("%v, %+v", f.Error(), f.Response())
				return
			}
		}
	}()
	for i := range uint64(b.N) {
		req := &raft.AppendEntriesRequest{RPCHeader: rpcHeader, Term: 1, PrevLogEntry: i, PrevLogTerm: 1, LeaderCommitIndex: i,
			Entries: []*raft.Log{{Index: i + 1, Term: 1, Data: data}}}
		if _, err := pl.AppendEntries(req, new(raft.AppendEntriesResponse)); err != nil {
			b.Fatal(err)
		}
	}
	<-done
}

// BenchmarkCluster commits entries in three nodes' in-memory logs, 16 at a
// time, with both transports. MB/s is what is committed; it crosses the network
// twice.
func BenchmarkCluster(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("mux/%dKiB", size>>10), func(b *testing.B) {
			muxes := muxesDirect(b, 3)
			var trans []raft.Transport
			for id := int32(1); id <= 3; id++ {
				trans = append(trans, muxes[id].Shard(0))
			}
			benchCluster(b, trans, size)
		})
		b.Run(fmt.Sprintf("net/%dKiB", size>>10), func(b *testing.B) {
			var trans []raft.Transport
			for range 3 {
				trans = append(trans, netTransport(b, 0))
			}
			benchCluster(b, trans, size)
		})
	}
}

func benchCluster(b *testing.B, trans []raft.Transport, size int) {
	leader := startRafts(b, trans, forgetful)
	data := make([]byte, size)
	inFlight := make(chan raft.ApplyFuture, 16)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuTime(b)
	defer func() { // steadier than the time where others use the machine
		b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range b.N {
			if err := (<-inFlight).Error(); err != nil {
				b.Error(err)
			}
		}
	}()
	for range b.N {
		inFlight <- leader.Apply(data, 10*time.Second)
	}
	<-done
}

// forgetfulStore keeps the newest entries only, so that a benchmark's memory
// does not grow.
type forgetfulStore struct{ *raft.InmemStore }

func (s forgetfulStore) StoreLogs(logs []*raft.Log) error {
	if err := s.InmemStore.StoreLogs(logs); err != nil {
		return err
	}
	const keep = 1024
	if first, _ := s.FirstIndex(); first+2*keep < logs[0].Index {
		return s.DeleteRange(first, logs[0].Index-keep)
	}
	return nil
}

func (s forgetfulStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

func forgetful() raft.LogStore { return forgetfulStore{raft.NewInmemStore()} }

// startRafts starts a Raft on each transport and returns the leader.
func startRafts(b testing.TB, trans []raft.Transport, store func() raft.LogStore) *raft.Raft {
	b.Helper()
	var conf raft.Configuration
	for _, t := range trans {
		conf.Servers = append(conf.Servers, raft.Server{ID: raft.ServerID(t.LocalAddr()), Address: t.LocalAddr()})
	}
	var rafts []*raft.Raft
	for _, t := range trans {
		rc := raftConfig(1)
		rc.LocalID = raft.ServerID(t.LocalAddr())
		rc.SnapshotThreshold = 1 << 60
		stable, snaps := raft.NewInmemStore(), raft.NewInmemSnapshotStore()
		logs := store()
		if err := raft.BootstrapCluster(rc, logs, stable, snaps, t, conf); err != nil {
			b.Fatal(err)
		}
		r, err := raft.NewRaft(rc, &machine{}, logs, stable, snaps, t)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = r.Shutdown().Error() })
		rafts = append(rafts, r)
	}
	var leader *raft.Raft
	eventually(b, 20*time.Second, "a leader is elected", func() bool {
		for _, r := range rafts {
			if r.State() == raft.Leader && r.VerifyLeader().Error() == nil {
				leader = r
				return true
			}
		}
		return false
	})
	return leader
}

// muxesDirect is muxes without proxies.
func muxesDirect(t testing.TB, n int) map[int32]*Mux {
	t.Helper()
	listeners, addrs := make(map[int32]net.Listener), make(map[int32]string)
	for id := int32(1); id <= int32(n); id++ {
		listeners[id] = listen(t)
		addrs[id] = listeners[id].Addr().String()
	}
	all := make(map[int32]*Mux)
	for id, l := range listeners {
		all[id] = running(t, New(Config{LocalID: id, Listener: l, Peers: addrs}))
	}
	for id, m := range all {
		for other := range all {
			if other != id {
				up(t, m, other)
			}
		}
	}
	return all
}

func pairDirect(t testing.TB) (a, b *Mux) {
	t.Helper()
	all := muxesDirect(t, 2)
	return all[1], all[2]
}

func netTransport(b testing.TB, inFlight int) *raft.NetworkTransport {
	b.Helper()
	t := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{Stream: tcpStream{listen(b)}, MaxPool: 3, MaxRPCsInFlight: inFlight, Timeout: 10 * time.Second})
	b.Cleanup(func() { t.CloseStreams(); _ = t.Close() })
	return t
}

// tcpStream is a raft.StreamLayer.
type tcpStream struct{ net.Listener }

func (tcpStream) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(addr), timeout)
}

// TestIdleCost reports what three nodes with six shards cost when nothing is
// written. It asserts nothing, and takes a while: LOCKSTEP_TEST_IDLE=1.
func TestIdleCost(t *testing.T) {
	if os.Getenv("LOCKSTEP_TEST_IDLE") == "" {
		t.Skip("LOCKSTEP_TEST_IDLE is not set")
	}
	const nodes, shards, span = 3, 6, 10 * time.Second
	for _, kind := range []string{"mux", "net"} {
		t.Run(kind, func(t *testing.T) {
			before := runtime.NumGoroutine()
			var all map[int32]*Mux
			if kind == "mux" {
				all = muxesDirect(t, nodes)
			}
			for shard := range shards {
				var trans []raft.Transport
				for id := int32(1); id <= nodes; id++ {
					if kind == "mux" {
						trans = append(trans, all[id].Shard(uint32(shard)))
					} else {
						trans = append(trans, netTransport(t, 0))
					}
				}
				startRafts(t, trans, func() raft.LogStore { return raft.NewInmemStore() })
			}
			start := cpuTime(t)
			time.Sleep(span)
			t.Logf("%s: %d nodes, %d shards: %.1f %% of a core idle, %d goroutines", kind, nodes, shards,
				100*float64(cpuTime(t)-start)/float64(span), runtime.NumGoroutine()-before)
		})
	}
}

func cpuTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
