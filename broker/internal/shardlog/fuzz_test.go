package shardlog

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

func FuzzDecodeFrame(f *testing.F) {
	h := frameHeader{kind: kindEntry, index: 7, term: 2, dataLen: 3, commit: 6, durable: 5, appendedAt: 1}
	f.Add(appendHeader(nil, &h, 1), uint64(1))
	f.Add(make([]byte, frameLen), uint64(0))
	f.Fuzz(func(t *testing.T, p []byte, salt uint64) {
		if len(p) < frameLen {
			return
		}
		h, ok := decodeFrame(p, salt)
		if !ok {
			return
		}
		again := appendHeader(nil, &h, salt)
		if string(again) != string(p[:frameLen]) {
			t.Fatalf("%+v was read from % x and written as % x", h, p[:frameLen], again)
		}
	})
}

// FuzzOpen overwrites bytes in a log's files, as a disk might. Whatever Open and
// the readers make of it, they must not panic, nor return an entry that was never
// stored.
func FuzzOpen(f *testing.F) {
	f.Add(uint8(0), uint32(0), []byte("x"), true)
	f.Add(uint8(1), uint32(4096-trailerLen), make([]byte, 64), false)
	f.Add(uint8(2), uint32(frameAt(1)), make([]byte, 600), true)
	f.Fuzz(func(t *testing.T, file uint8, off uint32, p []byte, sync bool) {
		mem := vfs.NewMem()
		o := testOptions(mem)
		o.Sync, o.sealInline = sync, true
		l := mustOpen(t, o)
		for i := uint64(1); i <= 15; i += 3 {
			store(t, l, entries(i, i+2, 1, 500)...)
			l.NoteCommitted(i)
		}
		l.Close()
		names := []string{seg1, seg2, seg3, "commit", "stable"}
		g, err := mem.Open(filepath.Join(testDir, names[int(file)%len(names)]))
		if err != nil {
			t.Fatal(err)
		}
		g.WriteAt(p, int64(off%5000))
		l, err = Open(o)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("open: %v", err)
			}
			return
		}
		defer l.Close()
		first, _ := l.FirstIndex()
		last, _ := l.LastIndex()
		for i := first; i <= last && i > 0; i++ {
			var e raft.Log
			if err := l.GetLog(i, &e); err == nil {
				if err := sameEntry(&e, entry(i, 1, 500)); err != nil {
					t.Fatal(err)
				}
			} else if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			l.ReadPayload(i, 0, 10)
		}
		if err := l.StoreLog(entry(last+1, 2, 10)); err != nil {
			t.Fatal(err)
		}
	})
}
