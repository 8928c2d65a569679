package raw

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"lockstep/compat/internal/history"
	"lockstep/compat/internal/records"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A record batch (magic 2), big-endian: baseOffset 0–7, batchLength 8–11 (from byte 12 on), partitionLeaderEpoch
// 12–15, magic 16, crc 17–20, attributes 21–22, lastOffsetDelta 23–26, … records from 61. The CRC-32C covers
// byte 21 to the end.
const (
	lengthAt     = 8
	epochAt      = 12
	bodyAt       = 16
	crcAt        = 17
	attributesAt = 21
	lastDeltaAt  = 23
	headerLen    = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Split looks at each whole batch in p. What follows the last whole batch is left out, as a consumer does.
func Split(p []byte) ([]history.RawBatch, error) {
	var out []history.RawBatch
	for len(p) >= headerLen {
		length := int(int32(binary.BigEndian.Uint32(p[lengthAt:]))) + 12
		if length < headerLen {
			return out, fmt.Errorf("a batch of %d bytes", length)
		}
		if length > len(p) {
			break
		}
		if p[bodyAt] != 2 {
			return out, fmt.Errorf("magic %d", p[bodyAt])
		}
		out = append(out, look(p[:length]))
		p = p[length:]
	}
	return out, nil
}

func look(b []byte) history.RawBatch {
	base := int64(binary.BigEndian.Uint64(b))
	return history.RawBatch{
		BaseOffset:  base,
		LastOffset:  base + int64(int32(binary.BigEndian.Uint32(b[lastDeltaAt:]))),
		LeaderEpoch: int32(binary.BigEndian.Uint32(b[epochAt:])),
		Length:      len(b),
		Attributes:  int16(binary.BigEndian.Uint16(b[attributesAt:])),
		CRC:         binary.BigEndian.Uint32(b[crcAt:]),
		Computed:    crc32.Checksum(b[attributesAt:], castagnoli),
		Body:        history.Of(bytes.Clone(b[bodyAt:])),
	}
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// Build makes the bytes of one batch with base offset 0 from at least one record.
func Build(codec string, rs []records.Record) ([]byte, error) { return BuildAs(Nobody, codec, rs) }

// BuildAs is Build for a batch of an idempotent producer.
func BuildAs(by Producer, codec string, rs []records.Record) ([]byte, error) {
	if len(rs) == 0 {
		return nil, errors.New("build a batch of no records")
	}
	var body []byte
	first, newest := rs[0].Timestamp, rs[0].Timestamp
	for i, r := range rs {
		newest = max(newest, r.Timestamp)
		body = appendRecord(body, i, r, first)
	}
	var attributes int16
	c, known := codecs[codec]
	if !known {
		return nil, fmt.Errorf("unknown codec %q", codec)
	}
	compressor, err := kgo.DefaultCompressor(c)
	if err != nil {
		return nil, fmt.Errorf("codec %s: %w", codec, err)
	}
	if compressor != nil {
		var buf bytes.Buffer
		packed, used := compressor.Compress(&buf, body)
		body, attributes = bytes.Clone(packed), int16(used)
	}
	batch := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: attributes, LastOffsetDelta: int32(len(rs) - 1),
		FirstTimestamp: first, MaxTimestamp: newest, ProducerID: by.ID, ProducerEpoch: by.Epoch, FirstSequence: by.Sequence,
		NumRecords: int32(len(rs)), Records: body,
	}
	out := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(out[lengthAt:], uint32(len(out)-12))
	binary.BigEndian.PutUint32(out[crcAt:], crc32.Checksum(out[attributesAt:], castagnoli))
	return out, nil
}

func appendRecord(dst []byte, i int, r records.Record, firstTimestamp int64) []byte {
	k := kmsg.Record{TimestampDelta64: r.Timestamp - firstTimestamp, OffsetDelta: int32(i), Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		k.Headers = append(k.Headers, kmsg.Header{Key: h.Name, Value: h.Value})
	}
	// The length that leads a record counts what follows it: written with 0 (one byte) first to learn it.
	k.Length = int32(len(k.AppendTo(nil)) - 1)
	return k.AppendTo(dst)
}
