package shardlog

import (
	"strings"
	"testing"

	"lockstep/broker/internal/vfs"
)

func TestSpareIsPrepared(t *testing.T) {
	for _, sync := range []bool{true, false} {
		fsys := vfs.NewMem()
		o := testOptions(fsys)
		o.Sync = sync
		l := mustOpen(t, o)
		spares := func() (n int) {
			l.preparing.Wait()
			names, _ := fsys.ReadDir(testDir)
			for _, name := range names {
				if strings.HasSuffix(name, freeSuffix) {
					n++
				}
			}
			return n
		}
		store(t, l, entry(1, 1, 100))
		if n := spares(); n != 0 {
			t.Fatalf("sync %v: %d spares for one entry", sync, n)
		}
		store(t, l, entries(2, 5, 1, 500)...)
		want := 0
		if sync {
			want = 1
		}
		if n := spares(); n != want {
			t.Fatalf("sync %v: %d spares, want %d", sync, n, want)
		}
		store(t, l, entries(6, 9, 1, 500)...) // takes the spare
		l = reopen(t, l)
		for i := uint64(2); i <= 9; i++ {
			wantEntry(t, l, entry(i, 1, 500))
		}
		if n := spares(); n > 1 {
			t.Fatalf("%d spares: the first was not used", n)
		}
	}
}
