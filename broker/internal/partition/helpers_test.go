package partition

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"testing"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/recordbatch"
	"lockstep/broker/internal/shardlog"
)

var (
	keyA = Key{Topic: TopicID{1}, Partition: 0}
	keyB = Key{Topic: TopicID{2}, Partition: 7}
)

// batch is one of n records with the given timestamps' base, at offset.
func batch(offset int64, n int, ts int64) recordbatch.Batch {
	records := make([]recordbatch.Record, n)
	for i := range records {
		records[i] = recordbatch.Record{Timestamp: ts + int64(i), Value: fmt.Appendf(nil, "record %d", offset+int64(i))}
	}
	b := recordbatch.Make(records...)
	b.SetBaseOffset(offset)
	return b
}

func idempotent(offset int64, n int, id int64, epoch int16, sequence int32) recordbatch.Batch {
	b := batch(offset, n, 1000)
	b.SetProducer(id, epoch, sequence)
	return b
}

// part is one run to be.
type part struct {
	key     Key
	batches []recordbatch.Batch
}

func blobOf(epoch int32, clock int64, parts ...part) []byte {
	out := AppendBlobHeader(nil, epoch, clock)
	for _, p := range parts {
		joined := bytes.Join(asBytes(p.batches), nil)
		out = append(AppendRunHeader(out, p.key, len(joined)), joined...)
	}
	return out
}

func asBytes(batches []recordbatch.Batch) [][]byte {
	out := make([][]byte, len(batches))
	for i, b := range batches {
		out[i] = b
	}
	return out
}

// diskLog is a shard's log on a disk, with the sidecars of this package, and a
// set that has applied what is in it.
type diskLog struct {
	t *testing.T
	*shardlog.Log
	set   *Set
	next  uint64 // index
	lacks bool   // sidecars cannot be written
}

// openLog opens a log with segments as small as they come.
func openLog(t *testing.T) *diskLog {
	t.Helper()
	l, err := shardlog.Open(shardlog.Options{Dir: t.TempDir(), SegmentBytes: 4 << 10, CacheBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	d := &diskLog{t: t, Log: l, next: 1}
	d.set = NewSet(d)
	return d
}

// WriteSidecar implements Log.
func (d *diskLog) WriteSidecar(segment uint64, name string, data []byte) error {
	if d.lacks {
		return fs.ErrPermission
	}
	return d.Log.WriteSidecar(segment, name, data)
}

// apply stores an entry of term 1 and applies it.
func (d *diskLog) apply(clock int64, parts ...part) Applied {
	d.t.Helper()
	return d.applyIn(1, 1, clock, parts...)
}

// applyIn stores an entry of one term that was stamped for another.
func (d *diskLog) applyIn(term uint64, stamped int32, clock int64, parts ...part) Applied {
	d.t.Helper()
	payload := blobOf(stamped, clock, parts...)
	if err := d.StoreLog(&raft.Log{Index: d.next, Term: term, Type: raft.LogCommand, Data: payload}); err != nil {
		d.t.Fatal(err)
	}
	done, err := d.set.Apply(d.next, term, payload)
	if err != nil {
		d.t.Fatal(err)
	}
	d.next++
	return done
}

// fill applies n entries with two batches of A and, in every third, one of B.
func (d *diskLog) fill(n int) {
	d.t.Helper()
	for range n {
		a := d.set.Partition(keyA).HighWatermark()
		parts := []part{{keyA, []recordbatch.Batch{batch(a, 3, 1000+a*10), batch(a+3, 2, 1000+(a+3)*10)}}}
		if d.next%3 == 0 {
			b := d.set.Partition(keyB).HighWatermark()
			parts = append(parts, part{keyB, []recordbatch.Batch{idempotent(b, 1, 77, 0, int32(b))}})
		}
		d.apply(1000, parts...)
	}
}

// ranges are the segments, for Reindex.
func (d *diskLog) ranges() []SegmentRange {
	var out []SegmentRange
	for _, s := range d.Segments() {
		out = append(out, SegmentRange{ID: s.ID, First: s.First, Last: s.Last, Sealed: s.Sealed})
	}
	return out
}

func (d *diskLog) replay(from, to uint64, fn func(index, term uint64, payload []byte) error) error {
	return d.Replay(from, to, func(e *raft.Log) error { return fn(e.Index, e.Term, e.Data) })
}

// readAll reads k from its log start to its end in portions of limit bytes.
func readAll(t *testing.T, p *Partition, limit int) []byte {
	t.Helper()
	var all []byte
	for offset := p.LogStart(); offset < p.HighWatermark(); {
		data, err := p.Read(offset, limit, true)
		if err != nil {
			t.Fatalf("read at %d: %v", offset, err)
		}
		if len(data) == 0 {
			t.Fatalf("nothing at %d, below the high watermark %d", offset, p.HighWatermark())
		}
		for rest := data; len(rest) > 0; {
			b, after, err := recordbatch.Next(rest)
			if err != nil {
				t.Fatalf("read at %d: %v", offset, err)
			}
			if b.BaseOffset() > offset || b.NextOffset() <= offset {
				t.Fatalf("batch of offsets %d to %d read for %d", b.BaseOffset(), b.LastOffset(), offset)
			}
			offset, rest = b.NextOffset(), after
		}
		all = append(all, data...)
	}
	return all
}

// mendSum makes the checksum of an index right again.
func mendSum(data []byte) {
	body := data[:len(data)-4]
	binary.BigEndian.PutUint32(data[len(body):], crc32.Checksum(body, castagnoli))
}
