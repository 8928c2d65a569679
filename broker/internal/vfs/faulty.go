package vfs

import (
	"io"
	"sync"
)

// Kind names a sort of operation in an Op.
type Kind string

// The kinds of operation. Reading a file's size and closing never fail.
const (
	KindCreate   Kind = "create"
	KindOpen     Kind = "open"
	KindRename   Kind = "rename"
	KindRemove   Kind = "remove"
	KindReadDir  Kind = "readdir"
	KindMkdir    Kind = "mkdir"
	KindSyncDir  Kind = "syncdir"
	KindLock     Kind = "lock"
	KindRead     Kind = "read"
	KindWrite    Kind = "write"
	KindSync     Kind = "sync"
	KindTruncate Kind = "truncate"
	KindAllocate Kind = "allocate"
)

// Op is an operation that is about to happen.
type Op struct {
	Kind Kind
	Name string // of the file or directory; a rename's old name
	N    int    // the how-manieth of its kind, from 1
	All  int    // the how-manieth of all, from 1
	Len  int    // bytes to read or write
}

// Fault says what becomes of an operation. With a nil Err it is carried out.
type Fault struct {
	Err error
	// Written is how many bytes a failing write writes first.
	Written int
}

// Faulty returns fsys with every operation shown to decide first. decide is
// called by one goroutine at a time.
func Faulty(fsys FS, decide func(Op) Fault) FS {
	return &faultyFS{fs: fsys, decide: decide, n: map[Kind]int{}}
}

type faultyFS struct {
	fs FS

	mu     sync.Mutex // guards what follows
	decide func(Op) Fault
	n      map[Kind]int
	all    int
}

func (f *faultyFS) ask(k Kind, name string, n int) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n[k]++
	f.all++
	return f.decide(Op{Kind: k, Name: name, N: f.n[k], All: f.all, Len: n})
}

func (f *faultyFS) file(k Kind, name string, open func(string) (File, error)) (File, error) {
	if x := f.ask(k, name, 0); x.Err != nil {
		return nil, x.Err
	}
	file, err := open(name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: file, fs: f}, nil
}

func (f *faultyFS) Create(name string) (File, error) { return f.file(KindCreate, name, f.fs.Create) }
func (f *faultyFS) Open(name string) (File, error)   { return f.file(KindOpen, name, f.fs.Open) }

func (f *faultyFS) do(k Kind, name string, op func() error) error {
	if x := f.ask(k, name, 0); x.Err != nil {
		return x.Err
	}
	return op()
}

func (f *faultyFS) Rename(oldname, newname string) error {
	return f.do(KindRename, oldname, func() error { return f.fs.Rename(oldname, newname) })
}

func (f *faultyFS) Remove(name string) error {
	return f.do(KindRemove, name, func() error { return f.fs.Remove(name) })
}

func (f *faultyFS) ReadDir(dir string) (names []string, err error) {
	err = f.do(KindReadDir, dir, func() error { names, err = f.fs.ReadDir(dir); return err })
	return names, err
}

func (f *faultyFS) MkdirAll(dir string) error {
	return f.do(KindMkdir, dir, func() error { return f.fs.MkdirAll(dir) })
}

func (f *faultyFS) SyncDir(dir string) error {
	return f.do(KindSyncDir, dir, func() error { return f.fs.SyncDir(dir) })
}

func (f *faultyFS) Lock(name string) (c io.Closer, err error) {
	err = f.do(KindLock, name, func() error { c, err = f.fs.Lock(name); return err })
	return c, err
}

type faultyFile struct {
	File
	fs *faultyFS
}

func (f *faultyFile) ReadAt(p []byte, off int64) (int, error) {
	if x := f.fs.ask(KindRead, f.Name(), len(p)); x.Err != nil {
		return 0, x.Err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	return f.WritevAt([][]byte{p}, off)
}

func (f *faultyFile) WritevAt(bufs [][]byte, off int64) (int, error) {
	total := 0
	for _, b := range bufs {
		total += len(b)
	}
	x := f.fs.ask(KindWrite, f.Name(), total)
	if x.Err == nil {
		return f.File.WritevAt(bufs, off)
	}
	var cut []byte
	for _, b := range bufs {
		cut = append(cut, b[:min(len(b), max(0, x.Written-len(cut)))]...)
	}
	n, err := f.File.WriteAt(cut, off)
	if err == nil {
		err = x.Err
	}
	return n, err
}

func (f *faultyFile) Sync() error {
	return f.fs.do(KindSync, f.Name(), f.File.Sync)
}

func (f *faultyFile) Truncate(size int64) error {
	return f.fs.do(KindTruncate, f.Name(), func() error { return f.File.Truncate(size) })
}

func (f *faultyFile) Allocate(size int64) error {
	return f.fs.do(KindAllocate, f.Name(), func() error { return f.File.Allocate(size) })
}
