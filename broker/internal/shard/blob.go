package shard

import (
	"bytes"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/checksum"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/recordbatch"
)

// buildBlob puts stamped batches together, by partition, as an entry with its
// data's checksum. That follows from the batches' own, which were verified: their
// bytes are read only to copy them.
func buildBlob(term uint64, clock int64, keys []partition.Key, byKey map[partition.Key][]*pending) raft.Log {
	count := 1 + len(keys)
	for _, k := range keys {
		count += len(byKey[k])
	}
	heads := make([]byte, 0, partition.BlobHeaderLen+len(keys)*partition.RunHeaderLen) // never grows: parts lie in it
	parts := make([][]byte, 0, count)
	heads = partition.AppendBlobHeader(heads, int32(term), clock)
	parts = append(parts, heads)
	crc := checksum.Of(heads)
	for _, k := range keys {
		length := 0
		for _, p := range byKey[k] {
			length += len(p.batch)
		}
		from := len(heads)
		heads = partition.AppendRunHeader(heads, k, length)
		parts = append(parts, heads[from:])
		crc = checksum.Update(crc, heads[from:])
		for _, p := range byKey[k] {
			parts = append(parts, p.batch)
			crc = withBatch(crc, p.batch)
		}
	}
	// Join does not clear memory before it fills it, which make would.
	return raft.Log{Data: bytes.Join(parts, nil), Extensions: checksum.Attach(crc)}
}

// combineAbove is the size in bytes from which combining checksums is cheaper
// than computing one.
const combineAbove = 1 << 10

// withBatch is the checksum of what crc is of, followed by a batch.
func withBatch(crc uint32, b recordbatch.Batch) uint32 {
	if len(b) < combineAbove {
		return checksum.Update(crc, b)
	}
	head := b.Unsummed()
	return checksum.Combine(checksum.Update(crc, head), b.CRC(), len(b)-len(head))
}
