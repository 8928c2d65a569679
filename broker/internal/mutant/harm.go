package mutant

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync/atomic"
)

// Offsets in a record batch of format 2.
const (
	crcAt       = 17
	bodyAt      = 21 // from here on the CRC is over
	firstTimeAt = 27
	batchHeader = 61
)

var flips atomic.Uint32

// Flip returns every third time a copy of batches with one byte of the first batch's records changed.
func Flip(batches []byte) []byte {
	if flips.Add(1)%3 != 0 || len(batches) <= batchHeader {
		return batches
	}
	bad := slices.Clone(batches)
	bad[batchHeader+(len(bad)-batchHeader)/2] ^= 0x20
	return bad
}

// Restamp returns a copy of batches, the first of which has another time and a CRC that fits it.
func Restamp(batches []byte) []byte {
	if len(batches) < batchHeader {
		return batches
	}
	bad := slices.Clone(batches)
	first := bad[:min(len(bad), 12+int(binary.BigEndian.Uint32(bad[8:])))]
	binary.BigEndian.PutUint64(first[firstTimeAt:], binary.BigEndian.Uint64(first[firstTimeAt:])+1)
	binary.BigEndian.PutUint32(first[crcAt:], crc32.Checksum(first[bodyAt:], crc32.MakeTable(crc32.Castagnoli)))
	return bad
}

var answers atomic.Uint32

// Earlier returns every third time one less than a high watermark above 0.
func Earlier(highWatermark int64) int64 {
	if answers.Add(1)%3 != 0 || highWatermark == 0 {
		return highWatermark
	}
	return highWatermark - 1
}

// Overtaking returns what comes next in a queue when something is there already, to be dealt with first.
func Overtaking[T any](queue <-chan T) (next T, ok bool) {
	select {
	case next, ok = <-queue:
	default:
	}
	return next, ok
}
