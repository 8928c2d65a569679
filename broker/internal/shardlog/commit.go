package shardlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"lockstep/broker/internal/vfs"
)

const commitSlotLen = 512 // one sector: a record is never torn

// commitPoint is how far the log is known to be committed. It is written
// without a sync: it has to survive the process, and after a power loss the
// frames' own notes of the commit index serve.
type commitPoint struct {
	index atomic.Uint64

	mu    sync.Mutex // guards slots
	slots *slotFile
}

// openCommit also returns up to which entry the record proves the log to have
// been durable. A record that cannot be read counts as none.
func openCommit(fsys vfs.FS, dir string) (c *commitPoint, durable uint64, err error) {
	name := filepath.Join(dir, "commit")
	slots, record, err := openSlots(fsys, name, commitSlotLen)
	if errors.Is(err, errNoSlot) {
		if err = fsys.Remove(name); err == nil {
			slots, record, err = openSlots(fsys, name, commitSlotLen)
		}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open commit checkpoint: %w", err)
	}
	c = &commitPoint{slots: slots}
	if len(record) >= 16 {
		c.index.Store(binary.LittleEndian.Uint64(record))
		durable = binary.LittleEndian.Uint64(record[8:])
	}
	return c, durable, nil
}

// note raises the index; durable is how far the log is synced.
func (c *commitPoint) note(index, durable uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if index <= c.index.Load() || c.slots == nil {
		return nil
	}
	c.index.Store(index)
	return c.write(index, durable)
}

// settle is called at open with what the frames noted and the last index.
// A checkpoint that says otherwise is replaced: what was lost above last may
// come again with other entries, and a suffix with the note may be cut.
func (c *commitPoint) settle(noted, last, durable uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	index := min(max(c.index.Load(), noted), last)
	if index == c.index.Load() {
		return nil
	}
	c.index.Store(index)
	if err := c.write(index, durable); err != nil {
		return err
	}
	return c.slots.file.Sync()
}

// write is called with mu held. Only committed entries are claimed to be
// durable: others can still be taken away by a new leader.
func (c *commitPoint) write(index, durable uint64) error {
	var p [16]byte
	binary.LittleEndian.PutUint64(p[:], index)
	binary.LittleEndian.PutUint64(p[8:], min(index, durable))
	return c.slots.write(p[:])
}

func (c *commitPoint) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.slots.close()
	c.slots = nil
	return err
}

// NoteCommitted records that all entries up to index are committed. It is
// cheap (one write of a few bytes, no sync) and survives kill -9. An index
// below an earlier one changes nothing. An error of the disk is logged and
// otherwise ignored: the record is a help for restarts, not what safety rests on.
func (l *Log) NoteCommitted(index uint64) {
	if err := l.commit.note(index, l.durable.Load()); err != nil {
		l.opts.Logger.Warn("commit checkpoint not written", "dir", l.opts.Dir, "err", err)
	}
}

// Committed returns up to which index the log is known to be committed. Right
// after Open it is the higher of the checkpoint and what the frames noted, at
// most LastIndex.
func (l *Log) Committed() uint64 { return l.commit.index.Load() }
