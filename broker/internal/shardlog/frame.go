package shardlog

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/hashicorp/raft"
)

const (
	frameLen = 64 // of a frame's header
	align    = 8  // every frame, and the data in it, begins at a multiple

	kindEntry = 1 // an entry follows
	kindEnd   = 2 // nothing follows: here the next frame goes

	maxDataLen      = 1 << 30
	maxSegmentBytes = 16 << 30 // frameRef counts in units of align in 32 bits
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func pad(n int64) int64 { return (n + align - 1) &^ (align - 1) }

// frameHeader is the header of one frame; see the package documentation.
type frameHeader struct {
	crc        uint32 // of the header itself; decode and encode fill it
	prev       uint32 // crc of the frame before in the segment
	dataLen    uint32
	extLen     uint32
	bodyCRC    uint32
	kind       uint8
	typ        raft.LogType
	index      uint64
	term       uint64
	commit     uint64
	durable    uint64
	appendedAt int64 // Unix ns; 0 for the zero time
}

// size is what the frame takes in the file, padding included.
func (h *frameHeader) size() int64 {
	if h.kind == kindEnd {
		return frameLen
	}
	return frameLen + pad(int64(h.extLen)) + pad(int64(h.dataLen))
}

func (h *frameHeader) encode(p []byte, salt uint64) {
	le := binary.LittleEndian
	le.PutUint32(p[4:], h.prev)
	le.PutUint32(p[8:], h.dataLen)
	le.PutUint32(p[12:], h.extLen)
	le.PutUint32(p[16:], h.bodyCRC)
	p[20], p[21], p[22], p[23] = h.kind, byte(h.typ), 0, 0
	le.PutUint64(p[24:], h.index)
	le.PutUint64(p[32:], h.term)
	le.PutUint64(p[40:], h.commit)
	le.PutUint64(p[48:], h.durable)
	le.PutUint64(p[56:], uint64(h.appendedAt))
	h.crc = saltedCRC(salt, p[4:frameLen])
	le.PutUint32(p, h.crc)
}

// decodeFrame reads a header and reports whether it is one of this segment.
func decodeFrame(p []byte, salt uint64) (h frameHeader, ok bool) {
	le := binary.LittleEndian
	h.kind, h.typ = p[20], raft.LogType(p[21])
	h.dataLen, h.extLen = le.Uint32(p[8:]), le.Uint32(p[12:])
	// Cheap tests first: after damage this runs at every 8th byte of a file.
	if h.kind != kindEntry && h.kind != kindEnd || p[22]|p[23] != 0 || h.dataLen > maxDataLen || h.extLen > maxDataLen {
		return h, false
	}
	h.crc = le.Uint32(p)
	if h.crc != saltedCRC(salt, p[4:frameLen]) {
		return h, false
	}
	h.prev = le.Uint32(p[4:])
	h.bodyCRC = le.Uint32(p[16:])
	h.index, h.term = le.Uint64(p[24:]), le.Uint64(p[32:])
	h.commit, h.durable = le.Uint64(p[40:]), le.Uint64(p[48:])
	h.appendedAt = int64(le.Uint64(p[56:]))
	return h, true
}

// saltedCRC binds bytes to one use of one segment file.
func saltedCRC(salt uint64, p []byte) uint32 {
	var s [8]byte
	binary.LittleEndian.PutUint64(s[:], salt)
	return crc32.Update(crc32.Update(0, castagnoli, s[:]), castagnoli, p)
}

func bodyCRC(ext, data []byte) uint32 {
	return crc32.Update(crc32.Update(0, castagnoli, ext), castagnoli, data)
}

func toUnixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromUnixNano(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// frameRef is where a frame is, in 8 bytes.
type frameRef struct {
	pos  uint32 // in units of align
	data uint32 // length of the data
}

func (r frameRef) offset() int64 { return int64(r.pos) * align }

// dataOffset is where the data begins in a frame that ends at end. It is
// derived from the end, since extensions, which come before, are not in the ref.
func (r frameRef) dataOffset(end int64) int64 { return end - pad(int64(r.data)) }
