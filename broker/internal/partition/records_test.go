package partition

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/recordbatch"
)

// sized is a batch of n records of size bytes each.
func sized(base int64, n, size int) recordbatch.Batch {
	all := make([]recordbatch.Record, n)
	for i := range all {
		all[i].Value = bytes.Repeat([]byte{byte(base) + byte(i)}, size)
	}
	b := recordbatch.Make(all...)
	b.SetBaseOffset(base)
	return b
}

// TestFindIsRead: what is left in the log is what would have been read, for runs of
// all sizes and any offset and limit.
func TestFindIsRead(t *testing.T) {
	d := openLog(t)
	p := d.set.Partition(keyA)
	for range 40 {
		var run []recordbatch.Batch
		for base, n := p.HighWatermark(), 1+rand.IntN(4); n > 0; n-- {
			b := sized(base, 1+rand.IntN(3), []int{10, 1000, 9000, 40000}[rand.IntN(4)])
			run, base = append(run, b), b.NextOffset()
		}
		d.apply(1, part{keyB, batches(sized(d.set.Partition(keyB).HighWatermark(), 1, 20))}, part{keyA, run})
	}
	left := 0
	for range 400 {
		offset, limit, least := rand.Int64N(p.HighWatermark()+1), rand.IntN(300<<10), rand.IntN(2) == 0
		want, err := p.Read(offset, limit, least)
		if err != nil {
			t.Fatal(err)
		}
		found, err := p.Find(offset, limit, least)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for _, part := range found.Parts {
			before := len(got)
			if got, err = appendPart(got, part); err != nil || len(got)-before != part.Len() {
				t.Fatalf("part of %d bytes, not %d: %v", len(got)-before, part.Len(), err)
			}
			if part.Data == nil {
				left++
			}
		}
		count, _ := recordbatch.Count(want)
		if !bytes.Equal(got, want) || found.Bytes != len(want) || found.Count != count {
			t.Fatalf("from %d, %d bytes: found %d bytes (said %d) and %d records, read %d and %d", offset, limit, len(got), found.Bytes, found.Count, len(want), count)
		}
	}
	if left < 100 {
		t.Errorf("only %d runs were left in the log: the test does not test", left)
	}
	if _, err := p.Find(p.HighWatermark()+1, 1000, true); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("beyond the end: %v", err)
	}
	found, err := p.Find(0, 1<<20, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.DropBefore(d.next - 1); err != nil {
		t.Fatal(err)
	}
	for _, part := range found.Parts {
		if part.Data != nil {
			continue
		}
		if _, err := part.Open(); !errors.Is(err, raft.ErrLogNotFound) {
			t.Errorf("a part whose segment is gone: %v", err)
		}
	}
}

// appendPart reads what a sender would send.
func appendPart(dst []byte, p Part) ([]byte, error) {
	if p.Data != nil {
		return append(dst, p.Data...), nil
	}
	// Its own memory, or AppendPayload might return that of others.
	data, err := p.log.AppendPayload(nil, p.run.index, int(p.run.pos), int(p.run.size))
	return append(dst, data...), err
}
