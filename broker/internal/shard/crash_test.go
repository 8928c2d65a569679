package shard

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/rafttransport"
	"lockstep/broker/internal/vfs"
)

// TestRetentionAcrossCrashes loses power, and kills, at any step of writing,
// moving the log start, taking a snapshot and dropping segments. Whatever was
// acknowledged above a log start that was acknowledged must be there when the node
// comes back, and nothing may keep it from starting.
func TestRetentionAcrossCrashes(t *testing.T) {
	crashes, dropped := 0, 0
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 5))
		mem := vfs.NewMem()
		var acked, start int64
		for round := range 4 {
			var disk fuse
			disk.FS = vfs.Faulty(mem, disk.burn)
			s := crashable(t, disk.FS, fmt.Sprintf("seed %d, round %d", seed, round))
			if hw, from := s.set.Partition(key).HighWatermark(), s.set.Partition(key).LogStart(); hw < acked || from < start {
				t.Fatalf("seed %d, round %d: offsets %d to %d, acknowledged were %d to %d", seed, round, from, hw, start, acked)
			}
			contents(t, s, key) // or the test ends
			acked, start = s.set.Partition(key).HighWatermark(), s.set.Partition(key).LogStart()
			first := s.Storage().FirstIndex
			w := &writer{s: s, next: s.appliedIndex.Load() + 1}
			disk.light(100 + rng.IntN(600))
			for w.err == nil && !disk.burnt() {
				w.batch(&acked)
				if to := acked - int64(rng.IntN(100)); rng.IntN(8) == 0 && to > start {
					w.advance(&start, to)
				}
				if rng.IntN(10) == 0 {
					w.snapshot()
				}
			}
			crashes++
			if s.Storage().FirstIndex > first {
				dropped++
			}
			disk.light(-1)
			s.logStore.Close() //nolint:errcheck // it may have failed
			if rng.IntN(3) == 0 {
				mem = mem.Kill()
			} else {
				mem = mem.Crash(rng)
			}
		}
	}
	if dropped < crashes/4 {
		t.Errorf("segments were dropped in %d of %d rounds: the test does not test", dropped, crashes)
	}
}

// fuse is a disk that loses power after so many operations, from whatever
// goroutine they come: the log has one of its own.
type fuse struct {
	vfs.FS
	mu   sync.Mutex
	lit  bool
	left int // operations until it is out
}

func (f *fuse) light(operations int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.lit = operations, operations >= 0
}

func (f *fuse) burnt() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lit && f.left == 0
}

func (f *fuse) burn(vfs.Op) vfs.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.lit:
	case f.left == 0:
		return vfs.Fault{Err: errors.New("power loss")}
	default:
		f.left--
	}
	return vfs.Fault{}
}

// crashable opens a shard of one replica on a disk, without Raft, and brings to
// its state machine what Raft would: all that is in the log.
func crashable(t *testing.T, disk vfs.FS, what string) *Shard {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := rafttransport.New(rafttransport.Config{LocalID: 1, Listener: l})
	t.Cleanup(func() { mux.Close() }) //nolint:errcheck // it never ran
	s, err := Open(Options{
		ID: 5, Node: 1, Replicas: []int32{1}, Dir: "data", FS: disk, Sync: true, SegmentBytes: 4 << 10,
		Mux: mux, Log: slog.New(slog.DiscardHandler), Fatal: func(err error) { t.Errorf("%s: %v", what, err) },
	})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	last, err := s.logStore.LastIndex()
	if err != nil {
		t.Fatal(err)
	}
	for i := s.appliedIndex.Load() + 1; i <= last; i++ {
		var e raft.Log
		if err := s.logStore.GetLog(i, &e); err != nil {
			t.Fatalf("%s: entry %d: %v", what, i, err)
		}
		fsm{s}.Apply(&e)
	}
	return s
}

// writer does what Raft does with a shard of one replica, until something fails.
type writer struct {
	s    *Shard
	next uint64
	err  error
}

func (w *writer) command(data []byte) any {
	if w.err != nil {
		return w.err
	}
	e := &raft.Log{Index: w.next, Term: 1, Type: raft.LogCommand, Data: data}
	if w.err = w.s.logStore.StoreLog(e); w.err != nil {
		return w.err
	}
	w.next++
	return fsm{w.s}.Apply(e)
}

// batch writes ten records.
func (w *writer) batch(acked *int64) {
	b := records(10, "some text")
	b.SetBaseOffset(w.s.set.Partition(key).HighWatermark())
	b.SetPartitionLeaderEpoch(1)
	blob := partition.AppendRunHeader(partition.AppendBlobHeader(nil, 1, 1), key, len(b))
	if w.command(append(blob, b...)); w.err == nil {
		*acked = b.NextOffset()
	}
}

func (w *writer) advance(start *int64, to int64) {
	if told, ok := w.command(append([]byte{ownKind}, ownCommand(cmdAdvance, key, to)...)).(int64); ok {
		*start = told
	}
}

// snapshot takes one and frees what it spares.
func (w *writer) snapshot() {
	state, err := fsm{w.s}.Snapshot()
	if err != nil {
		w.err = err
		return
	}
	sink, err := w.s.snapshots.Create(1, w.next-1, 1, raft.Configuration{}, 0, nil)
	if err == nil {
		err = state.Persist(sink)
	}
	if err == nil {
		err = w.s.dropSpared()
	}
	w.err = err
}
