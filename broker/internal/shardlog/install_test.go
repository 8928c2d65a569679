package shardlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

// leaderLog has entries first to 90, of term 1, and a snapshot of entry 70.
func leaderLog(t *testing.T, first uint64) *SnapshotStore {
	t.Helper()
	l := mustOpen(t, testOptions(vfs.NewMem()))
	store(t, l, entries(1, 90, 1, 300)...)
	s := mustSnapshots(t, l)
	if err := persist(s, 70, 1); err != nil {
		t.Fatal(err)
	}
	l.sealer.wait()
	if err := l.DropBefore(first); err != nil {
		t.Fatal(err)
	}
	if f, _ := l.FirstIndex(); f > first {
		t.Fatalf("leader begins at %d", f)
	}
	return s
}

// installCases are logs in all sorts of states to which the leader's snapshot
// is sent.
var installCases = []struct {
	name        string
	leader      uint64 // DropBefore there
	do          func(t *testing.T, l *Log)
	first, last uint64 // afterwards
	reset       bool
	err         string
}{
	{name: "empty", leader: 1, do: func(*testing.T, *Log) {}, first: 1, last: 70},
	{name: "empty, leader dropped its head", leader: 40, do: func(*testing.T, *Log) {}, first: 31, last: 70},
	{name: "behind", leader: 40, do: func(t *testing.T, l *Log) { store(t, l, entries(1, 20, 1, 300)...) }, first: 31, last: 70},
	{name: "behind and divergent", leader: 40, do: func(t *testing.T, l *Log) {
		store(t, l, append(entries(1, 20, 1, 300), entries(21, 30, 2, 300)...)...)
	}, first: 31, last: 70},
	{name: "divergent up to the snapshot", leader: 40, do: func(t *testing.T, l *Log) {
		store(t, l, append(entries(1, 20, 1, 300), entries(21, 70, 2, 300)...)...)
	}, first: 31, last: 70, reset: true},
	{name: "divergent beyond the snapshot", leader: 40, do: func(t *testing.T, l *Log) {
		store(t, l, append(entries(1, 20, 1, 300), entries(21, 95, 2, 300)...)...)
	}, first: 31, last: 70, reset: true},
	{name: "complete", leader: 40, do: func(t *testing.T, l *Log) { store(t, l, entries(1, 80, 1, 300)...) }, first: 1, last: 80},
	{name: "without the head", leader: 20, do: func(t *testing.T, l *Log) {
		store(t, l, entries(1, 80, 1, 300)...)
		l.sealer.wait()
		if err := l.DropBefore(60); err != nil {
			t.Fatal(err)
		}
	}, first: 11, last: 80},
	{name: "committed and unknown to the leader", leader: 40, do: func(t *testing.T, l *Log) {
		store(t, l, entries(80, 95, 1, 300)...)
		l.NoteCommitted(90)
	}, err: "are committed here"},
}

func TestInstall(t *testing.T) {
	for _, c := range installCases {
		t.Run(c.name, func(t *testing.T) {
			from := leaderLog(t, c.leader)
			o := testOptions(vfs.NewMem())
			resets := 0
			o.OnReset = func() { resets++ }
			o.Rand = newSeeded(2)
			l := mustOpen(t, o)
			c.do(t, l)
			to := &SnapshotStore{log: l, dir: filepath.Join(testDir, "snapshots")}
			if err := to.load(); err != nil {
				t.Fatal(err)
			}
			err := send(from, to)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, want %q", err, c.err)
				}
				wantBounds(t, l, 80, 95)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if (resets > 0) != c.reset {
				t.Fatalf("OnReset was called %d times", resets)
			}
			if c.reset {
				if err := l.StoreLog(entry(96, 2, 1)); !errors.Is(err, ErrResetPending) {
					t.Fatalf("the old Raft appended: %v", err)
				}
				l.ClearReset()
			}
			for range 2 {
				wantBounds(t, l, c.first, c.last)
				for i := c.first; i <= c.last; i++ {
					wantEntry(t, l, entry(i, 1, 300))
				}
				if c.first > 1 {
					wantEntry(t, l, &raft.Log{Index: c.first - 1, Term: 1})
				}
				wantSnapshots(t, to, 70)
				if l.Committed() != 70 {
					t.Fatalf("committed is %d", l.Committed())
				}
				l = reopen(t, l)
				to = mustSnapshots(t, l)
			}
			store(t, l, entries(c.last+1, c.last+30, 1, 300)...)
			l = reopen(t, l)
			wantBounds(t, l, c.first, c.last+30)
			names, _ := l.fs.ReadDir(testDir)
			for _, n := range names {
				if strings.HasSuffix(n, newSuffix) {
					t.Errorf("left over: %s", n)
				}
			}
		})
	}
}

// A second snapshot does not make the old Raft fit to append.
func TestInstallTwiceBeforeReset(t *testing.T) {
	from := leaderLog(t, 40)
	l := mustOpen(t, testOptions(vfs.NewMem()))
	to := mustSnapshots(t, l)
	store(t, l, append(entries(1, 20, 1, 300), entries(21, 95, 2, 300)...)...)
	if err := send(from, to); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(persist(from, 80, 1), send(from, to)); err != nil {
		t.Fatal(err)
	}
	if err := l.StoreLog(entry(96, 2, 1)); !errors.Is(err, ErrResetPending) {
		t.Fatalf("the old Raft appended: %v", err)
	}
	wantBounds(t, l, 31, 80)
}

// A leader whose log begins after its snapshot sends only the state.
func TestInstallWithoutLog(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	s := mustSnapshots(t, l)
	if err := persist(s, 70, 1); err != nil {
		t.Fatal(err)
	}
	store(t, l, entries(71, 80, 1, 300)...)
	follower := mustOpen(t, testOptions(vfs.NewMem()))
	store(t, follower, entries(1, 10, 1, 300)...)
	to := mustSnapshots(t, follower)
	if err := send(s, to); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantBounds(t, follower, 0, 0)
		wantEntry(t, follower, &raft.Log{Index: 70, Term: 1})
		follower = reopen(t, follower)
		to = mustSnapshots(t, follower)
		wantSnapshots(t, to, 70)
	}
	store(t, follower, entries(71, 75, 1, 300)...)
	wantBounds(t, follower, 71, 75)
}

// An open snapshot keeps the segments that it is to send, and only as long.
func TestOpenSnapshotHoldsSegments(t *testing.T) {
	from := leaderLog(t, 1)
	l := from.log
	meta, rc, err := from.Open(from.snaps[0].meta.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.DropBefore(60); err != nil {
		t.Fatal(err)
	}
	f, _ := l.FirstIndex()
	if f < 50 {
		t.Fatalf("log still begins at %d", f)
	}
	before, _ := l.fs.ReadDir(testDir)
	p, err := io.ReadAll(rc)
	if err != nil || int64(len(p)) != meta.Size {
		t.Fatalf("%d bytes, size %d, %v", len(p), meta.Size, err)
	}
	if err := rc.Close(); err != nil {
		t.Fatal(err)
	}
	after, _ := l.fs.ReadDir(testDir)
	if len(after) >= len(before) {
		t.Fatalf("files before: %v, after: %v", before, after)
	}
	l = reopen(t, l)
	wantBounds(t, l, f, 90)
}

// A stream that is damaged or cut short changes nothing.
func TestInstallOfDamagedStream(t *testing.T) {
	from := leaderLog(t, 40)
	meta, rc, err := from.Open(from.snaps[0].meta.ID)
	if err != nil {
		t.Fatal(err)
	}
	good, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	rc.Close()
	rng := rand.New(rand.NewPCG(1, 1))
	state := int64(len(snapState(70)))
	try := func(name string, p []byte) {
		t.Helper()
		l := mustOpen(t, testOptions(vfs.NewMem()))
		defer l.Close()
		store(t, l, entries(1, 5, 1, 300)...)
		s := mustSnapshots(t, l)
		k, err := s.Create(1, meta.Index, meta.Term, testServers, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(k, bytes.NewReader(p))
		if err == nil {
			err = k.Close()
		} else {
			k.Cancel()
		}
		if err == nil {
			t.Errorf("%s was installed", name)
			return
		}
		wantBounds(t, l, 1, 5)
		wantSnapshots(t, s)
		if names, _ := l.fs.ReadDir(s.dir); len(names) > 0 {
			t.Errorf("%s: left over: %v", name, names)
		}
	}
	for range 100 {
		n := rng.IntN(len(good))
		if n < len(streamMagic) {
			continue // that is a bare state
		}
		try(fmt.Sprintf("stream cut at %d", n), good[:n])
	}
	for range 100 {
		i := streamHeaderLen + state + rng.Int64N(int64(len(good))-streamHeaderLen-state)
		p := bytes.Clone(good)
		p[i] ^= 4
		if bytes.Equal(frameOf(t, p, state, i), []byte("padding")) {
			continue
		}
		try(fmt.Sprintf("stream with byte %d changed", i), p)
	}
	try("longer stream", append(bytes.Clone(good), 0))
}

// frameOf tells whether a byte of a stream is padding, which nothing protects
// or needs: the test's entries are of 300 bytes, and 4 bytes of padding.
func frameOf(t *testing.T, p []byte, state, at int64) []byte {
	t.Helper()
	pos := streamHeaderLen + state
	for pos < int64(len(p)) {
		h, err := decodePartHeader(p[pos:])
		if err != nil {
			return nil
		}
		pos += partHeaderLen
		if at < pos {
			return nil
		}
		if at < pos+h.frames {
			if (at-pos)%(frameLen+304) >= frameLen+300 {
				return []byte("padding")
			}
			return nil
		}
		pos += h.frames
	}
	return nil
}

// TestInstallCrash interrupts an install at each of its file operations, by a
// power loss and by a kill. Afterwards there is either all of the old or all of
// the new.
func TestInstallCrash(t *testing.T) {
	for _, diverged := range []bool{false, true} {
		done := false
		for at := 0; !done; at++ {
			for seed := range 4 {
				done = installCrash(t, diverged, at, seed)
			}
		}
	}
}

func installCrash(t *testing.T, diverged bool, at, seed int) (completed bool) {
	t.Helper()
	from := leaderLog(t, 40)
	defer from.log.Close()
	rng := rand.New(rand.NewPCG(uint64(seed), uint64(at)))
	mem := vfs.NewMem()
	budget := -1
	o := testOptions(vfs.Faulty(mem, func(op vfs.Op) vfs.Fault {
		if budget == 0 {
			return vfs.Fault{Err: errPowerLoss, Written: rng.IntN(op.Len + 1)}
		}
		budget = max(budget-1, -1)
		return vfs.Fault{}
	}))
	o.Rand, o.sealInline = newSeeded(3), true
	l := mustOpen(t, o)
	oldTerm := uint64(1)
	if diverged {
		oldTerm = 2
	}
	old := entries(1, 80, oldTerm, 200)
	if !diverged {
		old = old[:50]
	}
	store(t, l, old...)
	to := mustSnapshots(t, l)
	budget = at
	err := send(from, to)
	completed = budget != 0
	if completed && err != nil {
		t.Fatal(err)
	}
	budget = -1
	l.Close()
	next := mem
	if seed%2 == 0 {
		next = mem.Kill()
	} else {
		next = mem.Crash(rng)
	}
	l, oerr := Open(testOptions(next))
	if oerr != nil {
		t.Fatalf("crash at %d, seed %d: %v", at, seed, oerr)
	}
	defer l.Close()
	s := mustSnapshots(t, l)
	first, _ := l.FirstIndex()
	last, _ := l.LastIndex()
	list, _ := s.List()
	switch {
	case first == 31 && last == 70 && len(list) == 1:
		for i := first; i <= last; i++ {
			wantEntry(t, l, entry(i, 1, 300))
		}
		wantSnapshots(t, s, 70)
	case err != nil && first == 1 && last == old[len(old)-1].Index && len(list) == 0:
		for _, e := range old {
			wantEntry(t, l, e)
		}
	default:
		t.Fatalf("crash at %d, seed %d: log is %d to %d with %d snapshots, error was %v", at, seed, first, last, len(list), err)
	}
	store(t, l, entry(last+1, 5, 10))
	l.Close()
	// What was found once stays found, though the power fails now.
	l, oerr = Open(testOptions(next.Crash(rng)))
	if oerr != nil {
		t.Fatalf("crash at %d, seed %d, second time: %v", at, seed, oerr)
	}
	defer l.Close()
	wantBounds(t, l, first, last+1)
	if again, _ := mustSnapshots(t, l).List(); len(again) != len(list) {
		t.Fatalf("crash at %d, seed %d, second time: %d snapshots, were %d", at, seed, len(again), len(list))
	}
	return completed
}
