package shardlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"lockstep/broker/internal/vfs"
)

// sidecars are the files that lie beside segments and go away with them.
type sidecars struct {
	mu    sync.Mutex          // guards names, and the files while they change
	names map[uint64][]string // by the segment's seq
}

func sidePath(s *segment, name string) string {
	return filepath.Join(filepath.Dir(s.path), segName(s.seq, s.first)+"."+name)
}

// WriteSidecar stores data beside a sealed segment, durably and atomically,
// instead of what was there under that name. The sidecar is removed together
// with the segment, and also when DeleteRange cuts the segment. The name is of
// a-z, 0-9 and _, at most 32. The error of an unknown segment, or one that is
// not sealed, matches fs.ErrNotExist.
func (l *Log) WriteSidecar(seg uint64, name string, data []byte) error {
	if !validSidecar(name) {
		return fmt.Errorf("write sidecar %q of segment %d: not a valid name", name, seg)
	}
	l.sides.mu.Lock()
	defer l.sides.mu.Unlock()
	s := l.sealedSegment(seg)
	if s == nil {
		return fmt.Errorf("write sidecar %s of segment %d: no such sealed segment: %w", name, seg, fs.ErrNotExist)
	}
	if err := vfs.WriteFile(l.fs, sidePath(s, name), data); err != nil {
		return fmt.Errorf("write sidecar %s of segment %d: %w", name, seg, err)
	}
	if !slices.Contains(l.sides.names[s.seq], name) {
		l.sides.names[s.seq] = append(l.sides.names[s.seq], name)
	}
	return nil
}

// OpenSidecar opens what WriteSidecar stored; the caller closes it. The error of
// a missing one matches fs.ErrNotExist.
func (l *Log) OpenSidecar(seg uint64, name string) (vfs.File, error) {
	s := l.sealedSegment(seg)
	if s == nil {
		return nil, fmt.Errorf("open sidecar %s of segment %d: no such sealed segment: %w", name, seg, fs.ErrNotExist)
	}
	f, err := l.fs.Open(sidePath(s, name))
	if err != nil {
		return nil, fmt.Errorf("open sidecar %s of segment %d: %w", name, seg, err)
	}
	return f, nil
}

// ReadSidecar returns n bytes at off of what WriteSidecar stored, all of the
// rest if n is negative, and fewer at its end. The error of a missing one
// matches fs.ErrNotExist.
func (l *Log) ReadSidecar(seg uint64, name string, off int64, n int) ([]byte, error) {
	f, err := l.OpenSidecar(seg, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if n < 0 {
		size, err := f.Size()
		if err != nil {
			return nil, fmt.Errorf("read sidecar %s of segment %d: %w", name, seg, err)
		}
		n = int(max(0, size-off))
	}
	data := make([]byte, n)
	read, err := f.ReadAt(data, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read sidecar %s of segment %d: %w", name, seg, err)
	}
	return data[:read], nil
}

func validSidecar(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	suffix := "." + name
	return name != "" && len(name) <= 32 &&
		suffix != segSuffix && suffix != newSuffix && suffix != freeSuffix && suffix != vfs.TempSuffix
}

func (l *Log) sealedSegment(id uint64) *segment {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if s := l.find(id); s != nil && s.first == id && s.sealed && !l.closed {
		return s
	}
	return nil
}

// removeAll is called once s is not to be found any more, or not sealed.
func (c *sidecars) removeAll(l *Log, s *segment) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, name := range c.names[s.seq] {
		errs = append(errs, ignoreMissing(l.fs.Remove(sidePath(s, name))))
	}
	delete(c.names, s.seq)
	return errors.Join(errs...)
}

// dropOrphans removes at open the sidecars whose segment is gone.
func (l *Log) dropOrphans() error {
	for seq, names := range l.sides.names {
		if slices.ContainsFunc(l.segs, func(s *segment) bool { return s.seq == seq }) {
			continue
		}
		for _, name := range names {
			if err := l.removeSidecars(seq, name); err != nil {
				return fmt.Errorf("remove sidecar of a removed segment: %w", err)
			}
		}
		delete(l.sides.names, seq)
	}
	return nil
}

// removeSidecars finds the file again by its seq: the first index in its name
// is not remembered.
func (l *Log) removeSidecars(seq uint64, name string) error {
	all, err := l.fs.ReadDir(l.opts.Dir)
	if err != nil {
		return err
	}
	for _, file := range all {
		if q, _, suffix, ok := parseSegName(file); ok && q == seq && suffix == "."+name {
			if err := l.fs.Remove(filepath.Join(l.opts.Dir, file)); err != nil {
				return err
			}
		}
	}
	return nil
}
