package checksum

import (
	"encoding/binary"
	"hash/crc32"
)

// castagnoli selects the polynomial for which hash/crc32 uses the processor's
// own instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Of is the CRC-32C of p.
func Of(p []byte) uint32 { return crc32.Update(0, castagnoli, p) }

// Update is the CRC-32C of what crc is of, followed by p.
func Update(crc uint32, p []byte) uint32 { return crc32.Update(crc, castagnoli, p) }

// Combine is the CRC-32C of A followed by B, given those of A and of B and the
// length of B in bytes, 0 to 2^32-1. It takes some 50 ns, whatever the length.
//
// A checksum is the remainder of a polynomial modulo P over GF(2), so A's is
// multiplied by x to the power of the bits that follow; as zlib's crc32_combine.
func Combine(a, b uint32, lenB int) uint32 {
	for k := 0; lenB > 0; k, lenB = k+1, lenB>>8 {
		if i := lenB & 0xff; i > 0 {
			a = multiply(shifts[k][i], a)
		}
	}
	return a ^ b
}

// shifts[k][i] is x^(8·i·256^k) modulo P: what i·256^k bytes more do.
var shifts = func() (s [4][256]uint32) {
	step := uint32(1) << (31 - 8) // x^8
	for k := range s {
		s[k][0] = one
		for i := 1; i < len(s[k]); i++ {
			s[k][i] = multiply(step, s[k][i-1])
		}
		step = multiply(step, s[k][255])
	}
	return s
}()

// one is x^0: the highest bit is the lowest power.
const one = uint32(1) << 31

// multiply is the product of two polynomials modulo P.
func multiply(a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		product ^= b & -(a >> 31)
		b = b>>1 ^ crc32.Castagnoli&-(b&1)
	}
	return product
}

// tag begins the extension of an entry whose data's checksum it holds.
const tag = "crc1"

// Attach makes the extension of an entry whose data has the checksum crc.
func Attach(crc uint32) []byte {
	return binary.LittleEndian.AppendUint32([]byte(tag), crc)
}

// Attached returns the checksum that an entry's extension holds of its data. It
// is what the leader has verified; it proves nothing about the data at hand.
func Attached(extension []byte) (crc uint32, ok bool) {
	if len(extension) != len(tag)+4 || string(extension[:len(tag)]) != tag {
		return 0, false
	}
	return binary.LittleEndian.Uint32(extension[len(tag):]), true
}

// OfEntry is the CRC-32C of an entry's extension followed by its data. The data is
// read only if its checksum is not attached.
func OfEntry(extension, data []byte) uint32 {
	crc := Of(extension)
	if attached, ok := Attached(extension); ok {
		return Combine(crc, attached, len(data))
	}
	return Update(crc, data)
}
