package partition

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

func TestApplyRefusesWhatComesTooLate(t *testing.T) {
	for _, c := range []struct {
		name    string
		term    uint64
		stamped int32
		base    int64
		refused int
	}{
		{"as stamped", 2, 2, 5, 0},
		{"stored in a later term", 3, 2, 5, 1},
		{"stored in an earlier term", 1, 2, 5, 1},
		{"offset taken", 2, 2, 4, 1},
		{"gap", 2, 2, 6, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openLog(t)
			d.apply(1, part{keyA, batches(batch(0, 5, 0))})
			got := d.applyIn(c.term, c.stamped, 1, part{keyA, batches(idempotent(c.base, 2, 9, 0, 0))})
			p := d.set.Partition(keyA)
			wantHW, producers := int64(7), 1
			if c.refused > 0 {
				wantHW, producers = 5, 0
			}
			if got.Refused != c.refused || p.HighWatermark() != wantHW || len(p.Producers()) != producers {
				t.Errorf("refused %d, high watermark %d, producers %v", got.Refused, p.HighWatermark(), p.Producers())
			}
			if n := recordCount(t, readAll(t, p, 100)); int64(n) != wantHW {
				t.Errorf("%d records can be read", n)
			}
		})
	}
}

func TestApplyErrors(t *testing.T) {
	gap := part{keyA, batches(batch(0, 1, 0), batch(2, 1, 0))}
	whole := blobOf(1, 1, part{keyA, batches(batch(0, 1, 0))})
	newer := bytes.Clone(whole)
	newer[1]++
	for name, payload := range map[string][]byte{
		"empty":                 nil,
		"other kind":            append([]byte{2}, whole[1:]...),
		"newer format":          newer,
		"cut short":             whole[:len(whole)-1],
		"cut in a run header":   whole[:BlobHeaderLen+5],
		"gap inside a run":      blobOf(1, 1, gap),
		"a run without a batch": blobOf(1, 1, part{keyA, nil}),
	} {
		d := openLog(t)
		if _, err := d.set.Apply(1, 1, payload); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestEpochEnd(t *testing.T) {
	d := openLog(t)
	p := d.set.Partition(keyA)
	if e, end := p.EpochEnd(4); e != 4 || end != 0 {
		t.Errorf("empty: %d, %d", e, end)
	}
	d.applyIn(2, 2, 1, part{keyA, batches(batch(0, 10, 0))})
	d.applyIn(5, 5, 1, part{keyA, batches(batch(10, 10, 0))})
	d.applyIn(5, 5, 1, part{keyA, batches(batch(20, 10, 0))})
	d.applyIn(6, 6, 1, part{keyA, batches(batch(30, 10, 0))})
	check := func(when string, want map[int32][2]int64) {
		t.Helper()
		for asked, w := range want {
			if e, end := p.EpochEnd(asked); int64(e) != w[0] || end != w[1] {
				t.Errorf("%s, epoch %d: got %d ending at %d, want %v", when, asked, e, end, w)
			}
		}
	}
	check("all", map[int32][2]int64{1: {1, 0}, 2: {2, 10}, 3: {2, 10}, 4: {2, 10}, 5: {5, 30}, 6: {6, 40}, 9: {6, 40}})
	d.set.AdvanceLogStart(keyA, 15)
	check("from 15", map[int32][2]int64{2: {2, 15}, 4: {4, 15}, 5: {5, 30}, 6: {6, 40}})
	d.set.AdvanceLogStart(keyA, 40)
	check("nothing left", map[int32][2]int64{5: {5, 40}, 6: {6, 40}, 7: {6, 40}})
}

func TestEndAt(t *testing.T) {
	d := openLog(t)
	var ends []int64 // by index less one
	for range 60 {
		d.fill(1)
		ends = append(ends, d.set.Partition(keyA).HighWatermark())
	}
	p := d.set.Partition(keyA)
	if len(p.sealed) < 2 || len(p.runs) == 0 {
		t.Fatalf("%d sealed segments, %d runs: the test does not test", len(p.sealed), len(p.runs))
	}
	if end := p.EndAt(0); end != 0 {
		t.Errorf("at nothing: %d", end)
	}
	for i, want := range ends {
		if got := p.EndAt(uint64(i + 1)); got != want {
			t.Errorf("at index %d: %d, want %d", i+1, got, want)
		}
	}
	if got := p.EndAt(1 << 40); got != p.HighWatermark() {
		t.Errorf("beyond all: %d", got)
	}
}

func TestAdvanceLogStart(t *testing.T) {
	d := openLog(t)
	d.fill(60)
	p := d.set.Partition(keyA)
	hw := p.HighWatermark()
	whole := readAll(t, p, 1000)
	last := int64(0)
	for _, c := range []struct{ to, want int64 }{{3, 3}, {2, 3}, {4, 4}, {150, 150}, {-1, 150}, {hw - 1, hw - 1}, {hw + 100, hw}} {
		if got := d.set.AdvanceLogStart(keyA, c.to); got != c.want || p.LogStart() != c.want {
			t.Fatalf("to %d: %d, want %d", c.to, got, c.want)
		}
		last = c.want
		if left := readAll(t, p, 1000); !bytes.HasSuffix(whole, left) || last < hw && len(left) == 0 {
			t.Errorf("from %d other bytes are read", c.want)
		}
		if _, err := p.Read(c.want-1, 100, true); err == nil {
			t.Errorf("what lies below %d can be read", c.want)
		}
	}
	d.fill(40)
	if left := readAll(t, p, 1000); recordCount(t, left) != int(p.HighWatermark()-last) {
		t.Errorf("what came later cannot be read")
	}
}

// facts are all that can be asked of a partition.
type facts struct {
	start, hw int64
	epochs    []epochStart
	producers Producers
	records   []byte
	ends      []int64 // by index
}

func factsOf(t *testing.T, s *Set) map[Key]facts {
	t.Helper()
	all := map[Key]facts{}
	for _, p := range s.All() {
		f := facts{start: p.LogStart(), hw: p.HighWatermark(), epochs: p.epochs, producers: p.Producers(), records: readAll(t, p, 700)}
		for index := range uint64(200) {
			f.ends = append(f.ends, max(f.start, p.EndAt(index)))
		}
		all[p.key] = f
	}
	return all
}

// same fails unless a set shows the facts.
func same(t *testing.T, s *Set, want map[Key]facts) {
	t.Helper()
	got := factsOf(t, s)
	for k, w := range want {
		g := got[k]
		if g.start != w.start || g.hw != w.hw || !slices.Equal(g.epochs, w.epochs) || !reflect.DeepEqual(g.producers, w.producers) {
			t.Errorf("%s: offsets %d to %d, epochs %v; want %d to %d, %v; or producers differ", k, g.start, g.hw, g.epochs, w.start, w.hw, w.epochs)
		}
		if !bytes.Equal(g.records, w.records) {
			t.Errorf("%s: records differ", k)
		}
		if !slices.Equal(g.ends, w.ends) {
			t.Errorf("%s: ends by index differ:\n%v\n%v", k, g.ends, w.ends)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d partitions, want %d", len(got), len(want))
	}
}

func TestRestoreEqualsTheOriginal(t *testing.T) {
	damage := func(name string) func(d *diskLog, seg uint64) error {
		return func(d *diskLog, seg uint64) error {
			switch name {
			case "damaged":
				data, err := d.ReadSidecar(seg, sidecarName, 0, -1)
				if err != nil {
					return err
				}
				data[len(data)/2] ^= 1
				return d.WriteSidecar(seg, sidecarName, data)
			case "empty":
				return d.WriteSidecar(seg, sidecarName, nil)
			}
			return nil
		}
	}
	for _, c := range []struct {
		name   string
		which  func(i, n int) bool // of the sealed segments
		damage func(d *diskLog, seg uint64) error
		lacks  bool // sidecars cannot be written while restoring
	}{
		{"all indexes there", func(int, int) bool { return false }, damage(""), false},
		{"first damaged", func(i, n int) bool { return i == 0 }, damage("damaged"), false},
		{"middle damaged", func(i, n int) bool { return i == n/2 }, damage("damaged"), false},
		{"last damaged", func(i, n int) bool { return i == n-1 }, damage("damaged"), false},
		{"every other empty", func(i, n int) bool { return i%2 == 1 }, damage("empty"), false},
		{"all empty", func(int, int) bool { return true }, damage("empty"), false},
		{"middle damaged, disk full", func(i, n int) bool { return i == n/2 }, damage("damaged"), true},
		{"all empty, disk full", func(int, int) bool { return true }, damage("empty"), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := openLog(t)
			d.fill(30)
			d.applyIn(1, 9, 1, part{keyA, batches(batch(d.set.Partition(keyA).HighWatermark(), 4, 0))}) // refused
			d.fill(30)
			d.set.AdvanceLogStart(keyA, 32)
			want := factsOf(t, d.set)
			sealed := d.ranges()
			sealed = sealed[:len(sealed)-1]
			for i, seg := range sealed {
				if c.which(i, len(sealed)) {
					if err := c.damage(d, seg.ID); err != nil {
						t.Fatal(err)
					}
				}
			}
			d.lacks = c.lacks
			again := NewSet(d)
			if err := again.Restore(d.set.Snapshot()); err != nil {
				t.Fatal(err)
			}
			if err := again.Reindex(d.ranges(), d.next-1, d.replay); err != nil {
				t.Fatal(err)
			}
			same(t, again, want)

			// It goes on as the original would, and can be restored once more.
			d.set = again
			d.fill(40)
			want = factsOf(t, d.set)
			third := NewSet(d)
			if err := errors.Join(third.Restore(again.Snapshot()), third.Reindex(d.ranges(), d.next-1, d.replay)); err != nil {
				t.Fatal(err)
			}
			same(t, third, want)
		})
	}
}

func TestRestoreOfAnOlderState(t *testing.T) {
	d := openLog(t)
	d.fill(35)
	old, at := d.set.Snapshot(), d.next-1
	want := readAll(t, d.set.Partition(keyA), 1000)
	d.fill(30)
	again := NewSet(d)
	if err := errors.Join(again.Restore(old), again.Reindex(d.ranges(), at, d.replay)); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, again.Partition(keyA), 1000); !bytes.Equal(got, want) {
		t.Error("records differ from those at the snapshot")
	}
	if err := d.replay(at+1, d.next-1, func(index, term uint64, payload []byte) error {
		_, err := again.Apply(index, term, bytes.Clone(payload))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	same(t, again, factsOf(t, d.set))
}

func TestRestoreFailsWithoutTheRecords(t *testing.T) {
	d := openLog(t)
	d.fill(60)
	state, all := d.set.Snapshot(), d.ranges()
	for name, segments := range map[string][]SegmentRange{
		"the first missing":  all[1:],
		"the middle missing": append(append([]SegmentRange{}, all[:2]...), all[3:]...),
		"the last missing":   all[:len(all)-1],
		"all missing":        nil,
	} {
		again := NewSet(d)
		if err := again.Restore(state); err != nil {
			t.Fatal(err)
		}
		if err := again.Reindex(segments, d.next-1, d.replay); err == nil || !strings.Contains(err.Error(), "missing") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRestoreKeepsIdentity(t *testing.T) {
	d := openLog(t)
	d.fill(4)
	p, unasked := d.set.Partition(keyA), d.set.Partition(Key{Partition: 5})
	w := NewWatcher()
	p.Watch(w)
	if err := errors.Join(d.set.Restore(d.set.Snapshot()), d.set.Reindex(d.ranges(), d.next-1, d.replay)); err != nil {
		t.Fatal(err)
	}
	d.set.Flush()
	if d.set.Partition(keyA) != p || d.set.Partition(Key{Partition: 5}) != unasked {
		t.Error("partitions were made anew")
	}
	d.fill(1)
	d.set.Flush()
	select {
	case <-w.C():
	default:
		t.Error("the watcher was not woken")
	}
	if err := d.set.Restore(nil); err != nil || d.set.Existing(keyA) != nil && d.set.Existing(keyA).HighWatermark() != 0 {
		t.Errorf("restoring nothing left something: %v", err)
	}
}

// TestReadWhileRestoring: the offsets are those of the snapshot already, the
// records are not there yet. That must not look like an empty partition.
func TestReadWhileRestoring(t *testing.T) {
	d := openLog(t)
	d.fill(10)
	p := d.set.Partition(keyA)
	if err := d.set.Restore(d.set.Snapshot()); err != nil {
		t.Fatal(err)
	}
	if data, err := p.Read(0, 100, true); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("read %d bytes, %v", len(data), err)
	}
	if b, err := p.OffsetForTimestamp(0); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("found %v, %v", b, err)
	}
	if err := d.set.Reindex(d.ranges(), d.next-1, d.replay); err != nil {
		t.Fatal(err)
	}
	if n := recordCount(t, readAll(t, p, 100)); n != 50 {
		t.Errorf("%d records", n)
	}
}

func TestDrop(t *testing.T) {
	d := openLog(t)
	d.fill(30)
	d.set.Drop(keyA)
	if d.set.Existing(keyA) != nil {
		t.Error("still there")
	}
	again := NewSet(d)
	if err := errors.Join(again.Restore(d.set.Snapshot()), again.Reindex(d.ranges(), d.next-1, d.replay)); err != nil {
		t.Fatal(err)
	}
	same(t, again, factsOf(t, d.set))
}

func TestFirstNeeded(t *testing.T) {
	d := openLog(t)
	if _, ok := d.set.FirstNeeded(); ok {
		t.Error("an empty set needs something")
	}
	d.fill(60)
	if first, ok := d.set.FirstNeeded(); !ok || first != 1 {
		t.Errorf("all: %d %v", first, ok)
	}
	d.set.AdvanceLogStart(keyA, 150)
	d.set.AdvanceLogStart(keyB, 1<<40)
	first, ok := d.set.FirstNeeded()
	if !ok || first < 2 || first > 31 { // the offset 150 is in entry 31
		t.Errorf("from 150: %d %v", first, ok)
	}
	if end := d.set.Partition(keyA).EndAt(first - 1); end > 150 {
		t.Errorf("before entry %d lie offsets up to %d", first, end)
	}
	d.set.AdvanceLogStart(keyA, 1<<40)
	if first, ok := d.set.FirstNeeded(); ok {
		t.Errorf("nothing: %d", first)
	}
}

// TestDropped: what is appended to a dropped partition is refused, also after a
// restart, as its offsets would begin again at 0.
func TestDropped(t *testing.T) {
	d := openLog(t)
	d.apply(1, part{keyA, batches(batch(0, 5, 0))})
	d.set.Drop(keyA)
	late := part{keyA, batches(batch(0, 2, 0))}
	if got := d.apply(2, late); got.Refused != 1 || d.set.Partition(keyA).HighWatermark() != 0 {
		t.Errorf("after the drop: %+v", got)
	}
	state := d.set.Snapshot()
	d.set = NewSet(d)
	if err := d.set.Restore(state); err != nil {
		t.Fatal(err)
	}
	if err := d.set.Reindex(d.ranges(), 2, d.replay); err != nil {
		t.Fatal(err)
	}
	if got := d.apply(3, late); got.Refused != 1 {
		t.Errorf("after a restart: %+v", got)
	}
}
