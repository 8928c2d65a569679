package recordbatch

import "encoding/binary"

// HeaderLen is the length in bytes of a batch's header, up to its records.
const HeaderLen = 61

// Offsets of the header's fields; see the package's comment.
const (
	posBaseOffset      = 0
	posLength          = 8
	posLeaderEpoch     = 12
	posMagic           = 16
	posCRC             = 17
	posAttributes      = 21
	posLastOffsetDelta = 23
	posFirstTimestamp  = 27
	posMaxTimestamp    = 35
	posProducerID      = 43
	posProducerEpoch   = 51
	posBaseSequence    = 53
	posNumRecords      = 57

	// lengthEnd is where the bytes counted by the length field begin.
	lengthEnd = posLength + 4
	// crcStart is where the bytes covered by the CRC begin.
	crcStart = posAttributes
)

// Codec is how the records of a batch are compressed.
type Codec uint8

// The codecs of format version 2. Lz4 and Zstd frames as in the formats'
// own specifications; see KIP-110 for Zstd.
const (
	None Codec = iota
	Gzip
	Snappy
	Lz4
	Zstd
)

// NoProducerID is the producer id of a batch from a producer that is not
// idempotent.
const NoProducerID int64 = -1

// Batch is a view over the bytes of exactly one batch of format version 2.
// The accessors need at least HeaderLen bytes, which every Batch returned by
// Next has; they believe what the header says, so a batch from a client goes
// through Validate first.
type Batch []byte

// BaseOffset is the offset of the batch's first record.
func (b Batch) BaseOffset() int64 { return int64(binary.BigEndian.Uint64(b[posBaseOffset:])) }

// Length is the length of the whole batch in bytes according to its header.
func (b Batch) Length() int64 {
	return lengthEnd + int64(int32(binary.BigEndian.Uint32(b[posLength:])))
}

// PartitionLeaderEpoch is the epoch of the leader that appended the batch; -1
// in a batch that comes from a producer.
func (b Batch) PartitionLeaderEpoch() int32 {
	return int32(binary.BigEndian.Uint32(b[posLeaderEpoch:]))
}

// Magic is the format version; every other accessor is right only when it is 2.
func (b Batch) Magic() int8 { return int8(b[posMagic]) }

// CRC is the checksum that the header carries.
func (b Batch) CRC() uint32 { return binary.BigEndian.Uint32(b[posCRC:]) }

// Attributes are the header's flags and the codec.
func (b Batch) Attributes() int16 { return int16(binary.BigEndian.Uint16(b[posAttributes:])) }

// Codec is how the records are compressed. Values above Zstd are not codecs.
func (b Batch) Codec() Codec { return Codec(b.Attributes() & 0x07) }

// LogAppendTime reports whether the timestamps are the broker's instead of the
// producer's.
func (b Batch) LogAppendTime() bool { return b.Attributes()&0x08 != 0 }

// IsTransactional reports whether the batch belongs to a transaction.
func (b Batch) IsTransactional() bool { return b.Attributes()&0x10 != 0 }

// IsControl reports whether the batch holds a control record, which consumers
// skip.
func (b Batch) IsControl() bool { return b.Attributes()&0x20 != 0 }

// LastOffsetDelta is the offset of the last record less the base offset.
func (b Batch) LastOffsetDelta() int32 {
	return int32(binary.BigEndian.Uint32(b[posLastOffsetDelta:]))
}

// LastOffset is the offset of the batch's last record.
func (b Batch) LastOffset() int64 { return b.BaseOffset() + int64(b.LastOffsetDelta()) }

// NextOffset is the offset after the batch's last record.
func (b Batch) NextOffset() int64 { return b.LastOffset() + 1 }

// FirstTimestamp is the timestamp of the first record in milliseconds, to
// which the records' own are relative.
func (b Batch) FirstTimestamp() int64 {
	return int64(binary.BigEndian.Uint64(b[posFirstTimestamp:]))
}

// MaxTimestamp is the largest timestamp of a record in milliseconds.
func (b Batch) MaxTimestamp() int64 { return int64(binary.BigEndian.Uint64(b[posMaxTimestamp:])) }

// ProducerID is the idempotent producer's id, or NoProducerID.
func (b Batch) ProducerID() int64 { return int64(binary.BigEndian.Uint64(b[posProducerID:])) }

// ProducerEpoch is the idempotent producer's epoch; -1 without one.
func (b Batch) ProducerEpoch() int16 { return int16(binary.BigEndian.Uint16(b[posProducerEpoch:])) }

// BaseSequence is the producer's sequence number of the first record; -1
// without an idempotent producer.
func (b Batch) BaseSequence() int32 { return int32(binary.BigEndian.Uint32(b[posBaseSequence:])) }

// NumRecords is the number of records.
func (b Batch) NumRecords() int32 { return int32(binary.BigEndian.Uint32(b[posNumRecords:])) }

// SetBaseOffset writes over the base offset; the CRC stays right.
func (b Batch) SetBaseOffset(offset int64) {
	binary.BigEndian.PutUint64(b[posBaseOffset:], uint64(offset))
}

// SetPartitionLeaderEpoch writes over the leader epoch; the CRC stays right.
func (b Batch) SetPartitionLeaderEpoch(epoch int32) {
	binary.BigEndian.PutUint32(b[posLeaderEpoch:], uint32(epoch))
}

// setCRC makes the CRC right for the bytes it covers.
func (b Batch) setCRC() { binary.BigEndian.PutUint32(b[posCRC:], b.computeCRC()) }

// Unsummed is the part of the batch that its CRC does not cover: it covers all
// that follows.
func (b Batch) Unsummed() []byte { return b[:crcStart] }
