package partition

import (
	"bytes"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/recordbatch"
)

func batches(b ...recordbatch.Batch) []recordbatch.Batch { return b }

func join(b ...recordbatch.Batch) []byte { return bytes.Join(asBytes(b), nil) }

func TestClip(t *testing.T) {
	one, two, three := batch(10, 3, 0), batch(13, 1, 0), batch(14, 2, 0) // 10-12, 13, 14-15
	data := join(one, two, three)
	const plenty = 1 << 20
	for _, c := range []struct {
		name   string
		offset int64
		limit  int
		least  bool
		want   []byte
		full   bool
	}{
		{"all", 10, plenty, false, data, false},
		{"from the middle of a batch", 11, plenty, false, data, false},
		{"from the second", 13, plenty, false, join(two, three), false},
		{"last record", 15, plenty, false, three, false},
		{"just what fits", 10, len(one) + len(two), false, join(one, two), true},
		{"one byte short", 10, len(one) + len(two) - 1, false, one, true},
		{"nothing fits", 10, len(one) - 1, false, nil, true},
		{"nothing fits, but one at least", 12, 0, true, one, true},
		{"at least one, and no more", 10, len(one) + 1, true, one, true},
		{"no room", 13, -5, false, nil, true},
		{"behind the end", 16, plenty, true, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := clip(data, c.offset, c.limit, c.least)
			if err != nil || !bytes.Equal(got.part, c.want) || got.full != c.full || got.next != 16 {
				t.Errorf("got %d bytes, full %v, next %d, %v; want %d bytes, full %v", len(got.part), got.full, got.next, err, len(c.want), c.full)
			}
		})
	}
	if _, err := clip(data[:len(data)-1], 10, plenty, false); err == nil {
		t.Error("a run that ends inside a batch was taken")
	}
}

func TestReadInMemory(t *testing.T) {
	d := openLog(t)
	b := batches(batch(0, 2, 0), batch(2, 2, 0), batch(4, 1, 0), batch(5, 5, 0))
	d.apply(1, part{keyA, b[:2]}, part{keyB, batches(batch(0, 1, 0))})
	d.apply(1, part{keyB, batches(batch(1, 1, 0))})
	d.apply(1, part{keyA, b[2:3]})
	d.apply(1, part{keyB, batches(batch(2, 1, 0))}, part{keyA, b[3:]})
	p := d.set.Partition(keyA)
	const plenty = 1 << 20
	for _, c := range []struct {
		name   string
		offset int64
		limit  int
		least  bool
		want   []byte
	}{
		{"everything", 0, plenty, false, join(b...)},
		{"across runs from a batch's middle", 3, plenty, false, join(b[1:]...)},
		{"up to the limit across runs", 0, len(join(b[:3]...)), false, join(b[:3]...)},
		{"up to less", 0, len(join(b[:3]...)) - 1, false, join(b[:2]...)},
		{"at least one", 7, 1, true, b[3]},
		{"not even one", 7, 1, false, nil},
		{"at the high watermark", 10, plenty, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := p.Read(c.offset, c.limit, c.least)
			if err != nil || !bytes.Equal(got, c.want) {
				t.Errorf("got %d bytes, %v; want %d", len(got), err, len(c.want))
			}
		})
	}
	for _, offset := range []int64{-1, 11} {
		if _, err := p.Read(offset, plenty, true); !errors.Is(err, kerr.OffsetOutOfRange) {
			t.Errorf("offset %d: %v", offset, err)
		}
	}
}

func TestReadSealedSegments(t *testing.T) {
	d := openLog(t)
	d.fill(60)
	p := d.set.Partition(keyA)
	if len(p.sealed) < 3 || len(p.runs) > 20 {
		t.Fatalf("%d sealed segments, %d runs in memory: the test does not test", len(p.sealed), len(p.runs))
	}
	whole := readAll(t, p, 1<<20)
	for _, limit := range []int{0, 500, 5000} {
		if !bytes.Equal(readAll(t, p, limit), whole) {
			t.Errorf("portions of %d bytes give other bytes", limit)
		}
	}
	for offset := range p.HighWatermark() {
		data, err := p.Read(offset, 0, true)
		if err != nil {
			t.Fatal(err)
		}
		if b := recordbatch.Batch(data); b.BaseOffset() > offset || b.LastOffset() < offset {
			t.Errorf("offset %d: got %d to %d", offset, b.BaseOffset(), b.LastOffset())
		}
	}
	if end := int64(recordCount(t, readAll(t, d.set.Partition(keyB), 100))); end != d.set.Partition(keyB).HighWatermark() {
		t.Errorf("the other partition has %d records", end)
	}
}

func recordCount(t *testing.T, data []byte) (n int) {
	t.Helper()
	for len(data) > 0 {
		b, rest, err := recordbatch.Next(data)
		if err != nil {
			t.Fatal(err)
		}
		n += int(b.NumRecords())
		data = rest
	}
	return n
}

func TestOffsetForTimestamp(t *testing.T) {
	d := openLog(t)
	d.fill(60) // the record at offset o of A has the timestamp 1000+10·base of its batch+place
	p := d.set.Partition(keyA)
	last := p.HighWatermark() - 1
	for _, c := range []struct {
		name string
		ts   int64
		want int64 // base offset; -1: none
	}{
		{"before all", 0, 0},
		{"the first's newest", 1002, 0},
		{"between batches", 1003, 3},
		{"in a sealed segment", 1000 + 50*10 + 1, 50},
		{"the newest", 1000 + (last-1)*10 + 1, last - 1},
		{"after all", 1 << 40, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := p.OffsetForTimestamp(c.ts)
			if err != nil || (b == nil) != (c.want < 0) || b != nil && b.BaseOffset() != c.want {
				t.Errorf("got %v, %v", b, err)
			}
		})
	}
	if b, err := p.MaxTimestamp(); err != nil || b.LastOffset() != last {
		t.Errorf("largest timestamp: %v", err)
	}
	d.set.AdvanceLogStart(keyA, 51)
	if b, err := p.OffsetForTimestamp(0); err != nil || b.BaseOffset() != 50 {
		t.Errorf("after the log start: %v", err)
	}
	if b, err := d.set.Partition(Key{}).MaxTimestamp(); b != nil || err != nil {
		t.Errorf("of an empty partition: %v, %v", b, err)
	}
}
