package shardlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

const (
	segHeaderLen = 128
	trailerLen   = 64
	refLen       = 8 // of an encoded frameRef

	segMagic     = 0x3147534c // "LSG1"
	trailerMagic = 0x31454c53 // "SLE1"

	flagRestart = 1 // the log begins here: segments before this one are void

	segSuffix  = ".seg"
	newSuffix  = ".new"  // written by an install that is not complete
	freeSuffix = ".free" // a spare
)

// segHeader is the first thing in a segment file; it is written before the
// file gets its name and never changed.
type segHeader struct {
	seq      uint64 // counts the segments ever made; the order of the chain
	first    uint64 // index of the first entry
	prevTerm uint64 // term of the entry before; 0 when unknown
	salt     uint64
	durable  uint64 // all entries up to this one were durable at the time
	size     int64  // of the file, bytes
	restart  bool
	// Of a segment with which an installed snapshot begins:
	snapIndex, snapTerm uint64 // the snapshot that the log needs to make sense
	parts               uint32 // how many segments were installed with it, this one included
}

func (h *segHeader) encode() []byte {
	p := make([]byte, segHeaderLen)
	le := binary.LittleEndian
	le.PutUint32(p[4:], segMagic)
	le.PutUint64(p[8:], h.seq)
	le.PutUint64(p[16:], h.first)
	le.PutUint64(p[24:], h.prevTerm)
	le.PutUint64(p[32:], h.salt)
	le.PutUint64(p[40:], h.durable)
	le.PutUint64(p[48:], uint64(h.size))
	if h.restart {
		le.PutUint32(p[56:], flagRestart)
	}
	le.PutUint32(p[60:], h.parts)
	le.PutUint64(p[64:], h.snapIndex)
	le.PutUint64(p[72:], h.snapTerm)
	le.PutUint32(p, crc32.Checksum(p[4:], castagnoli))
	return p
}

func decodeSegHeader(p []byte) (h segHeader, err error) {
	le := binary.LittleEndian
	switch {
	case len(p) < segHeaderLen:
		return h, fmt.Errorf("only %d bytes of a segment's header", len(p))
	case le.Uint32(p[4:]) != segMagic:
		return h, fmt.Errorf("this is not a segment (or not of a version that this program knows)")
	case le.Uint32(p) != crc32.Checksum(p[4:segHeaderLen], castagnoli):
		return h, fmt.Errorf("checksum of the segment's header does not match")
	}
	h.seq, h.first, h.prevTerm = le.Uint64(p[8:]), le.Uint64(p[16:]), le.Uint64(p[24:])
	h.salt, h.durable, h.size = le.Uint64(p[32:]), le.Uint64(p[40:]), int64(le.Uint64(p[48:]))
	h.restart = le.Uint32(p[56:])&flagRestart != 0
	h.parts, h.snapIndex, h.snapTerm = le.Uint32(p[60:]), le.Uint64(p[64:]), le.Uint64(p[72:])
	if h.first == 0 || h.size < segHeaderLen+frameLen+trailerLen || h.size > maxSegmentBytes*2 {
		return h, fmt.Errorf("impossible values in the segment's header")
	}
	return h, nil
}

// trailer is the last thing in a sealed segment's file. Where it is, all
// entries are durable and the frames' positions need not be searched.
type trailer struct {
	last, lastTerm uint64
	commit         uint64 // highest commit index noted in the frames
	end            int64  // where the frames end
	refs           int64  // where the encoded frameRefs begin
	count          uint32
	refsCRC        uint32
}

func (t *trailer) encode(salt uint64) []byte {
	p := make([]byte, trailerLen)
	le := binary.LittleEndian
	le.PutUint32(p[4:], trailerMagic)
	le.PutUint64(p[8:], t.last)
	le.PutUint64(p[16:], t.lastTerm)
	le.PutUint64(p[24:], t.commit)
	le.PutUint64(p[32:], uint64(t.end))
	le.PutUint64(p[40:], uint64(t.refs))
	le.PutUint32(p[48:], t.count)
	le.PutUint32(p[52:], t.refsCRC)
	le.PutUint32(p, saltedCRC(salt, p[4:]))
	return p
}

// decodeTrailer reports whether p is the trailer of the segment with header h.
func decodeTrailer(p []byte, h *segHeader) (t trailer, ok bool) {
	le := binary.LittleEndian
	if le.Uint32(p[4:]) != trailerMagic || le.Uint32(p) != saltedCRC(h.salt, p[4:trailerLen]) {
		return t, false
	}
	t.last, t.lastTerm, t.commit = le.Uint64(p[8:]), le.Uint64(p[16:]), le.Uint64(p[24:])
	t.end, t.refs = int64(le.Uint64(p[32:])), int64(le.Uint64(p[40:]))
	t.count, t.refsCRC = le.Uint32(p[48:]), le.Uint32(p[52:])
	ok = t.count > 0 && t.last == h.first+uint64(t.count)-1 && t.end >= segHeaderLen &&
		t.refs >= t.end && t.refs+int64(t.count)*refLen <= h.size-trailerLen
	return t, ok
}

func encodeRefs(refs []frameRef) []byte {
	p := make([]byte, 0, len(refs)*refLen)
	for _, r := range refs {
		p = binary.LittleEndian.AppendUint32(p, r.pos)
		p = binary.LittleEndian.AppendUint32(p, r.data)
	}
	return p
}

func decodeRefs(p []byte) []frameRef {
	refs := make([]frameRef, len(p)/refLen)
	for i := range refs {
		refs[i].pos = binary.LittleEndian.Uint32(p[i*refLen:])
		refs[i].data = binary.LittleEndian.Uint32(p[i*refLen+4:])
	}
	return refs
}

// segName is the name of a segment's file, without the suffix.
func segName(seq, first uint64) string { return fmt.Sprintf("%010d-%020d", seq, first) }

// parseSegName takes a file name apart: "0000000012-00000000000000004711.seg"
// gives 12, 4711 and ".seg"; of a sidecar the suffix is its name with a dot.
func parseSegName(name string) (seq, first uint64, suffix string, ok bool) {
	base, suffix, found := strings.Cut(name, ".")
	a, b, dash := strings.Cut(base, "-")
	if !found || !dash || len(a) < 10 || len(b) != 20 {
		return 0, 0, "", false
	}
	seq, err1 := strconv.ParseUint(a, 10, 64)
	first, err2 := strconv.ParseUint(b, 10, 64)
	return seq, first, "." + suffix, err1 == nil && err2 == nil
}
