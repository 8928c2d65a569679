package shardlog

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"lockstep/broker/internal/mutant"
	"lockstep/broker/internal/vfs"
)

// Open opens the log in opts.Dir, or begins one there. It cuts a torn tail,
// and returns an error that matches ErrDamaged when anything else is missing
// of what was durable.
func Open(opts Options) (*Log, error) {
	if err := opts.setDefaults(); err != nil {
		return nil, err
	}
	fsys := opts.FS
	if err := fsys.MkdirAll(opts.Dir); err != nil {
		return nil, fmt.Errorf("make shard log directory: %w", err)
	}
	lock, err := fsys.Lock(filepath.Join(opts.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("open shard log: %w", err)
	}
	l := &Log{opts: opts, fs: fsys, lock: lock}
	l.files = fileCache{fs: fsys, max: maxOpenSegments}
	l.recent.limit = opts.CacheBytes
	l.sides.names = map[uint64][]string{}
	if err := l.load(); err != nil {
		l.abandon()
		return nil, err
	}
	l.sealer.start(l)
	if mutant.Is(mutant.LosesTail) {
		l.loseTail()
	}
	if opts.sealInline {
		l.sealer.wait()
	}
	return l, nil
}

// abandon closes what load has opened.
func (l *Log) abandon() {
	for _, s := range l.segs {
		if s.res != nil {
			s.res.file.Close()
		}
	}
	if l.commit != nil {
		l.commit.close()
	}
	if l.stable != nil {
		l.stable.close()
	}
	l.lock.Close()
}

func (l *Log) load() (err error) {
	if l.stable, err = openStable(l.fs, l.opts.Dir); err != nil {
		return err
	}
	var proven uint64
	if l.commit, proven, err = openCommit(l.fs, l.opts.Dir); err != nil {
		return err
	}
	if err = l.loadDir(); err != nil {
		return err
	}
	cut, err := l.loadChain(proven)
	if err != nil {
		return err
	}
	return l.resume(cut)
}

// loadDir finds the segments and tidies up what a crash has left.
func (l *Log) loadDir() error {
	// A killed process may have left names that are not durable yet. What follows
	// removes files because of others, and entries are about to be acknowledged.
	if err := l.fs.SyncDir(l.opts.Dir); err != nil {
		return fmt.Errorf("open shard log: %w", err)
	}
	names, err := l.fs.ReadDir(l.opts.Dir)
	if err != nil {
		return fmt.Errorf("open shard log: %w", err)
	}
	var fresh []string // segments of an install
	for _, name := range names {
		path := filepath.Join(l.opts.Dir, name)
		seq, _, suffix, ok := parseSegName(name)
		if ok {
			l.nextSeq = max(l.nextSeq, seq+1)
		}
		switch {
		case strings.HasSuffix(name, vfs.TempSuffix):
			err = l.fs.Remove(path)
		case strings.HasSuffix(name, freeSuffix):
			err = l.adoptSpare(path)
		case !ok:
		case suffix == segSuffix:
			err = l.loadHeader(path)
		case suffix == newSuffix:
			fresh = append(fresh, path)
		default:
			l.sides.names[seq] = append(l.sides.names[seq], suffix[1:])
		}
		if err != nil {
			return fmt.Errorf("open shard log: %w", err)
		}
	}
	if err := l.finishInstall(fresh); err != nil {
		return err
	}
	slices.SortFunc(l.segs, func(a, b *segment) int { return int(int64(a.seq - b.seq)) })
	if err := l.dropVoid(); err != nil {
		return err
	}
	return l.dropOrphans()
}

// loadHeader opens a segment and reads what it is.
func (l *Log) loadHeader(path string) error {
	f, err := l.fs.Open(path)
	if err != nil {
		return err
	}
	p := make([]byte, segHeaderLen)
	n, err := f.ReadAt(p, 0)
	if err != nil && n < segHeaderLen {
		if size, serr := f.Size(); serr == nil && size >= segHeaderLen {
			return errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
		}
	}
	h, err := decodeSegHeader(p[:n])
	if err == nil && segName(h.seq, h.first)+segSuffix != filepath.Base(path) {
		err = fmt.Errorf("the header belongs to %s", segName(h.seq, h.first)+segSuffix)
	}
	if err != nil {
		f.Close()
		return damaged(path, 0, "%v", err)
	}
	s := &segment{segHeader: h, path: path, res: &resources{file: f, end: segHeaderLen}}
	s.last, s.lastTerm, s.end = h.first-1, h.prevTerm, segHeaderLen
	l.segs = append(l.segs, s)
	return nil
}

// dropVoid removes the segments before the last at which the log was begun
// anew.
func (l *Log) dropVoid() error {
	start := 0
	for i, s := range l.segs {
		if s.restart {
			start = i
		}
	}
	void := l.segs[:start]
	l.segs = slices.Clone(l.segs[start:])
	for i := len(void) - 1; i >= 0; i-- {
		if err := l.discard(void[i]); err != nil {
			return fmt.Errorf("remove void segment: %w", err)
		}
	}
	if len(void) == 0 {
		return nil
	}
	// Before the segment that makes them void can be removed.
	return l.fs.SyncDir(l.opts.Dir)
}

// resume makes the loaded chain ready for reading and appending.
func (l *Log) resume(cut bool) error {
	if n := len(l.segs); n > 0 {
		if s := l.segs[n-1]; !s.trailed {
			l.active = s
			if err := l.resumeActive(s, cut); err != nil {
				return fmt.Errorf("open shard log: %w", err)
			}
		}
		if err := l.syncFound(); err != nil {
			return fmt.Errorf("open shard log: %w", err)
		}
		noted := uint64(0)
		for _, s := range l.segs { // the last one may be torn to nothing
			noted = max(noted, s.commit)
		}
		if err := l.commit.settle(noted, l.segs[n-1].last, l.durable.Load()); err != nil {
			return fmt.Errorf("open shard log: %w", err)
		}
	}
	for _, s := range l.segs {
		s.sealed = s != l.active
		if s.trailed {
			l.files.touch(s)
		} else if s.sealed {
			l.sealer.add(s)
		}
	}
	return nil
}

// resumeActive prepares the last segment for the next append. cut says that
// there is something behind its last frame that must never be read.
func (l *Log) resumeActive(s *segment, cut bool) error {
	size, err := s.res.file.Size()
	if err != nil {
		return err
	}
	if cut || size < s.size {
		return l.cutFile(s)
	}
	return nil
}

// syncFound makes durable what a killed process may have left in the page
// cache: Raft will count on it.
func (l *Log) syncFound() error {
	if !l.opts.Sync {
		return nil
	}
	for _, s := range l.segs {
		if s.trailed {
			continue
		}
		if err := s.res.file.Sync(); err != nil {
			return err
		}
		l.raiseDurable(s.last)
	}
	return nil
}
