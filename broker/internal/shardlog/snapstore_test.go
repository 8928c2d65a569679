package shardlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

func mustSnapshots(t testing.TB, l *Log) *SnapshotStore {
	t.Helper()
	s, err := NewSnapshotStore(l)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var testServers = raft.Configuration{Servers: []raft.Server{{ID: "1", Address: "1"}, {ID: "2", Address: "2"}}}

func snapState(index uint64) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("state at %d;", index)), int(index)*3000/20)
}

// persist writes a snapshot as a state machine does.
func persist(s *SnapshotStore, index, term uint64) error {
	k, err := s.Create(1, index, term, testServers, 1, nil)
	if err != nil {
		return err
	}
	for part := range bytes.SplitAfterSeq(snapState(index), []byte(";")) {
		if _, err := k.Write(part); err != nil {
			return errors.Join(err, k.Cancel())
		}
	}
	return k.Close()
}

func readState(s *SnapshotStore, id string) ([]byte, error) {
	_, rc, err := s.Open(id)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	r, err := StateReader(rc)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// send does to a follower what Raft does with the leader's newest snapshot.
func send(from, to *SnapshotStore) error {
	list, err := from.List()
	if err != nil || len(list) == 0 {
		return fmt.Errorf("no snapshot: %v", err)
	}
	meta, rc, err := from.Open(list[0].ID)
	if err != nil {
		return err
	}
	defer rc.Close()
	k, err := to.Create(meta.Version, meta.Index, meta.Term, meta.Configuration, meta.ConfigurationIndex, nil)
	if err != nil {
		return err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{k}, struct{ io.Reader }{rc}, make([]byte, 1000))
	if err != nil {
		return errors.Join(err, k.Cancel())
	}
	if n != meta.Size {
		return errors.Join(fmt.Errorf("stream of %d bytes, size is %d", n, meta.Size), k.Cancel())
	}
	return k.Close()
}

func wantSnapshots(t *testing.T, s *SnapshotStore, indexes ...uint64) {
	t.Helper()
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	for _, m := range list {
		got = append(got, m.Index)
		state, err := readState(s, m.ID)
		if err != nil || !bytes.Equal(state, snapState(m.Index)) {
			t.Fatalf("snapshot %s: %d bytes, %v", m.ID, len(state), err)
		}
		if m.Term != 1 || m.ConfigurationIndex != 1 || len(m.Configuration.Servers) != 2 {
			t.Fatalf("snapshot %s: %+v", m.ID, m)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(indexes) {
		t.Fatalf("snapshots of %v, want %v", got, indexes)
	}
}

func TestSnapshotsAreKept(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	store(t, l, entries(1, 40, 1, 300)...)
	s := mustSnapshots(t, l)
	wantSnapshots(t, s)
	for i, want := range [][]uint64{{10}, {20, 10}, {30, 20}, {30, 30}} {
		if err := persist(s, []uint64{10, 20, 30, 30}[i], 1); err != nil {
			t.Fatal(err)
		}
		wantSnapshots(t, s, want...)
		if c := l.Committed(); c != want[0] {
			t.Fatalf("committed is %d after a snapshot of %d", c, want[0])
		}
		l = reopen(t, l)
		s = mustSnapshots(t, l)
		wantSnapshots(t, s, want...)
	}
	k, err := s.Create(1, 40, 1, testServers, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.Write([]byte("half"))
	if err := k.Cancel(); err != nil {
		t.Fatal(err)
	}
	wantSnapshots(t, s, 30, 30)
	if names, _ := l.fs.ReadDir(s.dir); len(names) != 2 {
		t.Fatalf("files %v", names)
	}
}

func TestDamagedSnapshots(t *testing.T) {
	for _, c := range []struct {
		name string
		off  int64 // from the end if negative
		list int   // how many are left
	}{{"meta", 20, 1}, {"magic", 5, 1}, {"trailer", -3, 1}, {"state", -500, 2}} {
		t.Run(c.name, func(t *testing.T) {
			l := mustOpen(t, testOptions(vfs.NewMem()))
			store(t, l, entries(1, 40, 1, 300)...)
			s := mustSnapshots(t, l)
			if err := errors.Join(persist(s, 10, 1), persist(s, 20, 1)); err != nil {
				t.Fatal(err)
			}
			path := s.snaps[0].path
			if c.off < 0 {
				p, _ := vfs.ReadFile(l.fs, path)
				c.off += int64(len(p))
			}
			flip(t, l.fs, strings.TrimPrefix(path, testDir+"/"), c.off)
			s = mustSnapshots(t, l)
			list, _ := s.List()
			if len(list) != c.list {
				t.Fatalf("%d snapshots, want %d", len(list), c.list)
			}
			if c.list == 2 {
				if _, err := readState(s, list[0].ID); err == nil {
					t.Fatal("read a damaged state")
				}
			}
			if _, err := readState(s, list[len(list)-1].ID); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestSnapshotCrash(t *testing.T) {
	for seed := range 300 {
		rng := rand.New(rand.NewPCG(uint64(seed), 7))
		mem := vfs.NewMem()
		budget := -1
		o := testOptions(vfs.Faulty(mem, func(op vfs.Op) vfs.Fault {
			if budget == 0 {
				return vfs.Fault{Err: errPowerLoss, Written: rng.IntN(op.Len + 1)}
			}
			budget = max(budget-1, -1)
			return vfs.Fault{}
		}))
		o.sealInline = true
		l := mustOpen(t, o)
		store(t, l, entries(1, 40, 1, 300)...)
		s := mustSnapshots(t, l)
		if err := persist(s, 10, 1); err != nil {
			t.Fatal(err)
		}
		budget = rng.IntN(12)
		newest := uint64(10)
		for i := uint64(11); i < 14; i++ {
			if persist(s, i, 1) == nil {
				newest = i
			}
		}
		budget = -1
		l.Close()
		if seed%2 == 0 { // a process in between has seen the newest
			mem = mem.Kill()
			l = mustOpen(t, testOptions(mem))
			list, _ := mustSnapshots(t, l).List()
			newest = list[0].Index
			l.Close()
		}
		l, err := Open(testOptions(mem.Crash(rng)))
		if err != nil {
			t.Fatal(err)
		}
		s = mustSnapshots(t, l)
		list, _ := s.List()
		if len(list) == 0 || list[0].Index < newest {
			t.Fatalf("seed %d: snapshot of %d is lost", seed, newest)
		}
		state, err := readState(s, list[0].ID)
		if err != nil || !bytes.Equal(state, snapState(list[0].Index)) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		l.Close()
	}
}

func TestSnapshotAheadOfLog(t *testing.T) {
	o := testOptions(vfs.NewMem())
	o.Sync = false
	l := mustOpen(t, o)
	store(t, l, entries(1, 40, 1, 300)...)
	s := mustSnapshots(t, l)
	if err := errors.Join(persist(s, 10, 1), persist(s, 50, 1)); err != nil {
		t.Fatal(err)
	}
	wantSnapshots(t, mustSnapshots(t, l), 10)
	if err := persist(s, 50, 1); err != nil {
		t.Fatal(err)
	}
	l.sealer.wait()
	if err := l.DropBefore(30); err != nil {
		t.Fatal(err)
	}
	list, _ := mustSnapshots(t, l).List()
	if len(list) == 0 || list[0].Index != 50 {
		t.Fatal("a snapshot was removed without which the log is of no use")
	}
}

func TestSnapshotMissing(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	store(t, l, entries(1, 40, 1, 300)...)
	l.sealer.wait()
	if err := l.DropBefore(30); err != nil {
		t.Fatal(err)
	}
	if _, err := NewSnapshotStore(l); !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v", err)
	}
}

func TestStateReader(t *testing.T) {
	head := (&streamHeader{state: 5}).encode()
	for _, c := range []struct {
		name, in, out string
		err           error
	}{
		{"bare", "hello", "hello", nil},
		{"empty", "", "", nil},
		{"long", strings.Repeat("x", 1000), strings.Repeat("x", 1000), nil},
		{"stream", string(head) + "helloparts", "hello", nil},
		{"cut", string(head) + "hell", "hell", io.ErrUnexpectedEOF},
		{"cut in the header", string(head[:40]), "", io.ErrUnexpectedEOF},
	} {
		var got []byte
		r, err := StateReader(strings.NewReader(c.in))
		if err == nil {
			got, err = io.ReadAll(r)
		}
		if string(got) != c.out || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
	head[20]++
	if _, err := StateReader(bytes.NewReader(head)); err == nil {
		t.Error("read a damaged header")
	}
}
