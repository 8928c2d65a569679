package partition

import (
	"encoding/binary"
	"fmt"
)

// A Blob is the payload of a data entry in the shard's log:
//
//	 0       1        2          4           8                16
//	+-------+--------+----------+-----------+----------------+------ … -+
//	| kind  | format | reserved | epoch     | clock          | runs     |
//	+-------+--------+----------+-----------+----------------+------ … -+
//
// and a run, repeated to the end:
//
//	 0               16          20         24
//	+---------------+-----------+----------+---------- … -+
//	| topic id      | partition | length   | batches      |
//	+---------------+-----------+----------+---------- … -+
//
// Integers are big-endian. epoch is the Raft term that the leader stamped the
// batches for, clock its wall clock in milliseconds. kind and format are
// BlobKind and BlobFormat.
const (
	BlobKind   = 1
	BlobFormat = 1

	BlobHeaderLen = 16
	RunHeaderLen  = 24
)

// AppendBlobHeader starts a blob for batches stamped with epoch at clock
// (milliseconds since 1970).
func AppendBlobHeader(dst []byte, epoch int32, clock int64) []byte {
	dst = append(dst, BlobKind, BlobFormat, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(epoch))
	return binary.BigEndian.AppendUint64(dst, uint64(clock))
}

// AppendRunHeader starts a run of length bytes of batches of k.
func AppendRunHeader(dst []byte, k Key, length int) []byte {
	dst = append(dst, k.Topic[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(k.Partition))
	return binary.BigEndian.AppendUint32(dst, uint32(length))
}

// blob is a decoded view over a payload.
type blob struct {
	epoch int32
	clock int64
	data  []byte // the whole payload
}

func parseBlob(data []byte) (blob, error) {
	if len(data) < BlobHeaderLen || data[0] != BlobKind {
		return blob{}, fmt.Errorf("not a data blob (%d bytes)", len(data))
	}
	if data[1] != BlobFormat {
		return blob{}, fmt.Errorf("data blob of format %d, this version reads %d", data[1], BlobFormat)
	}
	return blob{
		epoch: int32(binary.BigEndian.Uint32(data[4:])),
		clock: int64(binary.BigEndian.Uint64(data[8:])),
		data:  data,
	}, nil
}

// runs calls fn with each run's key, the position of its batches in the
// payload, and the batches.
func (b blob) runs(fn func(k Key, pos int, batches []byte) error) error {
	for pos := BlobHeaderLen; pos < len(b.data); {
		rest := b.data[pos:]
		if len(rest) < RunHeaderLen {
			return fmt.Errorf("run header at %d is cut short", pos)
		}
		var k Key
		copy(k.Topic[:], rest)
		k.Partition = int32(binary.BigEndian.Uint32(rest[16:]))
		n := int(binary.BigEndian.Uint32(rest[20:]))
		if n > len(rest)-RunHeaderLen {
			return fmt.Errorf("run of %d bytes at %d is cut short", n, pos)
		}
		pos += RunHeaderLen
		if err := fn(k, pos, b.data[pos:pos+n:pos+n]); err != nil {
			return err
		}
		pos += n
	}
	return nil
}
