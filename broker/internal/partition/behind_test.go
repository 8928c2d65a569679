package partition

import "testing"

// TestAbove compares with what is read: at each index, the batches from the
// end that a replica with that index has.
func TestAbove(t *testing.T) {
	d := openLog(t)
	d.fill(60)
	for _, k := range []Key{keyA, keyB} {
		p := d.set.Partition(k)
		if len(p.sealed) < 3 {
			t.Fatalf("%d sealed segments: the test does not test", len(p.sealed))
		}
		for index := range uint64(64) {
			wantRecords, wantBytes := int64(0), int64(0)
			if end := p.EndAt(index); end < p.HighWatermark() {
				data, err := p.Read(end, 1<<20, true)
				if err != nil {
					t.Fatal(err)
				}
				wantRecords, wantBytes = int64(recordCount(t, data)), int64(len(data))
			}
			if records, bytes := p.Above(index); records != wantRecords || bytes != wantBytes {
				t.Errorf("%s above %d: %d records, %d bytes; want %d, %d", k, index, records, bytes, wantRecords, wantBytes)
			}
		}
		if records, bytes := p.Above(0); records != p.HighWatermark() || bytes != int64(len(readAll(t, p, 1<<20))) {
			t.Errorf("%s above 0: %d records, %d bytes", k, records, bytes)
		}
	}
}
