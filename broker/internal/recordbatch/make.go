package recordbatch

import "encoding/binary"

// Record is one record for Make.
type Record struct {
	Timestamp  int64 // milliseconds
	Key, Value []byte
}

// Make encodes an uncompressed batch with base offset 0 and without a
// producer id. Brokers never make batches of users' records; this is for the
// broker's own tests and tools.
func Make(records ...Record) Batch {
	b := make(Batch, HeaderLen)
	b[posMagic] = 2
	b.SetPartitionLeaderEpoch(-1)
	binary.BigEndian.PutUint32(b[posLastOffsetDelta:], uint32(len(records)-1))
	binary.BigEndian.PutUint32(b[posNumRecords:], uint32(len(records)))
	b.SetProducer(NoProducerID, -1, -1)
	var first, last int64
	for i, r := range records {
		if i == 0 {
			first, last = r.Timestamp, r.Timestamp
		}
		last = max(last, r.Timestamp)
		b = appendRecord(b, int64(i), r.Timestamp-first, r)
	}
	binary.BigEndian.PutUint64(b[posFirstTimestamp:], uint64(first))
	binary.BigEndian.PutUint64(b[posMaxTimestamp:], uint64(last))
	binary.BigEndian.PutUint32(b[posLength:], uint32(len(b)-lengthEnd))
	b.setCRC()
	return b
}

// SetProducer makes b a batch of an idempotent producer and mends the CRC.
func (b Batch) SetProducer(id int64, epoch int16, sequence int32) {
	binary.BigEndian.PutUint64(b[posProducerID:], uint64(id))
	binary.BigEndian.PutUint16(b[posProducerEpoch:], uint16(epoch))
	binary.BigEndian.PutUint32(b[posBaseSequence:], uint32(sequence))
	b.setCRC()
}

// SetAttributes replaces the attributes and mends the CRC.
func (b Batch) SetAttributes(a int16) {
	binary.BigEndian.PutUint16(b[posAttributes:], uint16(a))
	b.setCRC()
}

// appendRecord appends one record: its length as a varint, attributes,
// timestamp and offset deltas, key, value and no headers.
func appendRecord(dst []byte, offsetDelta, timestampDelta int64, r Record) []byte {
	body := []byte{0}
	body = binary.AppendVarint(body, timestampDelta)
	body = binary.AppendVarint(body, offsetDelta)
	body = appendField(body, r.Key)
	body = appendField(body, r.Value)
	body = binary.AppendVarint(body, 0)
	dst = binary.AppendVarint(dst, int64(len(body)))
	return append(dst, body...)
}

// appendField appends a length and the bytes; nil is length -1.
func appendField(dst, p []byte) []byte {
	if p == nil {
		return binary.AppendVarint(dst, -1)
	}
	dst = binary.AppendVarint(dst, int64(len(p)))
	return append(dst, p...)
}
