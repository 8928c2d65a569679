package shardlog

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"lockstep/broker/internal/vfs"
)

// maxSpares is how many files of removed segments are kept for the next ones:
// blocks that were written before are much faster to sync. That no old frame is
// ever taken for a new one is due to the salt.
const maxSpares = 2

// spares are files of SegmentBytes that end in ".free".
type spares struct {
	mu    sync.Mutex // guards what follows
	paths []string   // ready to be used
	busy  int        // still being read
	// preparing says that one is being made; see prepare.go.
	preparing bool
}

// adoptSpare is called at open for each spare on the disk.
func (l *Log) adoptSpare(path string) error {
	f, err := l.fs.Open(path)
	if err != nil {
		return err
	}
	size, err := f.Size()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if size != l.opts.SegmentBytes || len(l.spares.paths) >= maxSpares {
		return l.fs.Remove(path)
	}
	l.spares.paths = append(l.spares.paths, path)
	return nil
}

// take returns an open file for a new segment, with its header written and
// under its final name, all durable. After an error named says whether the file
// may have got the name.
func (p *spares) take(l *Log, h *segHeader, path string) (f vfs.File, named bool, err error) {
	from := strings.TrimSuffix(path, segSuffix) + freeSuffix
	p.mu.Lock()
	if n := len(p.paths); n > 0 && h.size == l.opts.SegmentBytes {
		from, p.paths = p.paths[n-1], p.paths[:n-1]
		// Only under its name as a spare may it change: a crash must not bring
		// back the removed segment's name with other contents.
		if err = l.fs.SyncDir(filepath.Dir(path)); err == nil {
			f, err = l.fs.Open(from)
		}
	} else {
		f, err = l.fs.Create(from)
	}
	p.mu.Unlock()
	if err != nil {
		return nil, false, err
	}
	if err = initSegment(f, h, l.commit.index.Load()); err != nil {
		f.Close()
		l.fs.Remove(from) // best effort: Open would do it too
		return nil, false, err
	}
	if err = l.fs.Rename(from, path); err == nil {
		err = l.fs.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		f.Close()
		return nil, true, err
	}
	return f, true, nil
}

// bytes is what the spares take, each of the given size.
func (p *spares) bytes(size int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.paths) + p.busy
	if p.preparing {
		n++
	}
	return int64(n) * size
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// retire takes a segment's file away: it is a spare if one is wanted.
func (p *spares) retire(l *Log, s *segment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	busy := s.res != nil && s.res.pins > 0
	if s.res != nil && !busy {
		s.res.file.Close()
		s.res = nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	have := len(p.paths) + p.busy
	if p.preparing {
		have++
	}
	if s.sent || s.size != l.opts.SegmentBytes || have >= maxSpares {
		return ignoreMissing(l.fs.Remove(s.path))
	}
	path := strings.TrimSuffix(s.path, segSuffix) + freeSuffix
	if err := l.fs.Rename(s.path, path); err != nil {
		return ignoreMissing(err) // a second try: it was renamed by the first
	}
	if !busy {
		p.paths = append(p.paths, path)
		return nil
	}
	p.busy++
	s.res.idle = func() { // the last reader is gone
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy--
		if !slices.Contains(p.paths, path) {
			p.paths = append(p.paths, path)
		}
	}
	return nil
}
