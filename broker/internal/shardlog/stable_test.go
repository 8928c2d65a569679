package shardlog

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"lockstep/broker/internal/vfs"
)

func TestStableStore(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	if _, err := l.Get([]byte("LastVoteCand")); err == nil || err.Error() != "not found" {
		t.Fatalf("missing key: %v, and Raft knows only \"not found\"", err)
	}
	if n, err := l.GetUint64([]byte("CurrentTerm")); n != 0 || err != nil {
		t.Fatalf("missing number: %d, %v", n, err)
	}
	for term := uint64(1); term < 6; term++ {
		if err := errors.Join(l.SetUint64([]byte("CurrentTerm"), term), l.Set([]byte("LastVoteCand"), []byte{byte(term)})); err != nil {
			t.Fatal(err)
		}
	}
	l = reopen(t, l)
	if n, err := l.GetUint64([]byte("CurrentTerm")); n != 5 || err != nil {
		t.Fatalf("term %d, %v", n, err)
	}
	if v, err := l.Get([]byte("LastVoteCand")); !bytes.Equal(v, []byte{5}) || err != nil {
		t.Fatalf("vote %v, %v", v, err)
	}
	if _, err := l.GetUint64([]byte("LastVoteCand")); err == nil {
		t.Fatal("one byte was a number")
	}
	if err := l.Set([]byte("big"), make([]byte, 5000)); err == nil {
		t.Fatal("stored what does not fit")
	}
	if err := l.SetUint64([]byte("CurrentTerm"), 6); err != nil {
		t.Fatalf("after a value that did not fit: %v", err)
	}
}

// A power loss in the middle of any number of unsynced bytes leaves the newest
// value that was acknowledged, or the one being written.
func TestStableStoreCrash(t *testing.T) {
	for seed := range 200 {
		rng := rand.New(rand.NewPCG(uint64(seed), 2))
		mem := vfs.NewMem()
		acked, tried := uint64(0), uint64(0)
		for range 5 {
			budget := rng.IntN(20)
			fsys := vfs.Faulty(mem, func(vfs.Op) vfs.Fault {
				if budget--; budget < 0 {
					return vfs.Fault{Err: errPowerLoss, Written: rng.IntN(40)}
				}
				return vfs.Fault{}
			})
			if err := mem.MkdirAll(testDir); err != nil {
				t.Fatal(err)
			}
			s, err := openStable(fsys, testDir)
			for err == nil {
				tried++
				val := []byte{byte(tried)}
				if err = s.set([]byte("k"), val); err == nil {
					acked = tried
				}
			}
			seen := ""
			if seed%2 == 0 { // a process in between acts on what it finds
				mem = mem.Kill()
				if s, err = openStable(mem, testDir); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				seen, _ = s.get([]byte("k"))
			}
			mem = mem.Crash(rng)
			s, err = openStable(mem, testDir)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			v, _ := s.get([]byte("k"))
			if seed%2 == 0 && v != seen {
				t.Fatalf("seed %d: found %q, then %q", seed, seen, v)
			}
			if got := append([]byte(v), 0)[0]; uint64(got) != acked && uint64(got) != tried {
				t.Fatalf("seed %d: found %d, acknowledged was %d, tried %d", seed, got, acked, tried)
			} else {
				acked, tried = uint64(got), uint64(got)
			}
		}
	}
}

func TestStableStoreDamaged(t *testing.T) {
	mem := vfs.NewMem()
	l := mustOpen(t, testOptions(mem))
	if err := l.SetUint64([]byte("CurrentTerm"), 3); err != nil {
		t.Fatal(err)
	}
	l.Close()
	f, err := mem.Open(filepath.Join(testDir, "stable"))
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("xxxx"), 8)
	f.WriteAt([]byte("xxxx"), stableSlotLen+8)
	if _, err := Open(testOptions(mem)); !errors.Is(err, ErrDamaged) {
		t.Fatalf("opened without a vote: %v", err)
	}
}
