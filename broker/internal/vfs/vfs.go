package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// FS is a file system. Its methods are safe for concurrent use. Errors of
// missing and existing files match fs.ErrNotExist and fs.ErrExist.
type FS interface {
	// Create makes a file, or empties an existing one, and opens it for reading
	// and writing.
	Create(name string) (File, error)
	// Open opens an existing file for reading and writing.
	Open(name string) (File, error)
	// Rename replaces newname, if it exists, atomically. Both names must be in
	// the same directory.
	Rename(oldname, newname string) error
	// Remove removes a file. Who has it open can go on reading it.
	Remove(name string) error
	// ReadDir returns the names in a directory, sorted, directories included.
	ReadDir(dir string) ([]string, error)
	// MkdirAll makes a directory and its parents, durably.
	MkdirAll(dir string) error
	// SyncDir makes the names in a directory durable.
	SyncDir(dir string) error
	// Lock takes an exclusive lock that ends with the process or with Close; it
	// creates the file. When another holds it the error matches ErrLocked.
	Lock(name string) (io.Closer, error)
}

// File is an open file. ReadAt and WriteAt may be called concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// WritevAt writes the buffers one after the other from off with as few
	// system calls as possible, and returns how many bytes it wrote; fewer than
	// all only with an error.
	WritevAt(bufs [][]byte, off int64) (int, error)
	// Sync makes what was written, and the file's size, durable (fdatasync).
	Sync() error
	// Truncate sets the file's size. What it adds reads as zeros.
	Truncate(size int64) error
	// Allocate makes the file at least size bytes long and reserves the blocks
	// where the file system can. What it adds reads as zeros.
	Allocate(size int64) error
	// Size returns the file's length in bytes.
	Size() (int64, error)
	// Name returns the name with which the file was opened.
	Name() string
}

// ErrSource says that SendTo failed because of the file.
var ErrSource = errors.New("the file cannot be sent")

// ErrLocked says that another process, or this one, holds a lock already.
var ErrLocked = errors.New("locked by another process")

// ReadFile returns a whole file.
func ReadFile(fsys FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	p := make([]byte, size)
	if n, err := f.ReadAt(p, 0); n < len(p) {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return p, nil
}

// TempSuffix ends the names of files that WriteFile has not finished. One
// that is found at start was left by a crash and can be removed.
const TempSuffix = ".tmp"

// WriteFile replaces a file durably and atomically: after a crash the name has
// the old contents or the new, never a mixture, and after a nil return the new.
func WriteFile(fsys FS, name string, data []byte) error {
	tmp := name + TempSuffix
	if err := writeSynced(fsys, tmp, data); err != nil {
		return errors.Join(err, ignoreMissing(fsys.Remove(tmp)))
	}
	if err := fsys.Rename(tmp, name); err != nil {
		return errors.Join(err, ignoreMissing(fsys.Remove(tmp)))
	}
	return fsys.SyncDir(filepath.Dir(name))
}

func writeSynced(fsys FS, name string, data []byte) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
