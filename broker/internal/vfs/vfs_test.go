package vfs

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
)

// Both file systems do the same.
func TestFS(t *testing.T) {
	for _, c := range []struct {
		name string
		fs   FS
		dir  string
	}{
		{"os", OS(), t.TempDir()},
		{"mem", NewMem(), "base"},
		{"faulty", Faulty(NewMem(), func(Op) Fault { return Fault{} }), "base"},
	} {
		t.Run(c.name, func(t *testing.T) { testFS(t, c.fs, filepath.Join(c.dir, "a", "b")) })
	}
}

func testFS(t *testing.T, fsys FS, dir string) {
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(fsys.MkdirAll(dir))
	check(fsys.MkdirAll(dir))
	name := filepath.Join(dir, "f")
	if _, err := fsys.Open(name); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("open missing: %v", err)
	}
	f, err := fsys.Create(name)
	check(err)
	if f.Name() != name {
		t.Errorf("name %q", f.Name())
	}
	check(f.Allocate(100))
	check(f.Allocate(50))
	wantSize(t, f, 100)
	n, err := f.WritevAt([][]byte{[]byte("ab"), nil, bytes.Repeat([]byte("c"), 5000), []byte("d")}, 98)
	check(err)
	if n != 5003 {
		t.Errorf("wrote %d", n)
	}
	many := make([][]byte, 3000)
	for i := range many {
		many[i] = []byte{byte(i)}
	}
	_, err = f.WritevAt(many, 98+5003)
	check(err)
	check(f.Sync())
	p := make([]byte, 5)
	if n, err := f.ReadAt(p, 97); n != 5 || err != nil || string(p) != "\x00abcc" {
		t.Errorf("read %q, %d, %v", p, n, err)
	}
	if n, err := f.ReadAt(p, 98+5002); n != 5 || err != nil || string(p) != "d\x00\x01\x02\x03" {
		t.Errorf("read %q, %d, %v", p, n, err)
	}
	check(f.Truncate(100))
	check(f.Truncate(102))
	if n, err := f.ReadAt(p, 98); n != 4 || err == nil || string(p[:n]) != "ab\x00\x00" {
		t.Errorf("read %q, %d, %v", p[:n], n, err)
	}
	testNames(t, fsys, dir, f)
}

func testNames(t *testing.T, fsys FS, dir string, f File) {
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p := make([]byte, 5)
	name, other := filepath.Join(dir, "f"), filepath.Join(dir, "g")
	check(fsys.Rename(name, other))
	check(fsys.SyncDir(dir))
	check(WriteFile(fsys, name, []byte("hello")))
	check(WriteFile(fsys, name, []byte("bye")))
	if p, err := ReadFile(fsys, name); string(p) != "bye" || err != nil {
		t.Errorf("read back %q, %v", p, err)
	}
	names, err := fsys.ReadDir(dir)
	check(err)
	if !slices.Equal(names, []string{"f", "g"}) {
		t.Errorf("names %v", names)
	}
	names, err = fsys.ReadDir(filepath.Dir(dir))
	check(err)
	if !slices.Equal(names, []string{"b"}) {
		t.Errorf("names %v", names)
	}
	check(fsys.Remove(other))
	if err := fsys.Remove(other); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("remove twice: %v", err)
	}
	if n, err := f.ReadAt(p, 98); n != 4 || err == nil {
		t.Errorf("read of a removed open file: %d, %v", n, err)
	}
	check(f.Close())

	lock, err := fsys.Lock(filepath.Join(dir, "lock"))
	check(err)
	if _, err := fsys.Lock(filepath.Join(dir, "lock")); !errors.Is(err, ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	check(lock.Close())
	lock, err = fsys.Lock(filepath.Join(dir, "lock"))
	check(err)
	check(lock.Close())
}

func wantSize(t *testing.T, f File, want int64) {
	t.Helper()
	if n, err := f.Size(); n != want || err != nil {
		t.Errorf("size %d, %v, want %d", n, err, want)
	}
}

func TestCrashKeepsWhatIsSynced(t *testing.T) {
	lost, torn, renamed := 0, 0, 0
	for seed := range 200 {
		rng := rand.New(rand.NewPCG(uint64(seed), 0))
		m := NewMem()
		if err := m.MkdirAll("d"); err != nil {
			t.Fatal(err)
		}
		f, _ := m.Create("d/f")
		f.WriteAt(bytes.Repeat([]byte("s"), 2000), 0)
		f.Sync()
		m.SyncDir("d")
		f.WriteAt(bytes.Repeat([]byte("1"), 1000), 500)
		f.WriteAt(bytes.Repeat([]byte("2"), 1000), 1500)
		m.Rename("d/f", "d/g")
		m.Create("d/new")

		after := m.Crash(rng)
		if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, ErrCrashed) {
			t.Fatalf("read after the crash: %v", err)
		}
		p, err := ReadFile(after, "d/f")
		if err != nil {
			renamed++
			if p, err = ReadFile(after, "d/g"); err != nil {
				t.Fatal("both names are gone")
			}
		}
		if !bytes.Equal(p[:500], bytes.Repeat([]byte("s"), 500)) || len(p) != 2000 && len(p) != 2500 {
			t.Fatalf("seed %d: lost synced bytes: %q", seed, p)
		}
		for i, b := range p {
			// A sector is as it was at some time: new bytes, or those before, never
			// a second write without the first.
			old := b == 's' || i >= 2000 && b == 0
			if i >= 1500 && b == '2' {
				continue
			}
			if i >= 500 && i < 1500 && b == '1' || old {
				continue
			}
			t.Fatalf("seed %d: byte %d is %q", seed, i, b)
		}
		n1 := bytes.Count(p, []byte("1"))
		if n1 == 0 {
			lost++
		} else if n1 < 1000 {
			torn++
		}
	}
	if lost == 0 || torn == 0 || renamed == 0 {
		t.Errorf("of 200 crashes %d lost a write, %d tore it, %d kept a rename", lost, torn, renamed)
	}
}

func TestCrashAfterTruncate(t *testing.T) {
	for seed := range 100 {
		m := NewMem()
		m.MkdirAll("d")
		f, _ := m.Create("d/f")
		f.WriteAt(bytes.Repeat([]byte("o"), 3000), 0)
		f.Sync()
		m.SyncDir("d")
		f.Truncate(100)
		f.Allocate(3000)
		f.WriteAt([]byte("n"), 2000)
		p, err := ReadFile(m.Crash(rand.New(rand.NewPCG(uint64(seed), 0))), "d/f")
		if err != nil {
			t.Fatal(err)
		}
		// Old bytes come back only if the file never got shorter.
		if len(p) > 200 && bytes.IndexByte(p[100:], 'o') >= 0 && (len(p) != 3000 || bytes.IndexByte(p, 'n') >= 0 || p[100] != 'o') {
			t.Fatalf("seed %d: the file is %d bytes and has old ones", seed, len(p))
		}
	}
}

func TestKill(t *testing.T) {
	m := NewMem()
	m.MkdirAll("d")
	f, _ := m.Create("d/f")
	f.WriteAt([]byte("x"), 0)
	if _, err := m.Lock("d/lock"); err != nil {
		t.Fatal(err)
	}
	after := m.Kill()
	if p, err := ReadFile(after, "d/f"); string(p) != "x" || err != nil {
		t.Errorf("%q, %v", p, err)
	}
	if _, err := after.Lock("d/lock"); err != nil {
		t.Errorf("still locked: %v", err)
	}
	if _, err := m.Create("d/g"); !errors.Is(err, ErrCrashed) {
		t.Errorf("create after kill: %v", err)
	}
}

func TestFaulty(t *testing.T) {
	boom := errors.New("boom")
	m := NewMem()
	m.MkdirAll("d")
	var ops []Op
	fsys := Faulty(m, func(op Op) Fault {
		ops = append(ops, op)
		if op.Kind == KindWrite && op.N == 2 {
			return Fault{Err: boom, Written: 3}
		}
		if op.Kind == KindSync {
			return Fault{Err: boom}
		}
		return Fault{}
	})
	f, err := fsys.Create("d/f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("abcdef"), 0); err != nil {
		t.Fatal(err)
	}
	if n, err := f.WritevAt([][]byte{[]byte("12"), []byte("34")}, 0); n != 3 || err != boom {
		t.Fatalf("short write: %d, %v", n, err)
	}
	if err := f.Sync(); err != boom {
		t.Fatalf("sync: %v", err)
	}
	if p, _ := ReadFile(m, "d/f"); string(p) != "123def" {
		t.Errorf("file is %q", p)
	}
	want := []Op{{KindCreate, "d/f", 1, 1, 0}, {KindWrite, "d/f", 1, 2, 6}, {KindWrite, "d/f", 2, 3, 4}, {KindSync, "d/f", 1, 4, 0}}
	if !slices.Equal(ops, want) {
		t.Errorf("ops %v, want %v", ops, want)
	}
}
