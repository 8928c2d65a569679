package rafttransport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// FuzzDecodeAppend: whatever decodes encodes to the same bytes again.
func FuzzDecodeAppend(f *testing.F) {
	for _, req := range appendRequests {
		f.Add(joined(encodeAppend(req, req.Entries)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		req, err := decodeAppend(b)
		if err != nil {
			if !errors.Is(err, errMalformed) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if again := joined(encodeAppend(req, req.Entries)); !bytes.Equal(again, b) {
			t.Errorf("decoded %x, encoded %x", b, again)
		}
	})
}

// FuzzDecodeRare feeds every other decoder.
func FuzzDecodeRare(f *testing.F) {
	f.Add(encodeVote(&raft.RequestVoteRequest{RPCHeader: rpcHeader})[headerLen:])
	f.Add(encodePreVote(&raft.RequestPreVoteRequest{RPCHeader: rpcHeader})[headerLen:])
	f.Add(encodeTimeoutNow(&raft.TimeoutNowRequest{RPCHeader: rpcHeader})[headerLen:])
	f.Add(encodeSnapshot(&raft.InstallSnapshotRequest{RPCHeader: rpcHeader, Configuration: []byte("c")})[headerLen:])
	f.Add(encodeAppendResponse(nil, &raft.AppendEntriesResponse{RPCHeader: rpcHeader}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := decodeVote(b); err == nil && !bytes.Equal(encodeVote(r)[headerLen:], b) {
			t.Errorf("vote %x", b)
		}
		if r, err := decodePreVote(b); err == nil && !bytes.Equal(encodePreVote(r)[headerLen:], b) {
			t.Errorf("pre-vote %x", b)
		}
		if r, err := decodeTimeoutNow(b); err == nil && !bytes.Equal(encodeTimeoutNow(r)[headerLen:], b) {
			t.Errorf("timeout now %x", b)
		}
		if r, err := decodeSnapshot(b); err == nil && !bytes.Equal(encodeSnapshot(r)[headerLen:], b) {
			t.Errorf("snapshot %x", b)
		}
		for _, r := range []any{&raft.AppendEntriesResponse{}, &raft.RequestVoteResponse{}, &raft.RequestPreVoteResponse{},
			&raft.TimeoutNowResponse{}, &raft.InstallSnapshotResponse{}} {
			if decodeResponse(b, r) != nil {
				continue
			}
			if again, err := encodeResponse(nil, r); err != nil || !bytes.Equal(again, b) {
				t.Errorf("%T %x, again %x (%v)", r, b, again, err)
			}
		}
		_, _ = decodeHello(b)
	})
}

// discard is a connection that reads from memory and forgets what is written.
type discard struct {
	net.Conn
	r io.Reader
}

func (d discard) Read(p []byte) (int, error)     { return d.r.Read(p) }
func (discard) Write(p []byte) (int, error)      { return len(p), nil }
func (discard) Close() error                     { return nil }
func (discard) SetWriteDeadline(time.Time) error { return nil }

// FuzzServer feeds a connection with frames whose checksums are right and
// whose contents are not: type, flags, shard, id and body are the fuzzer's. No
// input may panic, hang, or leave a goroutine behind.
func FuzzServer(f *testing.F) {
	f.Add(byte(typePing), byte(0), uint32(0), uint64(1), []byte{}, byte(2))
	f.Add(byte(typeCall), byte(0), uint32(0), uint64(1), make([]byte, 9), byte(3))
	f.Add(byte(typeSnapshot), byte(0), uint32(1), uint64(1), encodeSnapshot(&raft.InstallSnapshotRequest{Size: 5})[headerLen:], byte(1))
	f.Add(byte(typeAppend), byte(0), uint32(1), uint64(1), joined(encodeAppend(appendRequests["entries"], appendRequests["entries"].Entries)), byte(1))
	f.Add(byte(typeHeartbeat), byte(0), uint32(1), uint64(1), joined(encodeAppend(appendRequests["heartbeat"], nil)), byte(1))
	f.Fuzz(func(t *testing.T, typ, flags byte, shard uint32, id uint64, body []byte, times byte) {
		m := New(Config{LocalID: 1, Listener: listen(t), Peers: map[int32]string{2: ""}})
		defer m.Close()
		m.Handle(0, func(_ context.Context, _ int32, req []byte) ([]byte, error) { return req, nil })
		m.Shard(1)
		frame := append(newFrame(len(body)), body...)
		seal(frame, header{typ: frameType(typ), flags: flags, shard: shard, id: id}, nil)
		in := bytes.Repeat(frame, int(times))
		if len(in) > 0 {
			in = append(in, frame[:len(frame)/2]...) // and one that is cut off
		}
		s := newServer(context.Background(), m, m.peers[2], bulk, discard{r: bytes.NewReader(in)})
		s.run()
		if s.cause == nil {
			t.Error("the connection ended without a cause")
		}
	})
}

// FuzzClient does the same to the asking side, which has a request and a
// snapshot pending.
func FuzzClient(f *testing.F) {
	f.Add(byte(typePong), byte(0), uint64(0), make([]byte, 8), byte(2))
	f.Add(byte(typeAppend|responseBit), byte(0), uint64(1), encodeAppendResponse(nil, &raft.AppendEntriesResponse{Success: true}), byte(2))
	f.Add(byte(typeAppend|responseBit), flagError, uint64(1), []byte("no"), byte(1))
	f.Add(byte(typeSnapshotAck), byte(0), uint64(2), []byte{}, byte(9))
	f.Fuzz(func(t *testing.T, typ, flags byte, id uint64, body []byte, times byte) {
		m := New(Config{LocalID: 1, Listener: listen(t), Peers: map[int32]string{2: ""}})
		defer m.Close()
		frame := append(newFrame(len(body)), body...)
		seal(frame, header{typ: frameType(typ), flags: flags, id: id}, nil)
		cl := &client{pending: make(map[uint64]*call)}
		cl.wire.init(m, m.peers[2], bulk, discard{r: bytes.NewReader(bytes.Repeat(frame, int(times)))})
		calls, err := m.Shard(1).startAppend(cl, typeAppend, time.Second, &raft.AppendEntriesRequest{Term: 1})
		if err != nil {
			t.Fatal(err)
		}
		snap := newCall(0)
		snap.acks = make(chan struct{}, snapshotWindow)
		if err := cl.start(snap, typeSnapshot, 1, newFrame(0), nil); err != nil {
			t.Fatal(err)
		}
		if err := cl.readLoop(); err == nil {
			t.Error("the connection ended without a cause")
		}
		cl.failAll(ErrUnreachable)
		<-calls[0].done
		<-snap.done
	})
}
