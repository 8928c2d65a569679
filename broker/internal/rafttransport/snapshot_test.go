package rafttransport

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// restore plays a Raft that reads a snapshot and checks nothing.
func restore(sums chan<- [32]byte) func(any, io.Reader) (any, error) {
	return func(cmd any, r io.Reader) (any, error) {
		if _, ok := cmd.(*raft.InstallSnapshotRequest); !ok {
			return accept(nil, nil)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		sums <- sha256.Sum256(b)
		return &raft.InstallSnapshotResponse{Term: 1, Success: true}, nil
	}
}

func TestSnapshotStreams(t *testing.T) {
	a, b := pair(t, nil)
	id, addr := serverAddr(2)
	sums := make(chan [32]byte, 10)
	playRaft(t, b.Shard(1), restore(sums))
	for i, size := range []int{0, 1, snapshotChunk, snapshotChunk + 1, snapshotWindow*snapshotChunk + 5, 20_000_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			data := randomBytes(size)
			req := &raft.InstallSnapshotRequest{RPCHeader: rpcHeader, SnapshotVersion: 1, Term: 1, LastLogIndex: uint64(i + 10), Size: int64(size)}
			var resp raft.InstallSnapshotResponse
			// More than Size is not to be sent.
			if err := a.Shard(1).InstallSnapshot(id, addr, req, &resp, io.MultiReader(bytes.NewReader(data), strings.NewReader("and more"))); err != nil || !resp.Success {
				t.Fatalf("%+v, %v", resp, err)
			}
			if got := <-sums; got != sha256.Sum256(data) {
				t.Error("the snapshot arrived changed")
			}
			if match, _ := a.Shard(1).Follower(2); match != req.LastLogIndex {
				t.Errorf("match index %d, want %d", match, req.LastLogIndex)
			}
		})
	}
}

// TestSnapshotLetsOthersPass stops a snapshot's receiver in the middle.
func TestSnapshotLetsOthersPass(t *testing.T) {
	a, b := pair(t, nil)
	id, addr := serverAddr(2)
	reading, goOn := make(chan struct{}), make(chan struct{})
	playRaft(t, b.Shard(1), func(_ any, r io.Reader) (any, error) {
		_, _ = io.CopyN(io.Discard, r, snapshotChunk)
		close(reading)
		<-goOn
		_, err := io.Copy(io.Discard, r)
		return &raft.InstallSnapshotResponse{Term: 1, Success: true}, err
	})
	playRaft(t, b.Shard(2), accept)
	done := make(chan error, 1)
	size := 3 * snapshotWindow * snapshotChunk
	go func() {
		done <- a.Shard(1).InstallSnapshot(id, addr, &raft.InstallSnapshotRequest{Term: 1, Size: int64(size)}, new(raft.InstallSnapshotResponse), bytes.NewReader(make([]byte, size)))
	}()
	<-reading
	for i := range uint64(20) {
		if err := a.Shard(2).AppendEntries(id, addr, entriesAt(i, 1, 100_000), new(raft.AppendEntriesResponse)); err != nil {
			t.Fatal(err)
		}
	}
	if out := a.Stats()[0].Kinds[KindSnapshot].BytesOut; out > (snapshotWindow+2)*snapshotChunk {
		t.Errorf("%d bytes were sent to a receiver that had taken one chunk", out)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestSnapshotFailures(t *testing.T) {
	a, b := pair(t, func(c *Config) { c.SnapshotStall, c.SnapshotFinish = 200*time.Millisecond, 200*time.Millisecond })
	id, addr := serverAddr(2)
	const size = 5 * snapshotWindow * snapshotChunk
	hang := make(chan struct{})
	for _, tt := range []struct {
		name string
		data io.Reader
		raft func(any, io.Reader) (any, error)
		want string
	}{
		{"source ends early", bytes.NewReader(make([]byte, size-1)), restore(make(chan [32]byte, 1)), io.ErrUnexpectedEOF.Error()},
		{"refused at once", bytes.NewReader(make([]byte, size)), func(any, io.Reader) (any, error) { return nil, errors.New("not now") }, "not now"},
		{"refused in the middle", bytes.NewReader(make([]byte, size)), func(_ any, r io.Reader) (any, error) {
			_, _ = io.CopyN(io.Discard, r, size/2)
			return nil, errors.New("disk full")
		}, "disk full"},
		{"receiver hangs", bytes.NewReader(make([]byte, size)), func(any, io.Reader) (any, error) { <-hang; return nil, ErrClosed }, "did not answer in time"},
		{"restoring hangs", bytes.NewReader(make([]byte, size)), func(_ any, r io.Reader) (any, error) {
			_, _ = io.Copy(io.Discard, r)
			<-hang
			return nil, ErrClosed
		}, "waiting for it to be restored"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := b.Shard(1)
			ended := make(chan error, 1)
			playRaft(t, s, func(cmd any, r io.Reader) (any, error) {
				resp, err := tt.raft(cmd, r)
				_, rest := io.Copy(io.Discard, r) // as Raft does
				ended <- rest
				return resp, err
			})
			err := a.Shard(1).InstallSnapshot(id, addr, &raft.InstallSnapshotRequest{Term: 1, Size: size}, new(raft.InstallSnapshotResponse), tt.data)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(tt.name, "hangs") {
				hang <- struct{}{}
			}
			<-ended // the reader must not be left waiting for chunks
		})
	}
	if c := a.Stats()[0].Connects; c != 2 {
		t.Errorf("the connections did not survive: %d were made", c)
	}
	playRaft(t, b.Shard(1), restore(make(chan [32]byte, 1)))
	if err := a.Shard(1).InstallSnapshot(id, addr, &raft.InstallSnapshotRequest{Term: 1, Size: size}, new(raft.InstallSnapshotResponse), bytes.NewReader(make([]byte, size))); err != nil {
		t.Errorf("a snapshot after the failures: %v", err)
	}
}

// TestSnapshotWindowIsEnforced: a sender that ignores the window, or sends more
// than it said, is cut off.
func TestSnapshotWindowIsEnforced(t *testing.T) {
	for _, tt := range []struct {
		name   string
		size   int64
		chunks int
	}{
		{"too many chunks", 1 << 30, snapshotWindow + 1},
		{"too many bytes", snapshotChunk, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := New(Config{LocalID: 1, Listener: listen(t), Peers: map[int32]string{2: ""}})
			defer m.Close()
			m.Shard(1)
			stream := sealed(header{typ: typeSnapshot, shard: 1, id: 1}, encodeSnapshot(&raft.InstallSnapshotRequest{Size: tt.size})[headerLen:]...)
			for range tt.chunks {
				stream = append(stream, sealed(header{typ: typeSnapshotChunk, shard: 1, id: 1}, make([]byte, snapshotChunk)...)...)
			}
			s := newServer(t.Context(), m, m.peers[2], bulk, discard{r: bytes.NewReader(stream)})
			s.run()
			if !errors.Is(s.cause, errMalformed) {
				t.Errorf("ended with %v", s.cause)
			}
		})
	}
}
