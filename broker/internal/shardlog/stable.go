package shardlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"lockstep/broker/internal/vfs"
)

// errNotFound has the text by which hashicorp/raft recognises a missing key.
var errNotFound = errors.New("not found")

const stableSlotLen = 4096

// stable is Raft's vote and term: a handful of small values, written durably
// and atomically each time, all of them together into one slot of a slotFile.
type stable struct {
	mu     sync.Mutex // guards what follows
	slots  *slotFile
	values map[string]string
	failed error // the first failed write; see ErrFailed
}

func openStable(fsys vfs.FS, dir string) (*stable, error) {
	name := filepath.Join(dir, "stable")
	slots, record, err := openSlots(fsys, name, stableSlotLen)
	if errors.Is(err, errNoSlot) {
		// Voting again in a term that was voted in would break Raft.
		return nil, damaged(name, 0, "the vote and term are lost (%v)", errNoSlot)
	}
	if err != nil {
		return nil, fmt.Errorf("open stable store: %w", err)
	}
	values, err := decodeValues(record)
	if err != nil {
		slots.close()
		return nil, damaged(name, 0, "%v", err)
	}
	// What a killed process wrote last may be in the page cache only, and Raft
	// repeats a vote that it finds here without storing it again.
	if err := slots.file.Sync(); err != nil {
		slots.close()
		return nil, fmt.Errorf("open stable store: %w", err)
	}
	return &stable{slots: slots, values: values}, nil
}

func (s *stable) get(key []byte) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[string(key)]
	return v, ok
}

func (s *stable) set(key, val []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	if old, ok := s.values[string(key)]; ok && old == string(val) {
		return nil // Raft sets its term again at each start
	}
	next := maps.Clone(s.values)
	next[string(key)] = string(val)
	record := encodeValues(next)
	if len(record) > stableSlotLen-slotHeaderLen {
		return fmt.Errorf("set %q in stable store: value of %d bytes does not fit", key, len(val))
	}
	err := s.slots.write(record)
	if err == nil {
		err = s.slots.file.Sync()
	}
	if err != nil {
		s.failed = fmt.Errorf("%w: set %q in stable store: %w", ErrFailed, key, err)
		return s.failed
	}
	s.values = next
	return nil
}

func (s *stable) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = ErrClosed
	}
	return s.slots.close()
}

func encodeValues(values map[string]string) []byte {
	var p []byte
	for _, k := range slices.Sorted(maps.Keys(values)) {
		for _, s := range []string{k, values[k]} {
			p = binary.AppendUvarint(p, uint64(len(s)))
			p = append(p, s...)
		}
	}
	return p
}

func decodeValues(p []byte) (map[string]string, error) {
	values := map[string]string{}
	next := func() (string, bool) {
		n, w := binary.Uvarint(p)
		if w <= 0 || n > uint64(len(p)-w) {
			return "", false
		}
		s := string(p[w : w+int(n)])
		p = p[w+int(n):]
		return s, true
	}
	for len(p) > 0 {
		k, ok1 := next()
		v, ok2 := next()
		if !ok1 || !ok2 {
			return nil, errors.New("record in stable store cannot be read")
		}
		values[k] = v
	}
	return values, nil
}

// Set implements raft.StableStore. The value is durable when it returns nil.
func (l *Log) Set(key, val []byte) error { return l.stable.set(key, val) }

// Get implements raft.StableStore. The error of a missing key is "not found",
// which Raft knows by its text.
func (l *Log) Get(key []byte) ([]byte, error) {
	v, ok := l.stable.get(key)
	if !ok {
		return nil, errNotFound
	}
	return []byte(v), nil
}

// SetUint64 implements raft.StableStore, as Set does.
func (l *Log) SetUint64(key []byte, val uint64) error {
	return l.stable.set(key, binary.BigEndian.AppendUint64(nil, val))
}

// GetUint64 implements raft.StableStore; a missing key is 0.
func (l *Log) GetUint64(key []byte) (uint64, error) {
	v, ok := l.stable.get(key)
	switch {
	case !ok:
		return 0, nil
	case len(v) != 8:
		return 0, fmt.Errorf("stable store: %q is not a number", key)
	}
	return binary.BigEndian.Uint64([]byte(v)), nil
}
