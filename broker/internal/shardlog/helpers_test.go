package shardlog

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

const testDir = "shard"

// seeded makes salts repeatable.
type seeded struct{ *rand.ChaCha8 }

func newSeeded(seed uint64) io.Reader {
	var s [32]byte
	s[0], s[1], s[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	return seeded{rand.NewChaCha8(s)}
}

func testOptions(fsys vfs.FS) Options {
	return Options{Dir: testDir, FS: fsys, SegmentBytes: 4 << 10, Sync: true, CacheBytes: 1, Rand: newSeeded(1)}
}

func mustOpen(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func reopen(t testing.TB, l *Log) *Log {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, l.opts)
}

// entry makes an entry whose data is size bytes that name it.
func entry(index, term uint64, size int) *raft.Log {
	unit := []byte(fmt.Sprintf("<%d.%d>", index, term))
	data := bytes.Repeat(unit, size/len(unit)+1)[:size]
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: data, AppendedAt: time.Unix(0, int64(index)*1e6+1)}
}

func entries(from, to, term uint64, size int) []*raft.Log {
	var out []*raft.Log
	for i := from; i <= to; i++ {
		out = append(out, entry(i, term, size))
	}
	return out
}

func store(t testing.TB, l *Log, logs ...*raft.Log) {
	t.Helper()
	if err := l.StoreLogs(logs); err != nil {
		t.Fatal(err)
	}
}

func wantBounds(t testing.TB, l *Log, first, last uint64) {
	t.Helper()
	f, _ := l.FirstIndex()
	n, _ := l.LastIndex()
	if f != first || n != last {
		t.Fatalf("log is %d to %d, want %d to %d", f, n, first, last)
	}
}

func wantEntry(t testing.TB, l *Log, want *raft.Log) {
	t.Helper()
	var got raft.Log
	if err := l.GetLog(want.Index, &got); err != nil {
		t.Fatalf("GetLog(%d): %v", want.Index, err)
	}
	if err := sameEntry(&got, want); err != nil {
		t.Fatal(err)
	}
}

func sameEntry(got, want *raft.Log) error {
	switch {
	case got.Index != want.Index || got.Term != want.Term || got.Type != want.Type:
		return fmt.Errorf("got entry %d of term %d type %v, want %d of %d type %v", got.Index, got.Term, got.Type, want.Index, want.Term, want.Type)
	case !bytes.Equal(got.Data, want.Data):
		return fmt.Errorf("entry %d: data differs: %d bytes, want %d", got.Index, len(got.Data), len(want.Data))
	case !bytes.Equal(got.Extensions, want.Extensions):
		return fmt.Errorf("entry %d: extensions differ", got.Index)
	case !got.AppendedAt.Equal(want.AppendedAt):
		return fmt.Errorf("entry %d: appended at %v, want %v", got.Index, got.AppendedAt, want.AppendedAt)
	}
	return nil
}
