package shardlog

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing"

	"lockstep/broker/internal/vfs"
)

// TestDropBeforeSnapshot: what goes is what the newest snapshot can spare.
func TestDropBeforeSnapshot(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	s := mustSnapshots(t, l)
	store(t, l, entries(1, 60, 1, 500)...) // six to a segment
	if err := s.DropBefore(1); err != nil {
		t.Errorf("nothing to drop: %v", err)
	}
	if err := s.DropBefore(20); err == nil {
		t.Error("dropped without a snapshot")
	}
	for _, index := range []uint64{10, 30} {
		if err := persist(s, index, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DropBefore(32); err == nil {
		t.Error("dropped beyond the newest snapshot")
	}
	wantBounds(t, l, 1, 60)
	wantSnapshots(t, s, 30, 10)
	if err := s.DropBefore(6); err != nil {
		t.Fatal(err)
	}
	wantSnapshots(t, s, 30, 10) // nothing was dropped, so both are good
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	meta, old, err := s.Open(list[1].ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DropBefore(31); err != nil {
		t.Fatal(err)
	}
	wantBounds(t, l, 31, 60)
	wantSnapshots(t, s, 30)
	if _, _, err := s.Open(list[1].ID); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a snapshot whose entries are gone: %v", err)
	}
	if n, err := io.Copy(io.Discard, old); err != nil || n != meta.Size || n < 10*500 {
		t.Errorf("who had it open reads %d bytes of %d, %v", n, meta.Size, err)
	}
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	l = reopen(t, l)
	wantBounds(t, l, 31, 60)
	wantSnapshots(t, mustSnapshots(t, l), 30)
}

// TestRetentionCrash loses power at every step of taking a snapshot and dropping
// what it spares. The state of a snapshot at index i needs all from i-5 on.
func TestRetentionCrash(t *testing.T) {
	const spared = 5
	crashed := 0
	for seed := range 400 {
		rng := rand.New(rand.NewPCG(uint64(seed), 11))
		mem, budget := vfs.NewMem(), -1
		o := testOptions(vfs.Faulty(mem, func(op vfs.Op) vfs.Fault {
			if budget == 0 {
				return vfs.Fault{Err: errPowerLoss, Written: rng.IntN(op.Len + 1)}
			}
			budget = max(budget-1, -1)
			return vfs.Fault{}
		}))
		o.sealInline = true
		l := mustOpen(t, o)
		s := mustSnapshots(t, l)
		store(t, l, entries(1, 60, 1, 500)...)
		if err := persist(s, 10, 1); err != nil {
			t.Fatal(err)
		}
		budget = rng.IntN(60)
		for i := uint64(20); i <= 50; i += 10 {
			if err := persist(s, i, 1); err != nil {
				break
			}
			if err := s.DropBefore(i - spared); err != nil {
				break
			}
		}
		if budget == 0 {
			crashed++
		}
		budget = -1
		l.Close()
		if rng.IntN(3) == 0 {
			mem = mem.Kill()
		} else {
			mem = mem.Crash(rng)
		}
		l = mustOpen(t, testOptions(mem))
		s = mustSnapshots(t, l)
		newest := s.Newest()
		first, err := l.FirstIndex()
		if err != nil || newest < 10 || first > max(newest, spared+1)-spared {
			t.Fatalf("seed %d: the log begins with entry %d, the newest snapshot is of entry %d, %v", seed, first, newest, err)
		}
		list, err := s.List()
		if err != nil {
			t.Fatal(err)
		}
		if state, err := readState(s, list[0].ID); err != nil || len(state) != len(snapState(newest)) {
			t.Fatalf("seed %d: %d bytes of state, %v", seed, len(state), err)
		}
		for i := first; i <= 60; i++ {
			wantEntry(t, l, entry(i, 1, 500))
		}
		if err := s.DropBefore(newest - spared); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if again, _ := l.FirstIndex(); again+6 <= newest-spared {
			t.Fatalf("seed %d: after the next try the log begins with entry %d, the newest snapshot is of entry %d", seed, again, newest)
		}
		l.Close()
	}
	if crashed < 100 {
		t.Errorf("only %d runs lost power in the middle", crashed)
	}
}
