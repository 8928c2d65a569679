package partition

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/twmb/franz-go/pkg/kerr"
)

func TestExpired(t *testing.T) {
	d := openLog(t)
	// Ten runs of ten records each; timestamps rise by 100 from run to run, but
	// for run 6, which is from the future.
	size := int64(0)
	for i := range int64(10) {
		ts := 1000 + 100*i
		if i == 6 {
			ts = 1 << 40
		}
		b := batch(10*i, 10, ts)
		size = int64(len(b))
		d.apply(1, part{keyA, batches(b)})
	}
	d.apply(1, part{keyB, batches(batch(0, 3, -5))}) // largest timestamp -3: none
	for _, sealed := range []bool{false, true} {
		if sealed {
			d.apply(1, part{Key{Topic: TopicID{3}}, batches(batch(0, 150, 0))}) // has no place in the segment
			if p := d.set.Partition(keyA); len(p.sealed) == 0 || len(p.runs) > 0 {
				t.Fatal("the segment is not sealed")
			}
		}
		for _, c := range []struct {
			name         string
			key          Key
			before, keep int64
			want         int64
		}{
			{"no limits", keyA, 0, -1, 0},
			{"all as young as that", keyA, 1009, -1, 0},
			{"the first is older", keyA, 1010, -1, 10},
			{"three are older", keyA, 1300, -1, 30},
			{"the future protects what follows", keyA, 1 << 30, -1, 60},
			{"all are older", keyA, 1 << 41, -1, 100},
			{"room for all", keyA, 0, 10 * size, 0},
			{"not quite", keyA, 0, 10*size - 1, 0},
			{"one too many", keyA, 0, 9 * size, 10},
			{"never less than is to be kept", keyA, 0, 8*size + 1, 10},
			{"keep nothing", keyA, 0, 0, 100},
			{"the larger of both", keyA, 1300, 2 * size, 80},
			{"no timestamps, no age", keyB, 1 << 41, -1, 0},
			{"no timestamps, too many", keyB, 1 << 41, 0, 3},
		} {
			got, err := d.set.Partition(c.key).Expired(c.before, c.keep)
			if err != nil || got != c.want {
				t.Errorf("%s (sealed %v): %d, %v, want %d", c.name, sealed, got, err, c.want)
			}
		}
	}
	d.set.AdvanceLogStart(keyA, 35)
	for _, c := range []struct{ before, keep, want int64 }{{1000, -1, 35}, {0, 7 * size, 35}, {0, 6 * size, 40}, {1 << 30, -1, 60}} {
		if got, err := d.set.Partition(keyA).Expired(c.before, c.keep); got != c.want || err != nil {
			t.Errorf("from 35, before %d, keep %d: %d, %v, want %d", c.before, c.keep, got, err, c.want)
		}
	}
	d.set.AdvanceLogStart(keyA, 72) // past the one that protected
	if got, err := d.set.Partition(keyA).Expired(1<<30, -1); got != 100 || err != nil {
		t.Errorf("from 72: %d, %v", got, err)
	}
}

// TestExpiredAcrossSegments compares with a walk over all batches.
func TestExpiredAcrossSegments(t *testing.T) {
	d := openLog(t)
	d.fill(80)
	p := d.set.Partition(keyA)
	if len(p.sealed) < 5 || len(p.runs) == 0 {
		t.Fatalf("%d sealed segments: the test does not test", len(p.sealed))
	}
	for i := range int64(80) { // runs of 5 records, 10 ms from one to the next, as fill makes them
		if got, err := p.Expired(1000+50*i, -1); err != nil || got != 5*i {
			t.Errorf("older than run %d: %d, %v", i, got, err)
		}
	}
	if got, err := p.Expired(0, int64(len(readAll(t, p, 1<<20)))/2); err != nil || got < 150 || got > 250 {
		t.Errorf("half of the bytes: %d, %v", got, err)
	}
}

// TestLogStartFreesMemory: what cannot be read takes nothing but what is known
// of its producers.
func TestLogStartFreesMemory(t *testing.T) {
	d := openLog(t)
	d.fill(60)
	a, b := d.set.Partition(keyA), d.set.Partition(keyB)
	readAll(t, b, 1000) // fills the cache
	producers := len(b.Producers())
	for _, k := range []Key{keyA, keyB} {
		d.set.AdvanceLogStart(k, d.set.Partition(k).HighWatermark())
	}
	if len(a.sealed)+len(b.sealed) > 0 {
		t.Error("references to what nobody can read")
	}
	d.apply(1, part{Key{Topic: TopicID{3}}, batches(batch(0, 300, 0))}) // a segment of its own
	for _, p := range []*Partition{a, b} {
		if len(p.sealed)+cap(p.sealed)+len(p.runs)+cap(p.runs)+len(p.cache.runs) > 0 {
			t.Errorf("%s: %d references, %d runs, %d cached stay", p.Key(), len(p.sealed), len(p.runs), len(p.cache.runs))
		}
	}
	if got := b.Producers(); producers == 0 || len(got) != producers {
		t.Errorf("%d producers, before %d", len(got), producers)
	}
	d.fill(60) // and it goes on
	if n := recordCount(t, readAll(t, a, 1000)); n != 300 {
		t.Errorf("%d records of 300 that came later", n)
	}
}

// TestNothingNeededIsDropped: after a time in which no index could be written the
// oldest entry needed is still told, and everything before can go.
func TestNothingNeededIsDropped(t *testing.T) {
	for _, c := range []struct {
		name      string
		lacks     func(i int) bool
		unwritten bool
	}{
		{"always written", func(int) bool { return false }, false},
		{"not at first", func(i int) bool { return i < 30 }, false},
		{"not in between", func(i int) bool { return i > 20 && i < 60 }, false},
		{"not at the end", func(i int) bool { return i > 40 }, true},
		{"never", func(int) bool { return true }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openLog(t)
			for i := range 90 {
				d.lacks = c.lacks(i)
				d.fill(1)
			}
			if got := len(d.set.unwritten) > 0; got != c.unwritten {
				t.Fatalf("indexes not written: %v", got)
			}
			p := d.set.Partition(keyA)
			d.set.AdvanceLogStart(keyB, 1<<40)
			for start := int64(0); start < p.HighWatermark(); start += 37 {
				whole := readAll(t, p, 1000)
				d.set.AdvanceLogStart(keyA, start)
				first, ok := d.set.FirstNeeded()
				if !ok || p.EndAt(first-1) > start {
					t.Fatalf("from %d: entry %d %v, before it lie offsets up to %d", start, first, ok, p.EndAt(first-1))
				}
				if err := d.DropBefore(first); err != nil {
					t.Fatal(err)
				}
				if left := readAll(t, p, 1000); len(left) == 0 || !bytes.HasSuffix(whole, left) {
					t.Fatalf("from %d other bytes are read", start)
				}
				again := NewSet(d)
				if err := errors.Join(again.Restore(d.set.Snapshot()), again.Reindex(d.ranges(), d.next-1, d.replay)); err != nil {
					t.Fatalf("from %d: %v", start, err)
				}
				if !bytes.Equal(readAll(t, again.Partition(keyA), 1000), readAll(t, p, 1000)) {
					t.Fatalf("from %d other bytes are restored", start)
				}
			}
			if first, err := d.FirstIndex(); err != nil || first < 60 {
				t.Errorf("entries from %d on are still there, %v", first, err)
			}
			d.lacks = false
			d.fill(20) // indexes of dropped segments are not waited for
			if len(d.set.unwritten) > 0 {
				t.Errorf("%d indexes are still not written", len(d.set.unwritten))
			}
		})
	}
}

// TestRefusedRunIsNotFoundAgain: a blob was refused because of its offsets; when
// what came before it is dropped, that can no longer be seen from the log.
func TestRefusedRunIsNotFoundAgain(t *testing.T) {
	d := openLog(t)
	d.fill(20)
	d.apply(1, part{keyB, batches(batch(d.set.Partition(keyB).HighWatermark(), 300, 0))}) // a segment of its own
	p := d.set.Partition(keyA)
	hw := p.HighWatermark()
	if got := d.apply(1, part{keyA, batches(batch(hw+50, 5, 0))}); got.Refused != 1 {
		t.Fatalf("%+v", got)
	}
	refused := d.next - 1
	d.fill(40)
	d.set.AdvanceLogStart(keyB, 1<<40)
	d.set.AdvanceLogStart(keyA, hw+40)
	whole := readAll(t, p, 1000)
	if err := d.DropBefore(refused); err != nil { // the segment that it is in stays
		t.Fatal(err)
	}
	first := d.ranges()[0]
	if first.First != refused {
		t.Fatalf("the log begins with entry %d, refused was %d: the test does not test", first.First, refused)
	}
	if err := d.Log.WriteSidecar(first.ID, sidecarName, nil); err != nil { // so that it is read again
		t.Fatal(err)
	}
	again := NewSet(d)
	if err := errors.Join(again.Restore(d.set.Snapshot()), again.Reindex(d.ranges(), d.next-1, d.replay)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readAll(t, again.Partition(keyA), 1000), whole) {
		t.Error("other bytes are read")
	}
}

// overtaken is a log in which something happens before a read.
type overtaken struct {
	*diskLog
	before func() error
}

func (l *overtaken) AppendPayload(dst []byte, index uint64, off, n int) ([]byte, error) {
	if err := l.before(); err != nil {
		return nil, err
	}
	return l.diskLog.AppendPayload(dst, index, off, n)
}

func TestReadersThatAreOvertaken(t *testing.T) {
	for _, c := range []struct {
		name string
		by   func(s *Set)
		want error
	}{
		{"by retention", func(s *Set) { s.AdvanceLogStart(keyA, 250) }, kerr.OffsetOutOfRange},
		{"by the end of the topic", func(s *Set) { s.Drop(keyA) }, kerr.UnknownTopicOrPartition},
		{"by nothing", func(*Set) {}, raft.ErrLogNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openLog(t)
			d.fill(60)
			l := &overtaken{diskLog: d, before: func() error { return nil }}
			again := NewSet(l)
			if err := errors.Join(again.Restore(d.set.Snapshot()), again.Reindex(d.ranges(), d.next-1, d.replay)); err != nil {
				t.Fatal(err)
			}
			l.before = func() error { c.by(again); return fmt.Errorf("gone: %w", raft.ErrLogNotFound) }
			p := again.Partition(keyA)
			if data, err := p.Read(100, 1000, true); !errors.Is(err, c.want) || data != nil {
				t.Errorf("%d bytes, %v, want %v", len(data), err, c.want)
			}
		})
	}
}

// TestTimestampLookupThatIsOvertaken finds what is left.
func TestTimestampLookupThatIsOvertaken(t *testing.T) {
	d := openLog(t)
	d.fill(60)
	l := &overtaken{diskLog: d, before: func() error { return nil }}
	again := NewSet(l)
	if err := errors.Join(again.Restore(d.set.Snapshot()), again.Reindex(d.ranges(), d.next-1, d.replay)); err != nil {
		t.Fatal(err)
	}
	l.before = func() error {
		again.AdvanceLogStart(keyA, 250)
		l.before = func() error { return nil }
		return raft.ErrLogNotFound
	}
	if b, err := again.Partition(keyA).OffsetForTimestamp(0); err != nil || b == nil || b.BaseOffset() != 250 {
		t.Errorf("%v, %v", b, err)
	}
}
