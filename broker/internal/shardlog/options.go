package shardlog

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"lockstep/broker/internal/vfs"
)

// Defaults of Options.
const (
	DefaultSegmentBytes = 64 << 20
	DefaultCacheBytes   = 8 << 20
)

// Options say where a log lives and how it behaves.
type Options struct {
	// Dir is the log's own directory; it is made when missing.
	Dir string
	// FS is the disk; nil is the operating system's.
	FS vfs.FS
	// SegmentBytes is the size of a segment file, 4 KiB to 16 GiB; 0 is
	// DefaultSegmentBytes. It can differ from one start to the next.
	SegmentBytes int64
	// Sync makes StoreLogs return only when the entries are on the disk. Without
	// it they are safe from the end of the process, not from that of the machine.
	Sync bool
	// CacheBytes is how much of the newest entries to keep in memory; 0 is
	// DefaultCacheBytes, and the newest entry is always kept.
	CacheBytes int64
	// OnReset, if set, is called after an installed snapshot has taken entries
	// away that Raft believes to be there; see NewSnapshotStore. It is called on
	// Raft's main goroutine and must not wait for Raft.
	OnReset func()
	// Logger is for what an operator should know; nil discards.
	Logger *slog.Logger
	// Rand is the source of the segments' salts; nil is crypto/rand.
	Rand io.Reader

	// sealInline does at once what else the sealer does in the background, so
	// that tests repeat exactly.
	sealInline bool
}

func (o *Options) setDefaults() error {
	if o.Dir == "" {
		return errors.New("open shard log: no directory given")
	}
	if o.FS == nil {
		o.FS = vfs.OS()
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = DefaultSegmentBytes
	}
	if o.SegmentBytes < 4<<10 || o.SegmentBytes > maxSegmentBytes {
		return fmt.Errorf("open shard log %s: segment size %d is not within 4 KiB and 16 GiB", o.Dir, o.SegmentBytes)
	}
	o.SegmentBytes &^= align - 1
	if o.CacheBytes == 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return nil
}

var (
	// ErrDamaged is matched by errors that say that the disk does not hold what
	// was once durably written. The text names the file, the offset and the way out.
	ErrDamaged = errors.New("shard log is damaged")
	// ErrFailed is matched by the errors of all appends after a write or a sync
	// has failed: what is on the disk is unknown from then on, until it is read
	// again by the next Open.
	ErrFailed = errors.New("shard log has failed and takes no more entries until it is opened again")
	// ErrCommitted is matched when DeleteRange is asked to cut committed entries.
	ErrCommitted = errors.New("refusing to delete committed entries")
	// ErrResetPending is matched by appends between OnReset and the next Open or
	// ClearReset.
	ErrResetPending = errors.New("log was replaced by a snapshot: Raft has to be closed and opened again")
	// ErrClosed is matched by whatever is called after Close.
	ErrClosed = errors.New("shard log is closed")
)

// hint ends the errors that match ErrDamaged.
const hint = "to recover, move this shard's directory away and start the node again: it is filled from the other replicas"

func damaged(name string, off int64, format string, args ...any) error {
	return fmt.Errorf("%w: %s at byte %d: %s; %s", ErrDamaged, name, off, fmt.Sprintf(format, args...), hint)
}
