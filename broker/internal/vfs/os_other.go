//go:build !linux

package vfs

import "os"

func datasync(f *os.File) error { return f.Sync() }

func allocate(f *os.File, size int64) error { return grow(f, size) }

// lockFile does nothing: only Linux is a target for production, and elsewhere
// a second process on the same directory is the developer's own.
func lockFile(*os.File) error { return nil }

func writev(f *os.File, bufs [][]byte, off int64) (total int, err error) {
	for _, b := range bufs {
		n, err := f.WriteAt(b, off+int64(total))
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
