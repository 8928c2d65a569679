package partition

import (
	"bytes"
	"fmt"
	"testing"
)

func FuzzBlob(f *testing.F) {
	f.Add(blobOf(1, 1, part{keyA, batches(batch(0, 2, 0), batch(2, 1, 0))}, part{keyB, batches(batch(0, 1, 0))}))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := parseBlob(data)
		if err != nil {
			return
		}
		total := BlobHeaderLen
		err = b.runs(func(_ Key, pos int, batches []byte) error {
			if !bytes.Equal(data[pos:pos+len(batches)], batches) {
				return fmt.Errorf("run at %d", pos)
			}
			total += RunHeaderLen + len(batches)
			if s, err := summarise(batches); err == nil {
				_, _ = clip(batches, s.first, 100, true)
			}
			return nil
		})
		if err == nil && total != len(data) {
			t.Errorf("runs cover %d of %d bytes", total, len(data))
		}
	})
}

func FuzzState(f *testing.F) {
	s := NewSet(nil)
	s.Partition(keyA).producers.Add(idempotent(0, 2, 1, 0, 0), 5)
	s.Partition(keyA).epochs = []epochStart{{1, 0}, {3, 9}}
	f.Add(s.Snapshot())
	f.Fuzz(func(t *testing.T, data []byte) {
		s := NewSet(nil)
		if s.Restore(data) != nil {
			return
		}
		again := NewSet(nil)
		if err := again.Restore(s.Snapshot()); err != nil {
			t.Error(err)
		}
	})
}

func FuzzIndex(f *testing.F) {
	s := NewSet(nil)
	s.Partition(keyA).runs = []run{{base: 0, index: 1, size: 9}, {base: 4, index: 2, size: 9}}
	data, _ := encodeIndex(finished{segment: 1, next: 3, parts: s.byKey})
	f.Add(data, true)
	f.Fuzz(func(t *testing.T, data []byte, mend bool) {
		if mend && len(data) >= 4 { // past the checksum
			data = bytes.Clone(data)
			mendSum(data)
		}
		refs, err := decodeIndex(1, data)
		if err != nil {
			return
		}
		for k, ref := range refs {
			if ref.position+uint64(ref.count)*runLen > uint64(len(data)-4) || ref.position < indexHeader {
				t.Errorf("runs of %s lie at %d of %d bytes", k, ref.position, len(data))
			}
		}
	})
}
