package recordbatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func sample() Batch {
	return Make(
		Record{Timestamp: 1000, Key: []byte("k"), Value: []byte("one")},
		Record{Timestamp: 1500, Value: []byte("two")},
		Record{Timestamp: 1200, Key: []byte("k"), Value: nil},
	)
}

// TestHeaderAgreesWithKmsg reads the same bytes with an independent decoder.
func TestHeaderAgreesWithKmsg(t *testing.T) {
	b := sample()
	b.SetProducer(77, 3, 40)
	b.SetAttributes(0x18)
	b.SetBaseOffset(1 << 40)
	b.SetPartitionLeaderEpoch(9)

	var k kmsg.RecordBatch
	if err := k.ReadFrom(b); err != nil {
		t.Fatal(err)
	}
	if got := []int64{
		b.BaseOffset(), b.Length(), int64(b.PartitionLeaderEpoch()), int64(b.Magic()), int64(int32(b.CRC())), int64(b.Attributes()),
		int64(b.LastOffsetDelta()), b.FirstTimestamp(), b.MaxTimestamp(), b.ProducerID(), int64(b.ProducerEpoch()),
		int64(b.BaseSequence()), int64(b.NumRecords()),
	}; !equal(got, []int64{
		k.FirstOffset, int64(k.Length) + 12, int64(k.PartitionLeaderEpoch), int64(k.Magic), int64(k.CRC), int64(k.Attributes),
		int64(k.LastOffsetDelta), k.FirstTimestamp, k.MaxTimestamp, k.ProducerID, int64(k.ProducerEpoch),
		int64(k.FirstSequence), int64(k.NumRecords),
	}) {
		t.Errorf("header read as %v, kmsg reads %+v", got, k)
	}
	if b.MaxTimestamp() != 1500 || b.NumRecords() != 3 || b.NextOffset() != 1<<40+3 || b.LastOffset() != 1<<40+2 {
		t.Errorf("max timestamp %d, records %d, next offset %d, last offset %d", b.MaxTimestamp(), b.NumRecords(), b.NextOffset(), b.LastOffset())
	}
	if !b.IsTransactional() || !b.LogAppendTime() || b.IsControl() || b.Codec() != None {
		t.Errorf("attributes %x misread", b.Attributes())
	}
	if want := crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)); b.CRC() != want {
		t.Errorf("CRC %x, want %x", b.CRC(), want)
	}

	rest := k.Records
	for i, want := range []string{"one", "two", ""} {
		n, w := binary.Varint(rest)
		var r kmsg.Record
		if err := r.ReadFrom(rest[:int(n)+w]); err != nil || string(r.Value) != want {
			t.Fatalf("record %d: %+v, %v", i, r, err)
		}
		rest = rest[int(n)+w:]
	}
}

func equal(a, b []int64) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestStampingLeavesTheRestAlone(t *testing.T) {
	b := sample()
	before := bytes.Clone(b)
	b.SetBaseOffset(123456789)
	b.SetPartitionLeaderEpoch(42)
	if err := b.Validate(); err != nil {
		t.Fatalf("stamped batch is not valid: %v", err)
	}
	if !bytes.Equal(b[16:], before[16:]) {
		t.Error("stamping changed bytes from the magic on")
	}
	if !bytes.Equal(b[8:12], before[8:12]) {
		t.Error("stamping changed the length")
	}
}

func TestValidate(t *testing.T) {
	fix := func(b Batch) Batch { b.setCRC(); return b }
	for _, c := range []struct {
		name string
		make func(b Batch) Batch
		want error
	}{
		{"as made", func(b Batch) Batch { return b }, nil},
		{"every codec: zstd", func(b Batch) Batch { b.SetAttributes(4); return b }, nil},
		{"no codec 5", func(b Batch) Batch { b.SetAttributes(5); return b }, kerr.UnsupportedCompressionType},
		{"empty", func(Batch) Batch { return nil }, kerr.CorruptMessage},
		{"cut in the header", func(b Batch) Batch { return b[:40] }, kerr.CorruptMessage},
		{"cut in the records", func(b Batch) Batch { return b[:len(b)-1] }, kerr.CorruptMessage},
		{"a byte too many", func(b Batch) Batch { return append(b, 0) }, kerr.CorruptMessage},
		{"format 1", func(b Batch) Batch { b[16] = 1; return b }, kerr.UnsupportedForMessageFormat},
		{"format 3", func(b Batch) Batch { b[16] = 3; return b }, kerr.UnsupportedForMessageFormat},
		{"flipped bit in the records", func(b Batch) Batch { b[len(b)-3] ^= 1; return b }, kerr.CorruptMessage},
		{"flipped bit in the CRC", func(b Batch) Batch { b[17] ^= 0x80; return b }, kerr.CorruptMessage},
		{"no records", func(b Batch) Batch {
			binary.BigEndian.PutUint32(b[57:], 0)
			binary.BigEndian.PutUint32(b[23:], 0xffffffff)
			return fix(b)
		}, kerr.InvalidRecord},
		{"more offsets than records", func(b Batch) Batch { binary.BigEndian.PutUint32(b[23:], 3); return fix(b) }, kerr.InvalidRecord},
		{"last offset delta at its limit", func(b Batch) Batch {
			binary.BigEndian.PutUint32(b[23:], 0x7fffffff)
			binary.BigEndian.PutUint32(b[57:], 0x80000000)
			return fix(b)
		}, kerr.InvalidRecord},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.make(sample()).Validate(); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestNext(t *testing.T) {
	a, b := sample(), Make(Record{Value: []byte("other")})
	run := append(bytes.Clone(a), b...)

	got, rest, err := Next(run)
	if err != nil || !bytes.Equal(got, a) {
		t.Fatalf("first: %v, %d bytes", err, len(got))
	}
	if cap(got) != len(got) {
		t.Error("appending to the first batch would write into the second")
	}
	got, rest, err = Next(rest)
	if err != nil || !bytes.Equal(got, b) || len(rest) != 0 {
		t.Fatalf("second: %v, %d bytes, %d left", err, len(got), len(rest))
	}
	for n := range len(a) {
		if _, rest, err := Next(run[:n]); !errors.Is(err, ErrShort) || len(rest) != n {
			t.Fatalf("%d bytes: %v, %d left", n, err, len(rest))
		}
	}
	for _, length := range []uint32{0, 13, 0x80000000, 0xffffffff} {
		bad := bytes.Clone(a)
		binary.BigEndian.PutUint32(bad[8:], length)
		if _, _, err := Next(bad); !errors.Is(err, kerr.CorruptMessage) {
			t.Errorf("length %d: %v", int32(length), err)
		}
	}
}

func TestCount(t *testing.T) {
	a, b := sample(), Make(Record{Value: []byte("other")})
	run := append(bytes.Clone(a), b...)
	if r, n := Count(run); r != 4 || n != int64(len(run)) {
		t.Errorf("counted %d records in %d bytes", r, n)
	}
	if r, n := Count(run[:len(run)-1]); r != 3 || n != int64(len(a)) {
		t.Errorf("cut short: counted %d records in %d bytes", r, n)
	}
	if r, n := Count(nil); r != 0 || n != 0 {
		t.Errorf("nothing: counted %d records in %d bytes", r, n)
	}
}

// FuzzNext walks arbitrary bytes: it must end, never panic, and hand out only
// what it was given.
func FuzzNext(f *testing.F) {
	f.Add([]byte(sample()))
	f.Add(append(bytes.Clone(sample()), sample()[:30]...))
	f.Add(bytes.Repeat([]byte{0xff}, 80))
	f.Add(make([]byte, 80))
	f.Fuzz(func(t *testing.T, p []byte) {
		seen := 0
		for rest := p; len(rest) > 0; {
			b, next, err := Next(rest)
			if err != nil {
				break
			}
			if len(b) <= posMagic || len(next) >= len(rest) || !bytes.Equal(b, p[seen:seen+len(b)]) {
				t.Fatalf("batch of %d bytes at %d", len(b), seen)
			}
			seen += len(b)
			if b.Validate() == nil {
				if b.NextOffset()-b.BaseOffset() != int64(b.NumRecords()) {
					t.Fatalf("a valid batch of %d records takes %d offsets", b.NumRecords(), b.NextOffset()-b.BaseOffset())
				}
				changed := bytes.Clone(b)
				changed[len(changed)-1] ^= 1
				if Batch(changed).Validate() == nil {
					t.Fatal("a flipped bit went unnoticed")
				}
			}
			rest = next
		}
		Count(p)
	})
}

func BenchmarkValidate(b *testing.B) {
	batch := Make(Record{Value: make([]byte, 64<<10)})
	b.SetBytes(int64(len(batch)))
	for b.Loop() {
		if err := batch.Validate(); err != nil {
			b.Fatal(err)
		}
	}
}
