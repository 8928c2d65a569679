package shardlog

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/hashicorp/raft"
)

// replace makes segs the chain. Called with write held.
func (l *Log) replace(segs []*segment) {
	newest := segs[len(segs)-1]
	l.mu.Lock()
	void := l.segs
	l.segs, l.active = segs, nil
	if !newest.sealed {
		l.active = newest
	}
	l.recent.clear()
	l.durable.Store(newest.last)
	l.mu.Unlock()
	l.opts.Logger.Info("log was replaced by a snapshot's", "dir", l.opts.Dir, "first", segs[0].first, "last", newest.last)
	l.reapVoid(void)
}

// end returns the index after which the log goes on.
func (l *Log) end() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tail().last
}

// agrees reports whether the log has, or begins after, this very entry.
func (l *Log) agrees(index, term uint64) bool {
	l.mu.RLock()
	first, known := uint64(0), false
	if len(l.segs) > 0 {
		first, known = l.segs[0].first, l.segs[0].prevTerm == term
	}
	l.mu.RUnlock()
	if first > 0 && index == first-1 {
		return known && term > 0
	}
	var e raft.Log
	return l.header(index, &e) == nil && e.Term == term
}

// ClearReset lets the log take entries again after OnReset, once the old Raft
// has been shut down.
func (l *Log) ClearReset() {
	l.write.Lock()
	defer l.write.Unlock()
	l.resetPending = false
}

// finishInstall completes at open an install whose first segment has its name,
// and removes all others. fresh are the files that end in ".new".
func (l *Log) finishInstall(fresh []string) error {
	var begin *segment
	for _, s := range l.segs {
		if s.restart && (begin == nil || s.seq > begin.seq) {
			begin = s
		}
	}
	for _, path := range fresh {
		seq, _, _, _ := parseSegName(filepath.Base(path))
		var err error
		if begin != nil && seq > begin.seq && seq < begin.seq+uint64(begin.parts) {
			final := strings.TrimSuffix(path, newSuffix) + segSuffix
			if err = l.fs.Rename(path, final); err == nil {
				err = l.loadHeader(final)
			}
		} else {
			err = l.fs.Remove(path)
		}
		if err != nil {
			return fmt.Errorf("open shard log: complete an install: %w", err)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return l.fs.SyncDir(l.opts.Dir)
}
