package shardlog

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

// A sink takes a snapshot from the local state machine, which writes its bare
// state, or from the leader, which sends a stream. It tells them apart by the
// stream's magic.
type sink struct {
	store *SnapshotStore
	meta  raft.SnapshotMeta
	out   *snapWriter

	head    []byte // the first bytes, until it is known what they begin
	known   bool
	stream  bool
	header  streamHeader
	state   int64    // bytes of it still to come in a stream
	rest    int64    // likewise of the parts
	install *install // nil if the log needs nothing of the stream
	closed  bool
	err     error // the first one
}

func (k *sink) tmpPath() string { return snapPath(k.store.dir, k.meta.ID) + vfs.TempSuffix }

// ID implements raft.SnapshotSink.
func (k *sink) ID() string { return k.meta.ID }

// Write implements raft.SnapshotSink.
func (k *sink) Write(p []byte) (int, error) {
	n := len(p)
	if k.err == nil {
		if k.err = k.take(p); k.err != nil {
			k.store.log.opts.Logger.Warn("snapshot cannot be stored", "index", k.meta.Index, "err", k.err)
		}
	}
	if k.err != nil {
		return 0, k.err
	}
	return n, nil
}

func (k *sink) take(p []byte) error {
	if !k.known {
		k.head = append(k.head, p...)
		common := min(len(k.head), len(streamMagic))
		switch {
		case !bytes.Equal(k.head[:common], streamMagic[:common]):
		case len(k.head) < streamHeaderLen:
			return nil
		default:
			if err := k.beginStream(k.head); err != nil {
				return err
			}
			k.head = k.head[streamHeaderLen:]
		}
		k.known, p, k.head = true, k.head, nil
	}
	if !k.stream {
		_, err := k.out.Write(p)
		return err
	}
	state := p[:min(int64(len(p)), k.state)]
	if _, err := k.out.Write(state); err != nil {
		return err
	}
	k.state -= int64(len(state))
	p = p[len(state):]
	if k.rest -= int64(len(p)); k.rest < 0 {
		return errors.New("the stream is longer than its header says")
	}
	if k.install == nil {
		return nil
	}
	return k.install.take(p)
}

// beginStream decides what the log needs.
func (k *sink) beginStream(head []byte) (err error) {
	if k.header, err = decodeStreamHeader(head); err != nil {
		return err
	}
	h := &k.header
	k.stream, k.state, k.rest = true, h.state, h.log
	if h.parts > 0 && h.last != k.meta.Index {
		return fmt.Errorf("the stream's log ends with entry %d, the snapshot is of entry %d", h.last, k.meta.Index)
	}
	l := k.store.log
	matches := l.agrees(k.meta.Index, k.meta.Term)
	if begins := l.beginning(); matches && (h.parts == 0 || begins <= h.first) {
		return nil
	}
	// A log that knows more than the snapshot must not forget it: this node may
	// have been part of the quorum that committed it.
	if known := max(l.Committed(), k.store.Newest()); !matches && k.meta.Index <= known {
		return fmt.Errorf("the snapshot is of entry %d, but entries up to %d are committed here", k.meta.Index, known)
	}
	k.install = newInstall(l, k.meta.Index, k.meta.Term, h)
	return nil
}

// Close implements raft.SnapshotSink. After a nil return the snapshot, and of a
// stream the entries, are there durably; after an error nothing has changed.
func (k *sink) Close() error {
	if k.closed {
		return k.err
	}
	k.closed = true
	err := k.err
	if err == nil {
		err = k.commit()
	} else {
		err = errors.Join(err, k.out.file.Close())
	}
	if err != nil {
		k.remove()
		k.err = fmt.Errorf("store snapshot of entry %d: %w", k.meta.Index, err)
	}
	return k.err
}

// Cancel implements raft.SnapshotSink.
func (k *sink) Cancel() error {
	if k.closed {
		return nil
	}
	k.closed = true
	k.out.file.Close()
	return k.remove()
}

func (k *sink) remove() error {
	var err error
	if k.install != nil {
		err = k.install.remove()
	}
	return errors.Join(err, ignoreMissing(k.store.log.fs.Remove(k.tmpPath())))
}

func (k *sink) commit() error {
	switch {
	case !k.known && bytes.HasPrefix(k.head, streamMagic), k.stream && k.state+k.rest > 0:
		k.out.file.Close()
		return errors.New("the stream is cut short")
	case !k.known:
		k.out.Write(k.head)
	}
	if err := k.out.finish(); err != nil {
		return err
	}
	l := k.store.log
	reset := false
	if k.install != nil {
		// The state must survive from the moment that the log begins anew.
		if err := l.fs.SyncDir(k.store.dir); err != nil {
			return err
		}
		var err error
		if reset, err = k.install.commit(); err != nil {
			return err
		}
	}
	if err := k.store.publish(k.tmpPath(), &k.meta); err != nil {
		if k.install != nil {
			// The log is the snapshot's, so nothing goes on without it: the next
			// start finds it under its temporary name.
			k.install = nil
			return l.fail(err)
		}
		return err
	}
	l.NoteCommitted(k.meta.Index)
	if reset && l.opts.OnReset != nil {
		l.opts.OnReset()
	}
	return nil
}
