package rafttransport

import (
	"encoding/binary"
	"fmt"

	"github.com/hashicorp/raft"
)

// decoder takes fields from the front of a body. After the first failure it
// yields zeros; done reports it.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) []byte {
	if d.bad || n < 0 || n > len(d.b) {
		d.bad = true
		return nil
	}
	p := d.b[:n:n] // capped: an append to a field must not reach the next one
	d.b = d.b[n:]
	return p
}

func (d *decoder) u8() byte {
	if p := d.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if p := d.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if p := d.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// boolean accepts 0 and 1 only, so that every value has one encoding.
func (d *decoder) boolean() bool {
	v := d.u8()
	d.bad = d.bad || v > 1
	return v == 1
}

// bytes reads a 4-byte length and that many bytes; nil when empty.
func (d *decoder) bytes() []byte {
	n := d.u32()
	if n == 0 {
		return nil
	}
	if uint64(n) > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	return d.take(int(n))
}

// done reports whether the body was exactly what was read.
func (d *decoder) done(what string) error {
	if d.bad {
		return fmt.Errorf("%w: %s ends early or holds an impossible value", errMalformed, what)
	}
	if len(d.b) != 0 {
		return fmt.Errorf("%w: %d bytes after %s", errMalformed, len(d.b), what)
	}
	return nil
}

func putU32(b []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(b, v) }
func putU64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

func putBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func putBytes(b, v []byte) []byte { return append(putU32(b, uint32(len(v))), v...) }

// putRPCHeader writes the part every raft message starts with.
func putRPCHeader(b []byte, h raft.RPCHeader) []byte {
	return putBytes(putBytes(append(b, byte(h.ProtocolVersion)), h.ID), h.Addr)
}

func (d *decoder) rpcHeader() raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: raft.ProtocolVersion(d.u8()), ID: d.bytes(), Addr: d.bytes()}
}
