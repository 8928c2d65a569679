package shardlog

import (
	"lockstep/broker/internal/vfs"
)

const windowLen = 1 << 20

// A window reads a file from front to back in large pieces.
type window struct {
	file vfs.File
	size int64 // bytes after this are not looked at
	buf  []byte
	off  int64 // of buf in the file
}

// at returns n bytes at pos, valid until the next call, or nil when they are
// not all below size.
func (w *window) at(pos, n int64) ([]byte, error) {
	if pos < 0 || n < 0 || pos+n > w.size {
		return nil, nil
	}
	if pos < w.off || pos+n > w.off+int64(len(w.buf)) {
		want := min(max(n, windowLen), w.size-pos)
		if int64(cap(w.buf)) < want {
			w.buf = make([]byte, want)
		}
		w.buf, w.off = w.buf[:want], pos
		if err := readFull(w.file, w.buf, pos); err != nil {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	return w.buf[pos-w.off:][:n:n], nil
}

// next returns the frame at pos with its whole bytes. ok is false when there is
// no intact frame, and why says what is wrong.
func (w *window) next(pos int64, salt uint64) (h frameHeader, frame []byte, why string, err error) {
	p, err := w.at(pos, frameLen)
	if err != nil {
		return h, nil, "", err
	}
	if p == nil {
		return h, nil, "the file ends", nil
	}
	h, ok := decodeFrame(p, salt)
	if !ok {
		return h, nil, "no frame header of this segment", nil
	}
	frame, err = w.at(pos, h.size())
	switch {
	case err != nil:
		return h, nil, "", err
	case frame == nil:
		return h, nil, "the file ends within the frame", nil
	case h.kind == kindEntry && !h.bodyMatches(frame):
		return h, nil, "checksum of the entry does not match", nil
	}
	return h, frame, "", nil
}

// ext and data are the parts of a whole frame.
func (h *frameHeader) ext(frame []byte) []byte {
	return frame[frameLen:][:h.extLen:h.extLen]
}

func (h *frameHeader) data(frame []byte) []byte {
	return frame[frameLen+pad(int64(h.extLen)):][:h.dataLen:h.dataLen]
}

func (h *frameHeader) bodyMatches(frame []byte) bool {
	return h.bodyCRC == bodyCRC(h.ext(frame), h.data(frame))
}
