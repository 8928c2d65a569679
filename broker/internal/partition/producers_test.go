package partition

import (
	"errors"
	"math"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

func TestProducersCheck(t *testing.T) {
	const id = 5
	type sent struct {
		epoch    int16
		sequence int32
		n        int
	}
	history := func(from, to int32) (all []sent) {
		for s := from; s < to; s++ {
			all = append(all, sent{0, s, 1})
		}
		return all
	}
	wrapped := []sent{{0, math.MaxInt32 - 9, 5}, {0, math.MaxInt32 - 4, 3}, {0, math.MaxInt32 - 1, 4}} // the last: MaxInt32-1, MaxInt32, 0, 1
	for _, c := range []struct {
		name   string
		before []sent
		now    sent
		base   int64 // of the duplicate; -1: none
		err    error
	}{
		{"unknown producer", nil, sent{3, 17, 1}, -1, nil},
		{"next", history(0, 3), sent{0, 3, 4}, -1, nil},
		{"newest again", history(0, 3), sent{0, 2, 1}, 2, nil},
		{"oldest remembered again", history(0, 9), sent{0, 4, 1}, 4, nil},
		{"older than remembered", history(0, 9), sent{0, 3, 1}, -1, kerr.DuplicateSequenceNumber},
		{"gap", history(0, 3), sent{0, 4, 1}, -1, kerr.OutOfOrderSequenceNumber},
		{"overlaps the newest", history(0, 3), sent{0, 2, 2}, -1, kerr.OutOfOrderSequenceNumber},
		{"older epoch", []sent{{2, 0, 1}}, sent{1, 1, 1}, -1, kerr.InvalidProducerEpoch},
		{"newer epoch from 0", history(0, 3), sent{1, 0, 1}, -1, nil},
		{"newer epoch not from 0", history(0, 3), sent{1, 3, 1}, -1, kerr.OutOfOrderSequenceNumber},
		{"newer epoch forgets the older one's numbers", append(history(0, 3), sent{1, 0, 1}), sent{1, 2, 1}, -1, kerr.OutOfOrderSequenceNumber},
		{"ends at the largest number", []sent{{0, math.MaxInt32 - 1, 2}}, sent{0, 0, 1}, -1, nil},
		{"wraps inside a batch", wrapped, sent{0, 2, 1}, -1, nil},
		{"wrapped batch again", wrapped, sent{0, math.MaxInt32 - 1, 4}, 8, nil},
		{"gap after a wrap", wrapped, sent{0, 3, 1}, -1, kerr.OutOfOrderSequenceNumber},
		{"older than remembered, before a wrap", wrapped, sent{0, math.MaxInt32 - 12, 3}, -1, kerr.DuplicateSequenceNumber},
		{"gap before a wrap", history(0, 3), sent{0, 100, 1}, -1, kerr.OutOfOrderSequenceNumber},
	} {
		t.Run(c.name, func(t *testing.T) {
			known := Producers{}
			base := int64(0)
			for _, s := range c.before {
				b := idempotent(base, s.n, id, s.epoch, s.sequence)
				if v := known.Check(b); v.Err != nil || v.Duplicate {
					t.Fatalf("%+v was not taken: %+v", s, v)
				}
				known.Add(b, 1)
				base = b.NextOffset()
			}
			v := known.Check(idempotent(base, c.now.n, id, c.now.epoch, c.now.sequence))
			if !errors.Is(v.Err, c.err) || v.Duplicate != (c.base >= 0) || v.Duplicate && v.Base != c.base {
				t.Errorf("got %+v, want base %d, error %v", v, c.base, c.err)
			}
		})
	}
	if v := (Producers{}).Check(batch(0, 1, 0)); v != (Verdict{}) {
		t.Errorf("without a producer: %+v", v)
	}
}

func TestProducersExpireByTheLeadersClock(t *testing.T) {
	d := openLog(t)
	const day = ProducerExpiry
	d.apply(day, part{keyA, batches(idempotent(0, 1, 1, 0, 0))})
	d.apply(day+day/2, part{keyA, batches(idempotent(1, 1, 2, 0, 0))})
	d.apply(2*day+day/4, part{keyA, batches(batch(2, 1, 0))})
	left := d.set.Partition(keyA).Producers()
	if left[1] != nil || left[2] == nil {
		t.Errorf("left: %v, want only producer 2", left)
	}
}

func TestProducersCopyIsIndependent(t *testing.T) {
	known := Producers{}
	known.Add(idempotent(0, 1, 1, 0, 0), 1)
	copied := known.Copy()
	copied.Add(idempotent(1, 1, 1, 0, 1), 2)
	copied.Add(idempotent(2, 1, 2, 0, 0), 2)
	if len(known) != 1 || known[1].n != 1 || known[1].clock != 1 {
		t.Errorf("a change of the copy shows in the original: %+v", known[1])
	}
}
