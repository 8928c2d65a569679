package shardlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
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
			l.AppendPayload(nil, i, 0, 10)
		}
		if err := l.StoreLog(entry(last+1, 2, 10)); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzInstall overwrites bytes in what a leader sends after the stream's header;
// with fix the checksum of the first part's header is made right again, so that its
// values are believed.
func FuzzInstall(f *testing.F) {
	f.Add(uint32(16), []byte{9}, true)
	f.Add(uint32(len(snapState(20))+32), []byte{1, 2, 3}, true)
	f.Add(uint32(len(snapState(20))+partHeaderLen), []byte("x"), false)
	good := smallStream(f)
	f.Fuzz(func(t *testing.T, off uint32, patch []byte, fix bool) {
		p := bytes.Clone(good)
		copy(p[min(int(off), len(p)-streamHeaderLen)+streamHeaderLen:], patch)
		if fix {
			if at := streamHeaderLen + len(snapState(20)); at+partHeaderLen <= len(p) {
				fixCRC(p[at:at+partHeaderLen], 44)
			}
		}
		o := testOptions(vfs.NewMem())
		o.sealInline = true
		l := mustOpen(t, o)
		s := mustSnapshots(t, l)
		k, err := s.Create(1, 20, 1, testServers, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = k.Write(p); err == nil {
			err = k.Close()
		} else {
			k.Cancel()
		}
		last, _ := l.LastIndex()
		if err != nil && last != 0 {
			t.Fatalf("installed entries up to %d with %v", last, err)
		}
		for i := uint64(1); i <= last; i++ {
			var e raft.Log
			if err := l.GetLog(i, &e); err != nil {
				t.Fatal(err)
			}
			if err := sameEntry(&e, entry(i, 1, 300)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func smallStream(t testing.TB) []byte {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	store(t, l, entries(1, 25, 1, 300)...)
	s := mustSnapshots(t, l)
	if err := persist(s, 20, 1); err != nil {
		t.Fatal(err)
	}
	_, rc, err := s.Open(s.snaps[0].meta.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	p, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func fixCRC(p []byte, at int) {
	binary.LittleEndian.PutUint32(p[at:], crc32.Checksum(p[:at], castagnoli))
}

// FuzzSnapshotFile overwrites bytes in a snapshot's file.
func FuzzSnapshotFile(f *testing.F) {
	f.Add(uint32(8), []byte{255, 255, 255, 255})
	f.Add(uint32(900), []byte("x"))
	f.Fuzz(func(t *testing.T, off uint32, patch []byte) {
		l := mustOpen(t, testOptions(vfs.NewMem()))
		store(t, l, entries(1, 5, 1, 300)...)
		s := mustSnapshots(t, l)
		if err := persist(s, 5, 1); err != nil {
			t.Fatal(err)
		}
		g, err := l.fs.Open(s.snaps[0].path)
		if err != nil {
			t.Fatal(err)
		}
		g.WriteAt(patch, int64(off%2000))
		s = mustSnapshots(t, l)
		list, _ := s.List()
		for _, m := range list {
			if state, err := readState(s, m.ID); err == nil && !bytes.Equal(state, snapState(5)) {
				t.Fatal("read another state than was written")
			}
		}
	})
}
