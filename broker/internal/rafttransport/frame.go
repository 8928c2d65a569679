package rafttransport

import (
	"encoding/binary"
	"fmt"

	"lockstep/broker/internal/checksum"
)

// MaxFrame is the largest body of a frame, in bytes: one log entry, or the
// request or response of one call, must fit with some 100 bytes to spare.
const MaxFrame = 64 << 20

const (
	headerLen = 28
	// smallFrame bounds the body of frames that carry no payload.
	smallFrame = 4 << 10
	// snapshotChunk is the payload of one snapshot frame, in bytes; a window's
	// worth of them may be unconsumed at the receiver.
	snapshotChunk  = 256 << 10
	snapshotWindow = 8
)

type frameType byte

// Frame types. A response has the type of its request and responseBit.
const (
	typePing frameType = 1 + iota
	typePong           // body: bytes received so far on this connection (8); id 0 when unasked
	typeHeartbeat
	typeCommit // a pushed commit index: AppendEntries without entries
	typeAppend
	typeVote
	typePreVote
	typeTimeoutNow
	typeSnapshot      // body: InstallSnapshotRequest; its chunks and acks carry the same id
	typeSnapshotChunk // body: the next bytes
	typeSnapshotAck   // receiver: one chunk consumed
	typeSnapshotAbort // sender: no more will come
	typeCall
	numTypes

	responseBit frameType = 0x80
)

const flagError byte = 1

// header is a decoded frame header.
type header struct {
	length  int
	typ     frameType
	flags   byte
	shard   uint32
	bodyCRC uint32
	id      uint64
}

// newFrame returns a buffer with room for the header, to append n bytes to.
func newFrame(n int) []byte { return make([]byte, headerLen, headerLen+n) }

// chunk is a part of a frame's body that is sent from where it lies.
type chunk struct {
	bytes []byte
	crc   uint32
	known bool // crc is that of bytes
}

// seal fills in the header of frame, whose body is frame[headerLen:] and then
// every chunk of tail, and returns the length of the whole.
func seal(frame []byte, h header, tail []chunk) int {
	body := len(frame) - headerLen
	crc := checksum.Of(frame[headerLen:])
	for _, t := range tail {
		body += len(t.bytes)
		if t.known {
			crc = checksum.Combine(crc, t.crc, len(t.bytes))
		} else {
			crc = checksum.Update(crc, t.bytes)
		}
	}
	binary.LittleEndian.PutUint32(frame[0:], uint32(body))
	frame[4], frame[5], frame[6], frame[7] = byte(h.typ), h.flags, 0, 0
	binary.LittleEndian.PutUint32(frame[8:], h.shard)
	binary.LittleEndian.PutUint32(frame[12:], crc)
	binary.LittleEndian.PutUint64(frame[16:], h.id)
	binary.LittleEndian.PutUint32(frame[24:], checksum.Of(frame[:24]))
	return headerLen + body
}

// parseHeader reads a frame header; every error wraps errMalformed.
func parseHeader(p []byte) (header, error) {
	if len(p) < headerLen {
		return header{}, fmt.Errorf("%w: header of %d bytes", errMalformed, len(p))
	}
	if got, want := checksum.Of(p[:24]), binary.LittleEndian.Uint32(p[24:]); got != want {
		return header{}, fmt.Errorf("%w: header checksum %08x, want %08x", errMalformed, got, want)
	}
	h := header{
		typ: frameType(p[4]), flags: p[5],
		shard:   binary.LittleEndian.Uint32(p[8:]),
		bodyCRC: binary.LittleEndian.Uint32(p[12:]),
		id:      binary.LittleEndian.Uint64(p[16:]),
	}
	length := binary.LittleEndian.Uint32(p)
	if t := h.typ &^ responseBit; t == 0 || t >= numTypes {
		return header{}, fmt.Errorf("%w: type %d", errMalformed, h.typ)
	}
	if length > maxBody(h.typ) {
		return header{}, fmt.Errorf("%w: type %d with a body of %d bytes", errMalformed, h.typ, length)
	}
	h.length = int(length)
	return h, nil
}

// maxBody bounds the body of a frame by its type, so that a header alone
// cannot make the receiver allocate more than the type has use for.
func maxBody(t frameType) uint32 {
	switch t {
	case typeAppend, typeCall, typeCall | responseBit:
		return MaxFrame
	case typeSnapshotChunk:
		return snapshotChunk
	case typeSnapshot: // carries a configuration: some bytes for each server
		return 1 << 20
	default:
		return smallFrame
	}
}

func checkBody(h header, body []byte) error {
	if got := checksum.Of(body); got != h.bodyCRC {
		return fmt.Errorf("%w: type %d, body checksum %08x, want %08x", errMalformed, h.typ, got, h.bodyCRC)
	}
	return nil
}
