package shardlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/checksum"
	"lockstep/broker/internal/vfs"
)

// StoreLog implements raft.LogStore.
func (l *Log) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

// StoreLogs implements raft.LogStore. The log keeps the entries' Data and
// Extensions; they must never be written again. Entries that are stored
// already, with the same term, are passed over. An entry beyond the next index,
// which Raft appends after it has installed a snapshot, begins the log anew.
//
// After a write or a sync has failed this and all later calls fail with
// ErrFailed. A disk that is too full for a new segment fails only the call.
func (l *Log) StoreLogs(logs []*raft.Log) error {
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.writable(); err != nil {
		return err
	}
	logs, err := l.unstored(logs)
	if err != nil {
		return err
	}
	for len(logs) > 0 {
		n, err := l.appendRun(logs)
		if err != nil {
			return err
		}
		logs = logs[n:]
	}
	return nil
}

// unstored checks entries and returns those that are not in the log.
func (l *Log) unstored(logs []*raft.Log) ([]*raft.Log, error) {
	last := l.tail().last
	for i, e := range logs {
		if e.Index == 0 || len(e.Data) > maxDataLen || len(e.Extensions) > maxDataLen {
			return nil, fmt.Errorf("append entry %d: impossible index or more than %d bytes", e.Index, maxDataLen)
		}
		if i > 0 && e.Index <= logs[i-1].Index {
			return nil, fmt.Errorf("append entry %d: it follows entry %d in one call", e.Index, logs[i-1].Index)
		}
	}
	for len(logs) > 0 && logs[0].Index <= last {
		e := logs[0]
		var have raft.Log
		if err := l.header(e.Index, &have); err != nil {
			return nil, fmt.Errorf("append entry %d, which is below the last entry %d: %w", e.Index, last, err)
		}
		if have.Term != e.Term {
			return nil, fmt.Errorf("append entry %d of term %d: stored is one of term %d, and only DeleteRange removes it", e.Index, e.Term, have.Term)
		}
		logs = logs[1:]
	}
	return logs, nil
}

// tail is the last entry's index and term, or what stands in for them while
// there are none.
type tail struct {
	last, term uint64
}

// tail is called with write or mu held.
func (l *Log) tail() tail {
	if len(l.segs) == 0 {
		return tail{}
	}
	s := l.segs[len(l.segs)-1]
	return tail{last: s.last, term: s.lastTerm}
}

// appendRun writes as many of the entries as follow each other and fit into
// one segment, with one write and one sync.
func (l *Log) appendRun(logs []*raft.Log) (int, error) {
	first := frameSize(logs[0])
	t := l.tail()
	switch gap := logs[0].Index != t.last+1; {
	case gap && l.resetPending:
		return 0, fmt.Errorf("append entry %d after %d: %w", logs[0].Index, t.last, ErrResetPending)
	case gap:
		if err := l.restartAt(logs[0].Index, first); err != nil {
			return 0, err
		}
	case l.active == nil || !l.active.fits(first):
		if err := l.roll(t, first); err != nil {
			return 0, err
		}
	}
	s := l.active
	count := int64(s.last - s.first + 1)
	n, end := 0, s.end
	for n < len(logs) && logs[n].Index == logs[0].Index+uint64(n) {
		size := frameSize(logs[n])
		if end+size+sealedOverhead(count+int64(n)+1) > s.size {
			break
		}
		end += size
		n++
	}
	return n, l.appendTo(s, logs[:n])
}

func frameSize(e *raft.Log) int64 {
	return frameLen + pad(int64(len(e.Extensions))) + pad(int64(len(e.Data)))
}

func (l *Log) appendTo(s *segment, logs []*raft.Log) error {
	b := &l.frames
	b.build(s, logs, l.commit.index.Load(), l.durable.Load())
	if n, err := s.res.file.WritevAt(b.bufs, s.end); err != nil {
		return l.fail(fmt.Errorf("append entries %d to %d: %d bytes written: %w", logs[0].Index, logs[len(logs)-1].Index, n, err))
	}
	if l.opts.Sync {
		if err := s.res.file.Sync(); err != nil {
			return l.fail(fmt.Errorf("append entries %d to %d: %w", logs[0].Index, logs[len(logs)-1].Index, err))
		}
		l.raiseDurable(logs[len(logs)-1].Index)
	}
	l.mu.Lock()
	s.mu.Lock()
	s.res.refs, s.res.end = append(s.res.refs, b.refs...), b.end
	s.mu.Unlock()
	s.last, s.lastTerm, s.lastCRC = b.last.index, b.last.term, b.last.crc
	s.end, s.commit = b.end, max(s.commit, b.last.commit)
	l.recent.add(logs)
	l.mu.Unlock()
	b.reset()
	l.maybePrepare(s)
	return nil
}

// frameBuilder turns entries into the buffers of one write. Small data is
// copied next to its header; large data is written from where it is.
type frameBuilder struct {
	scratch []byte
	bufs    [][]byte
	refs    []frameRef
	last    frameHeader
	end     int64 // of the last frame
}

const (
	copyBelow      = 4 << 10 // bytes of data
	keepScratch    = 1 << 20 // bytes
	zeroes         = "\x00\x00\x00\x00\x00\x00\x00"
	smallFrameRoom = frameLen + 2*align
)

func (b *frameBuilder) build(s *segment, logs []*raft.Log, commit, durable uint64) {
	need := frameLen
	for _, e := range logs {
		need += smallFrameRoom + len(e.Extensions)
		if len(e.Data) < copyBelow {
			need += len(e.Data)
		}
	}
	if cap(b.scratch) < need {
		b.scratch = make([]byte, 0, need)
	}
	b.refs, b.end = b.refs[:0], s.end
	p, from := b.scratch[:0], 0
	prev := s.lastCRC
	for _, e := range logs {
		h := frameHeader{
			prev: prev, kind: kindEntry, typ: e.Type, index: e.Index, term: e.Term, commit: commit, durable: durable,
			dataLen: uint32(len(e.Data)), extLen: uint32(len(e.Extensions)),
			bodyCRC: checksum.OfEntry(e.Extensions, e.Data), appendedAt: toUnixNano(e.AppendedAt),
		}
		p = appendHeader(p, &h, s.salt)
		p = append(p, e.Extensions...)
		p = append(p, zeroes[:pad(int64(h.extLen))-int64(h.extLen)]...)
		if len(e.Data) < copyBelow {
			p = append(p, e.Data...)
		} else {
			b.bufs = append(b.bufs, p[from:], e.Data)
			from = len(p)
		}
		p = append(p, zeroes[:pad(int64(h.dataLen))-int64(h.dataLen)]...)
		b.refs = append(b.refs, frameRef{pos: uint32(b.end / align), data: h.dataLen})
		b.end += h.size()
		b.last, prev = h, h.crc
	}
	end := endMark(b.last.index+1, prev, commit, durable)
	p = appendHeader(p, &end, s.salt)
	b.bufs = append(b.bufs, p[from:])
	b.scratch = p
}

func (b *frameBuilder) reset() {
	clear(b.bufs) // the entries' bytes are not the builder's
	b.bufs, b.scratch = b.bufs[:0], b.scratch[:0]
	if cap(b.scratch) > keepScratch {
		b.scratch = nil
	}
}

// endMark is the frame that says where the next one goes.
func endMark(next uint64, prev uint32, commit, durable uint64) frameHeader {
	return frameHeader{kind: kindEnd, index: next, prev: prev, commit: commit, durable: durable}
}

func appendHeader(p []byte, h *frameHeader, salt uint64) []byte {
	n := len(p)
	p = append(p, make([]byte, frameLen)...)
	h.encode(p[n:], salt)
	return p
}

// roll seals the active segment, if any, and begins the next one.
func (l *Log) roll(t tail, frame int64) error {
	h := segHeader{first: t.last + 1, prevTerm: t.term}
	s, err := l.createSegment(h, frame)
	if err != nil {
		return err
	}
	old := l.active
	l.mu.Lock()
	if old != nil && old.empty() {
		l.segs = l.segs[:len(l.segs)-1]
	} else if old != nil {
		old.sealed = true
	}
	l.segs = append(l.segs, s)
	l.active = s
	l.mu.Unlock()
	switch {
	case old == nil:
	case old.empty(): // too small for the frame
		if err := l.discard(old); err != nil {
			l.opts.Logger.Warn("empty segment not removed", "file", old.path, "err", err)
		}
	default:
		l.sealer.add(old)
		if l.opts.sealInline {
			l.sealer.wait()
		}
	}
	return nil
}

// restartAt begins the log anew with an entry that does not follow the last.
func (l *Log) restartAt(index uint64, frame int64) error {
	s, err := l.createSegment(segHeader{first: index, restart: true}, frame)
	if err != nil {
		return err
	}
	l.sealer.wait()
	l.mu.Lock()
	void := l.segs
	l.segs, l.active = []*segment{s}, s
	l.recent.clear()
	l.mu.Unlock()
	if len(void) > 0 {
		l.opts.Logger.Info("log begins anew", "dir", l.opts.Dir, "first", index)
	}
	l.reapVoid(void)
	return nil
}

// reapVoid removes segments before one with which the log begins anew. Open
// would ignore them, so that an error does not matter.
func (l *Log) reapVoid(void []*segment) {
	l.reaper.add(void...)
	if err := l.reap(); err != nil {
		l.opts.Logger.Warn("void segments not removed", "dir", l.opts.Dir, "err", err)
	}
}

// createSegment makes a segment that can take a frame of the given size. It
// has its name, durably, only once its header is on the disk.
func (l *Log) createSegment(h segHeader, frame int64) (*segment, error) {
	salt, err := l.newSalt()
	if err != nil {
		return nil, err
	}
	h.seq, h.salt, h.durable = l.nextSeq, salt, l.durable.Load()
	l.nextSeq++
	h.size = max(l.opts.SegmentBytes, pad(segHeaderLen+frame+sealedOverhead(1)))
	path := segPath(l.opts.Dir, &h, segSuffix)
	f, named, err := l.spares.take(l, &h, path)
	if err != nil {
		err = fmt.Errorf("create segment %s: %w", path, err)
		if named { // it may or may not be of the log
			err = l.fail(err)
		}
		return nil, err
	}
	s := &segment{segHeader: h, path: path, res: &resources{file: f, end: segHeaderLen}}
	s.last, s.lastTerm, s.end = h.first-1, h.prevTerm, segHeaderLen
	return s, nil
}

func (l *Log) newSalt() (uint64, error) {
	var salt [8]byte
	if _, err := io.ReadFull(l.opts.Rand, salt[:]); err != nil {
		return 0, fmt.Errorf("create segment: %w", err)
	}
	return binary.LittleEndian.Uint64(salt[:]), nil
}

// initSegment writes the header, and the end mark after it, over whatever is
// in the file, and makes it durable.
func initSegment(f vfs.File, h *segHeader, commit uint64) error {
	if err := f.Allocate(h.size); err != nil {
		return err
	}
	end := endMark(h.first, 0, commit, h.durable)
	if _, err := f.WriteAt(appendHeader(slices.Clip(h.encode()), &end, h.salt), 0); err != nil {
		return err
	}
	return f.Sync()
}

// discard takes a segment that is no longer in segs off the disk; its file
// becomes a spare. Readers that have it open can go on.
func (l *Log) discard(s *segment) error {
	l.files.forget(s)
	err := l.sides.removeAll(l, s)
	return errors.Join(err, l.spares.retire(l, s))
}
