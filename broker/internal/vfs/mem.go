package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
)

// ErrCrashed is what every operation on a Mem returns after its Crash or Kill,
// as if the process were gone.
var ErrCrashed = errors.New("file system crashed")

// Mem is a file system in memory that knows what has been synced and what has
// not; see Crash. Directories are durable as soon as they are made. The zero
// value is not usable; call NewMem.
type Mem struct {
	mu    sync.Mutex
	gone  bool // Crash or Kill was called
	dirs  map[string]*memDir
	locks map[string]bool
}

// memDir maps names to files twice: as the process sees it, and as it is on
// the disk; pending leads from the second to the first.
type memDir struct {
	live, disk map[string]*memNode
	pending    []dirOp
}

// A dirOp is one atomic change of a directory: the names in it refer to these
// files from now on, or to none when nil.
type dirOp map[string]*memNode

// memNode is a file's contents, likewise.
type memNode struct {
	live, disk []byte
	pending    []fileOp
}

// A fileOp writes data at off, or, when data is nil, sets the size.
type fileOp struct {
	off, size int64
	data      []byte
}

// NewMem returns an empty file system.
func NewMem() *Mem { return &Mem{dirs: map[string]*memDir{}, locks: map[string]bool{}} }

func (m *Mem) enter(op, name string) (*memDir, string, error) {
	m.mu.Lock()
	if m.gone {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: ErrCrashed}
	}
	d := m.dirs[filepath.Dir(filepath.Clean(name))]
	if d == nil {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return d, filepath.Base(name), nil
}

func (d *memDir) apply(op dirOp) {
	applyDirOp(d.live, op)
	d.pending = append(d.pending, op)
}

func applyDirOp(names map[string]*memNode, op dirOp) {
	for name, node := range op {
		if node == nil {
			delete(names, name)
		} else {
			names[name] = node
		}
	}
}

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	d, base, err := m.enter("create", name)
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	node := d.live[base]
	if node == nil {
		node = &memNode{}
		d.apply(dirOp{base: node})
	} else {
		node.resize(0)
	}
	return &memFile{fs: m, node: node, name: name}, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) {
	d, base, err := m.enter("open", name)
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	node := d.live[base]
	if node == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memFile{fs: m, node: node, name: name}, nil
}

// Rename implements FS.
func (m *Mem) Rename(oldname, newname string) error {
	d, base, err := m.enter("rename", oldname)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	if filepath.Dir(filepath.Clean(newname)) != filepath.Dir(filepath.Clean(oldname)) {
		return fmt.Errorf("rename %s to %s: not in the same directory", oldname, newname)
	}
	node := d.live[base]
	if node == nil {
		return &fs.PathError{Op: "rename", Path: oldname, Err: fs.ErrNotExist}
	}
	d.apply(dirOp{base: nil, filepath.Base(newname): node})
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	d, base, err := m.enter("remove", name)
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	if d.live[base] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	d.apply(dirOp{base: nil})
	return nil
}

// ReadDir implements FS.
func (m *Mem) ReadDir(dir string) ([]string, error) {
	d, _, err := m.enter("readdir", filepath.Join(dir, "x"))
	defer m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	names := slices.Collect(maps.Keys(d.live))
	for sub := range m.dirs {
		if sub != filepath.Clean(dir) && filepath.Dir(sub) == filepath.Clean(dir) {
			names = append(names, filepath.Base(sub))
		}
	}
	slices.Sort(names)
	return names, nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: ErrCrashed}
	}
	for dir = filepath.Clean(dir); m.dirs[dir] == nil; dir = filepath.Dir(dir) {
		m.dirs[dir] = &memDir{live: map[string]*memNode{}, disk: map[string]*memNode{}}
	}
	return nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	d, _, err := m.enter("syncdir", filepath.Join(dir, "x"))
	defer m.mu.Unlock()
	if err != nil {
		return err
	}
	d.disk, d.pending = maps.Clone(d.live), nil
	return nil
}

// Lock implements FS.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrCrashed}
	}
	if m.locks[name] {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: ErrLocked}
	}
	m.locks[name] = true
	return memLock{m, name}, nil
}

type memLock struct {
	fs   *Mem
	name string
}

func (l memLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locks, l.name)
	return nil
}
