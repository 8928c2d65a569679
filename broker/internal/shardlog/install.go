package shardlog

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

// An install replaces the log by the entries of a stream. Its segments are
// written under names that end in ".new"; giving the first one its real name is
// the point from which on the new log counts and the old one is void. Open does
// the rest if that is interrupted.
//
// Entries above the snapshot stay if the log agrees with it: they may be
// part of what a quorum has acknowledged.
type install struct {
	log         *Log
	index, term uint64 // the snapshot's
	parts       uint64 // still to come
	left        int64  // bytes of them, headers included

	segs []*segment // written
	buf  []byte     // received and not written yet
	// The segment being written:
	cur   *segment
	head  partHeader
	refs  []frameRef
	until int64 // position at which its frames end
}

const installBuffer = 512 << 10

func newInstall(l *Log, index, term uint64, h *streamHeader) *install {
	return &install{log: l, index: index, term: term, parts: h.parts, left: h.log}
}

// take is given the stream's parts piece by piece.
func (in *install) take(p []byte) error {
	for len(p) > 0 {
		want := int64(partHeaderLen)
		if in.cur != nil {
			want = in.until - in.cur.end
		}
		n := min(int64(len(p)), want-int64(len(in.buf)))
		in.buf = append(in.buf, p[:n]...)
		p = p[n:]
		whole := int64(len(in.buf)) == want
		switch {
		case in.cur == nil && whole:
			if err := in.beginPart(); err != nil {
				return err
			}
		case in.cur != nil && (whole || len(in.buf) >= installBuffer):
			if err := in.writeFrames(); err != nil {
				return err
			}
			if whole {
				if err := in.endPart(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (in *install) beginPart() (err error) {
	if in.parts == 0 {
		return errors.New("the stream has more parts than its header says")
	}
	in.parts--
	if in.head, err = decodePartHeader(in.buf); err != nil {
		return err
	}
	in.buf = in.buf[:0]
	h := &in.head
	if in.left -= partHeaderLen + h.frames; in.left < 0 {
		return errors.New("the stream's parts are longer than its header says")
	}
	if n := len(in.segs); n > 0 && (h.first != in.segs[n-1].last+1 || h.prevTerm != in.segs[n-1].lastTerm) {
		return fmt.Errorf("the part with entries from %d does not follow the one before", h.first)
	}
	in.until = segHeaderLen + h.frames
	size := h.frames + sealedOverhead(int64(h.last-h.first+1))
	in.cur, err = in.create(segHeader{first: h.first, prevTerm: h.prevTerm, salt: h.salt}, size)
	return err
}

// create makes a new file: one that was used before may hold frames with the
// same salt, should the same segment have been received earlier.
func (in *install) create(h segHeader, size int64) (*segment, error) {
	l := in.log
	l.write.Lock()
	h.seq = l.nextSeq
	l.nextSeq++
	l.write.Unlock()
	h.durable = h.first - 1
	h.size = max(l.opts.SegmentBytes, pad(segHeaderLen+size))
	s := &segment{segHeader: h, path: segPath(l.opts.Dir, &h, segSuffix)}
	s.last, s.lastTerm, s.end = h.first-1, h.prevTerm, segHeaderLen
	f, err := l.fs.Create(newPath(s))
	if err != nil {
		return nil, err
	}
	s.res = &resources{file: f, end: segHeaderLen}
	in.segs = append(in.segs, s)
	if err := f.Allocate(h.size); err != nil {
		return nil, err
	}
	_, err = f.WriteAt(h.encode(), 0)
	return s, err
}

func newPath(s *segment) string { return strings.TrimSuffix(s.path, segSuffix) + newSuffix }

// writeFrames verifies the whole frames in the buffer and writes them.
func (in *install) writeFrames() error {
	s, done := in.cur, int64(0)
	from := s.end
	for {
		p := in.buf[done:]
		if len(p) < frameLen {
			break
		}
		h, ok := decodeFrame(p, s.salt)
		if !ok || h.kind != kindEntry || h.index != s.last+1 || h.prev != s.lastCRC || s.end+h.size() > in.until {
			return fmt.Errorf("frame of entry %d was damaged on the way", s.last+1)
		}
		if int64(len(p)) < h.size() {
			break
		}
		if !h.bodyMatches(p[:h.size()]) {
			return fmt.Errorf("entry %d was damaged on the way", h.index)
		}
		in.refs = append(in.refs, frameRef{pos: uint32(s.end / align), data: h.dataLen})
		s.last, s.lastTerm, s.lastCRC = h.index, h.term, h.crc
		s.commit = max(s.commit, h.commit)
		s.end += h.size()
		done += h.size()
	}
	if _, err := s.res.file.WriteAt(in.buf[:done], from); err != nil {
		return err
	}
	in.buf = append(in.buf[:0], in.buf[done:]...)
	return nil
}

func (in *install) endPart() error {
	if in.cur.last != in.head.last || len(in.buf) > 0 {
		return fmt.Errorf("the part with entries from %d ends with %d instead of %d", in.head.first, in.cur.last, in.head.last)
	}
	err := in.seal(in.cur, in.refs)
	in.cur, in.refs = nil, nil
	return err
}

// seal finishes a segment and closes its file.
func (in *install) seal(s *segment, refs []frameRef) error {
	s.res.refs, s.res.end = refs, s.end
	end := endMark(s.last+1, s.lastCRC, min(s.commit, s.last), s.durable)
	_, err := s.res.file.WriteAt(appendHeader(nil, &end, s.salt), s.end)
	if err == nil {
		err = s.res.file.Sync()
	}
	if err == nil {
		err = writeTrailer(&view{file: s.res.file, refs: refs}, s)
	}
	s.sealed, s.trailed = true, true
	err = errors.Join(err, s.res.file.Close())
	s.res = nil
	return err
}

// keepSuffix copies the log's entries above the snapshot. Called with nothing
// being appended.
func (in *install) keepSuffix(last uint64) error {
	var s *segment
	var refs []frameRef
	var b frameBuilder
	for i := in.index + 1; i <= last; i++ {
		var e raft.Log
		if err := in.log.GetLog(i, &e); err != nil {
			return err
		}
		size := frameSize(&e)
		if s != nil && !s.fits(size) {
			if err := in.seal(s, refs); err != nil {
				return err
			}
			s, refs = nil, nil
		}
		if s == nil {
			t := in.tail()
			h := segHeader{first: i, prevTerm: t.term}
			salt, err := in.log.newSalt()
			if err != nil {
				return err
			}
			h.salt = salt
			if s, err = in.create(h, size+sealedOverhead(1)); err != nil {
				return err
			}
		}
		b.build(s, []*raft.Log{&e}, 0, 0)
		if _, err := s.res.file.WritevAt(b.bufs, s.end); err != nil {
			return err
		}
		refs = append(refs, b.refs...)
		s.last, s.lastTerm, s.lastCRC, s.end = b.last.index, b.last.term, b.last.crc, b.end
		b.reset()
	}
	if s == nil {
		return nil
	}
	return in.seal(s, refs)
}

// tail is what the next new segment has to follow.
func (in *install) tail() tail {
	if n := len(in.segs); n > 0 {
		return tail{last: in.segs[n-1].last, term: in.segs[n-1].lastTerm}
	}
	return tail{last: in.index, term: in.term}
}

// commit makes the new segments the log. It reports whether entries are gone
// that Raft believes to be there. Raft appends nothing meanwhile: it is waiting
// for the snapshot.
func (in *install) commit() (reset bool, err error) {
	l := in.log
	if in.parts > 0 || in.cur != nil || len(in.buf) > 0 {
		return false, errors.New("the stream is cut short")
	}
	if n := len(in.segs); n > 0 && (in.segs[n-1].last != in.index || in.segs[n-1].lastTerm != in.term) {
		return false, fmt.Errorf("the stream ends with entry %d of term %d, the snapshot is of %d of %d",
			in.segs[n-1].last, in.segs[n-1].lastTerm, in.index, in.term)
	}
	last := l.end()
	agrees := l.agrees(in.index, in.term)
	if agrees {
		if err := in.keepSuffix(last); err != nil {
			return false, fmt.Errorf("keep entries above the snapshot: %w", err)
		}
	}
	if err := in.prepare(); err != nil {
		return false, err
	}
	l.write.Lock()
	defer l.write.Unlock()
	if err := l.writable(); err != nil {
		return false, err
	}
	if now := l.tail().last; now != last {
		return false, fmt.Errorf("entries %d to %d were appended meanwhile", last+1, now)
	}
	l.sealer.wait()
	if err := in.rename(); err != nil {
		return false, l.fail(err)
	}
	reset = !agrees && last >= in.index
	// The old Raft still believes in its entries if another snapshot comes
	// before it is made anew.
	l.resetPending = l.resetPending || reset
	l.replace(in.segs)
	in.segs = nil
	return reset, nil
}

// prepare makes everything durable but for the first segment's name. The first
// header is written last: only now it is known how many segments there are.
func (in *install) prepare() error {
	l := in.log
	if len(in.segs) == 0 { // the log has only a place where it goes on
		salt, err := l.newSalt()
		if err != nil {
			return err
		}
		s, err := in.create(segHeader{first: in.index + 1, prevTerm: in.term, salt: salt}, frameLen)
		if err != nil {
			return err
		}
		end := endMark(s.first, 0, 0, s.durable)
		if _, err := s.res.file.WriteAt(appendHeader(nil, &end, s.salt), segHeaderLen); err != nil {
			return err
		}
	}
	s := in.segs[0]
	s.restart, s.snapIndex, s.snapTerm, s.parts = true, in.index, in.term, uint32(len(in.segs))
	if err := in.writeHeader(s); err != nil {
		return err
	}
	return l.fs.SyncDir(l.opts.Dir)
}

// writeHeader replaces a segment's header, durably.
func (in *install) writeHeader(s *segment) (err error) {
	var f vfs.File
	if s.res != nil {
		f = s.res.file
	} else {
		if f, err = in.log.fs.Open(newPath(s)); err != nil {
			return err
		}
		defer f.Close()
	}
	if _, err := f.WriteAt(s.segHeader.encode(), 0); err != nil {
		return err
	}
	return f.Sync()
}

func (in *install) rename() error {
	l := in.log
	for i, s := range in.segs {
		if err := l.fs.Rename(newPath(s), s.path); err != nil {
			return err
		}
		if i > 0 && i < len(in.segs)-1 {
			continue
		}
		if err := l.fs.SyncDir(l.opts.Dir); err != nil {
			return err
		}
	}
	return nil
}

// remove takes back what was not committed.
func (in *install) remove() error {
	var errs []error
	for _, s := range in.segs {
		if s.res != nil {
			s.res.file.Close()
		}
		errs = append(errs, ignoreMissing(in.log.fs.Remove(newPath(s))))
	}
	in.segs = nil
	return errors.Join(errs...)
}
