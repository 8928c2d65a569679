package shardlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

// keepSnapshots is how many snapshots stay: should the newest be damaged, Raft
// restores the one before.
const keepSnapshots = 2

// SnapshotStore implements raft.SnapshotStore beside a Log. A snapshot holds
// state only; the entries from which it came stay in the log until retention
// removes them. What Open returns, though, is a stream of the state and of all
// entries that the log has up to the snapshot, so that a replica to which Raft
// sends it ends with the same data; see stream.go. A state machine's Restore
// finds the state in it with StateReader, and the rest is not even read then.
type SnapshotStore struct {
	log *Log
	dir string

	mu    sync.Mutex  // guards what follows
	snaps []*snapInfo // highest index first
	next  uint64      // makes the next id unique
}

var _ raft.SnapshotStore = (*SnapshotStore)(nil)

// NewSnapshotStore opens the snapshots of a log, in its directory. It completes
// an install that a crash has interrupted, and returns an error that matches
// ErrDamaged when the log begins where no snapshot reaches.
//
// When a snapshot from the leader takes the place of entries that the leader does
// not have, Raft goes on believing in its old last entry (hashicorp/raft #697),
// rejects all that the leader sends and asks for the snapshot again, forever.
// Options.OnReset is then called. Its owner must shut that Raft down, call
// Log.ClearReset and make a new Raft on the same Log; until then the log takes
// no entry that does not follow its last.
func NewSnapshotStore(l *Log) (*SnapshotStore, error) {
	s := &SnapshotStore{log: l, dir: filepath.Join(l.opts.Dir, "snapshots")}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("open snapshots: %w", err)
	}
	if err := s.dropAhead(); err != nil {
		return nil, fmt.Errorf("open snapshots: %w", err)
	}
	if from, newest := l.beginning(), s.Newest(); from > newest+1 {
		return nil, damaged(s.dir, 0, "the log begins with entry %d, but the newest snapshot is of entry %d", from, newest)
	}
	return s, nil
}

// dropAhead removes snapshots above the last entry if there is another state to
// begin with. Without Options.Sync a power loss can leave them so, and Raft
// would go on after the snapshot and never ask for the entries before.
func (s *SnapshotStore) dropAhead() error {
	l := s.log
	if l.opts.Sync || len(s.snaps) == 0 {
		return nil
	}
	last, from := l.end(), l.beginning()
	keep := slices.IndexFunc(s.snaps, func(info *snapInfo) bool { return info.meta.Index <= last })
	if keep < 0 {
		keep = len(s.snaps)
	}
	if from > 1 && (keep == len(s.snaps) || s.snaps[keep].meta.Index+1 < from) {
		return nil
	}
	for _, info := range s.snaps[:keep] {
		l.opts.Logger.Warn("removed a snapshot of entries that are lost", "file", info.path, "last", last)
		if err := l.fs.Remove(info.path); err != nil {
			return err
		}
	}
	s.snaps = s.snaps[keep:]
	return l.fs.SyncDir(s.dir)
}

// beginning returns the index from which the log has, or will have, entries.
func (l *Log) beginning() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.segs) == 0 {
		return 0
	}
	return l.segs[0].first
}

func (s *SnapshotStore) load() error {
	fsys := s.log.fs
	if err := fsys.MkdirAll(s.dir); err != nil {
		return err
	}
	// Retention will count on what is found here.
	if err := fsys.SyncDir(s.dir); err != nil {
		return err
	}
	names, err := fsys.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(s.dir, name)
		if tmp, ok := strings.CutSuffix(path, vfs.TempSuffix); ok {
			if err := s.finishOrRemove(path, tmp); err != nil {
				return err
			}
			path = tmp
		}
		if !strings.HasSuffix(path, snapSuffix) {
			continue
		}
		info, err := readSnapInfo(fsys, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a temporary file, and removed
		}
		if err != nil {
			s.log.opts.Logger.Warn("snapshot cannot be used", "err", err)
			continue
		}
		s.insert(info)
	}
	return nil
}

// insert is called with mu held, or before the store is shared.
func (s *SnapshotStore) insert(info *snapInfo) {
	var index, term, n uint64
	fmt.Sscanf(info.meta.ID, "%d-%d-%d", &index, &term, &n)
	s.next = max(s.next, n+1)
	s.snaps = append(s.snaps, info)
	slices.SortFunc(s.snaps, func(a, b *snapInfo) int { return strings.Compare(b.meta.ID, a.meta.ID) })
}

// finishOrRemove gives a temporary file its name if the log begins with what was
// installed together with it; else the install never happened.
func (s *SnapshotStore) finishOrRemove(tmp, path string) error {
	fsys := s.log.fs
	info, err := readSnapInfo(fsys, tmp)
	index, term := s.log.installed()
	if err != nil || index == 0 || info.meta.Index != index || info.meta.Term != term {
		return fsys.Remove(tmp)
	}
	if err := fsys.Rename(tmp, path); err != nil {
		return err
	}
	return fsys.SyncDir(s.dir)
}

// installed returns the snapshot with which the log's first segment came.
func (l *Log) installed() (index, term uint64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.segs) == 0 {
		return 0, 0
	}
	return l.segs[0].snapIndex, l.segs[0].snapTerm
}

// List implements raft.SnapshotStore.
func (s *SnapshotStore) List() ([]*raft.SnapshotMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*raft.SnapshotMeta
	for _, info := range s.snaps {
		meta := info.meta
		meta.Size = info.size
		out = append(out, &meta)
	}
	return out, nil
}

// Create implements raft.SnapshotStore.
func (s *SnapshotStore) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration,
	configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	if version != 1 {
		return nil, fmt.Errorf("create snapshot: version %d is not supported", version)
	}
	s.mu.Lock()
	n := s.next
	s.next++
	s.mu.Unlock()
	k := &sink{store: s, meta: raft.SnapshotMeta{
		Version: version, ID: snapID(index, term, n), Index: index, Term: term,
		Configuration: configuration, ConfigurationIndex: configurationIndex,
	}}
	var err error
	if k.out, err = createSnapFile(s.log.fs, k.tmpPath(), &k.meta); err != nil {
		return nil, fmt.Errorf("create snapshot of entry %d: %w", index, err)
	}
	return k, nil
}

// Open implements raft.SnapshotStore. The size in the metadata is the
// stream's. Segments that the stream is to send stay on the disk until it is closed.
func (s *SnapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.snaps, func(info *snapInfo) bool { return info.meta.ID == id })
	if i < 0 {
		s.mu.Unlock()
		return nil, nil, fmt.Errorf("open snapshot %s: %w", id, fs.ErrNotExist)
	}
	info := s.snaps[i]
	r, err := s.openStream(info) // before DropBefore can take a segment that goes with it
	s.mu.Unlock()
	if err != nil {
		return nil, nil, fmt.Errorf("open snapshot %s: %w", id, err)
	}
	meta := info.meta
	meta.Size = r.size
	return &meta, r, nil
}

// publish gives a finished snapshot its name and removes those that are too many.
func (s *SnapshotStore) publish(tmp string, meta *raft.SnapshotMeta) error {
	fsys := s.log.fs
	path := snapPath(s.dir, meta.ID)
	if err := fsys.Rename(tmp, path); err != nil {
		return err
	}
	if err := fsys.SyncDir(s.dir); err != nil {
		return err
	}
	info, err := readSnapInfo(fsys, path)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.insert(info)
	var old []*snapInfo
	if len(s.snaps) > keepSnapshots {
		old = slices.Clone(s.snaps[keepSnapshots:])
		s.snaps = s.snaps[:keepSnapshots:keepSnapshots]
	}
	s.mu.Unlock()
	for _, info := range old {
		if err := fsys.Remove(info.path); err != nil {
			s.log.opts.Logger.Warn("old snapshot not removed", "err", err)
		}
	}
	return nil
}

// DropBefore frees what is below index, as Log.DropBefore does, when the state of
// the newest snapshot needs none of it. States of older snapshots might: so these
// are removed first, and who has one open keeps the segments that go with it. It
// is an error to drop beyond the newest snapshot.
func (s *SnapshotStore) DropBefore(index uint64) error {
	dropped, err := s.hideBefore(index)
	if err == nil && dropped {
		err = s.log.reap()
	}
	if err != nil {
		return fmt.Errorf("drop entries before %d: %w", index, err)
	}
	return nil
}

func (s *SnapshotStore) hideBefore(index uint64) (dropped bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.log
	if !l.canDrop(index) {
		return false, nil
	}
	if len(s.snaps) == 0 || index > s.snaps[0].meta.Index+1 {
		return false, fmt.Errorf("the newest of %d snapshots does not reach there", len(s.snaps))
	}
	for _, info := range s.snaps[1:] {
		if err := ignoreMissing(l.fs.Remove(info.path)); err != nil {
			return false, err
		}
	}
	if len(s.snaps) > 1 {
		s.snaps = s.snaps[:1:1]
		if err := l.fs.SyncDir(s.dir); err != nil {
			return false, err
		}
	}
	l.write.Lock()
	defer l.write.Unlock()
	if l.closed {
		return false, ErrClosed
	}
	l.hideBefore(index)
	return true, nil
}

// Newest returns the index up to which the snapshots reach; 0 without any.
func (s *SnapshotStore) Newest() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.snaps) == 0 {
		return 0
	}
	return s.snaps[0].meta.Index
}
