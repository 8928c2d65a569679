package recordbatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ErrShort says that the bytes end inside a batch.
var ErrShort = errors.New("bytes end inside a record batch")

// minLength is the smallest value of the length field that a batch of any
// format version can have: that of a message of version 0 without key and
// value. Version 2 needs more, which Validate checks.
const minLength = 14

// castagnoli selects the polynomial for which hash/crc32 uses the processor's
// own instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (b Batch) computeCRC() uint32 { return crc32.Checksum(b[crcStart:], castagnoli) }

// Next cuts the first batch off p, by its length field alone, and returns it
// with what follows it. The batch is a view of p. The error is ErrShort when p
// ends inside the batch, or wraps kerr.CorruptMessage when the length field
// can be no batch's; a batch of an older format comes out with fewer than
// HeaderLen bytes but at least 17, so its Magic can be read.
func Next(p []byte) (b Batch, rest []byte, err error) {
	if len(p) < lengthEnd {
		return nil, p, ErrShort
	}
	n := int32(binary.BigEndian.Uint32(p[posLength:]))
	if n < minLength {
		return nil, p, fmt.Errorf("record batch claims a length of %d bytes: %w", n, kerr.CorruptMessage)
	}
	end := lengthEnd + int64(n)
	if end > int64(len(p)) {
		return nil, p, ErrShort
	}
	return Batch(p[:end:end]), p[end:], nil
}

// Validate checks everything about b that can be checked without decompressing
// it. Its error wraps the Kafka error that a producer is to be answered with:
//
//   - UnsupportedForMessageFormat: a format version other than 2,
//   - CorruptMessage: the length field is not that of b, or the CRC is wrong,
//   - InvalidRecord: the number of records is not positive, or is not the
//     number of offsets the batch takes,
//   - UnsupportedCompressionType: no codec has this number.
func (b Batch) Validate() error {
	if len(b) <= posMagic {
		return fmt.Errorf("record batch of %d bytes: %w", len(b), kerr.CorruptMessage)
	}
	if m := b.Magic(); m != 2 {
		return fmt.Errorf("record batch of format version %d: %w", m, kerr.UnsupportedForMessageFormat)
	}
	if len(b) < HeaderLen || b.Length() != int64(len(b)) {
		return fmt.Errorf("record batch of %d bytes claims %d: %w", len(b), b.Length(), kerr.CorruptMessage)
	}
	if got, want := b.computeCRC(), b.CRC(); got != want {
		return fmt.Errorf("record batch has CRC-32C %08x and claims %08x: %w", got, want, kerr.CorruptMessage)
	}
	if n := b.NumRecords(); n <= 0 || int64(b.LastOffsetDelta())+1 != int64(n) {
		return fmt.Errorf("record batch of %d records with last offset delta %d: %w", n, b.LastOffsetDelta(), kerr.InvalidRecord)
	}
	if c := b.Codec(); c > Zstd {
		return fmt.Errorf("record batch with codec %d: %w", c, kerr.UnsupportedCompressionType)
	}
	return nil
}

// Count returns how many records and bytes the whole batches of p hold, as
// their headers say. A batch cut short at the end is not counted.
func Count(p []byte) (records, bytes int64) {
	for {
		b, rest, err := Next(p)
		if err != nil || len(b) < HeaderLen {
			return records, bytes
		}
		records += int64(b.NumRecords())
		bytes += int64(len(b))
		p = rest
	}
}
