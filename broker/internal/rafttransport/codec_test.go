package rafttransport

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/checksum"
)

func joined(frame []byte, tail []chunk) []byte {
	body := bytes.Clone(frame[headerLen:])
	for _, t := range tail {
		body = append(body, t.bytes...)
	}
	return body
}

var rpcHeader = raft.RPCHeader{ProtocolVersion: 3, ID: []byte("2"), Addr: []byte("2")}

var appendRequests = map[string]*raft.AppendEntriesRequest{
	"zero":      {},
	"heartbeat": {RPCHeader: rpcHeader, Term: 7},
	"commit":    {RPCHeader: rpcHeader, Term: 7, PrevLogEntry: 1 << 40, PrevLogTerm: 6, LeaderCommitIndex: 1 << 40},
	"entries": {RPCHeader: rpcHeader, Term: 7, PrevLogEntry: 41, PrevLogTerm: 5, LeaderCommitIndex: 40, Entries: []*raft.Log{
		{Index: 42, Term: 6, Type: raft.LogCommand, Data: []byte("blob"), AppendedAt: time.Unix(1700000000, 123456789)},
		{Index: 43, Term: 6, Type: raft.LogNoop},
		{Index: 44, Term: 7, Type: raft.LogConfiguration, Data: bytes.Repeat([]byte{0}, 300), Extensions: []byte("ext")},
		{Index: 45, Term: 7, Type: raft.LogBarrier, Extensions: []byte{0}},
	}},
	"first entry": {Term: 1, Entries: []*raft.Log{{Index: 1, Term: 1, Data: []byte{1}}}},
}

func TestAppendEntriesRoundTrip(t *testing.T) {
	for name, want := range appendRequests {
		t.Run(name, func(t *testing.T) {
			frame, tail := encodeAppend(want, want.Entries)
			got, err := decodeAppend(joined(frame, tail))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestAppendEntriesSharesItsBytes(t *testing.T) {
	req := appendRequests["entries"]
	frame, tail := encodeAppend(req, req.Entries)
	if &tail[0].bytes[0] != &req.Entries[0].Data[0] {
		t.Error("an entry's data was copied on the way out")
	}
	body := joined(frame, tail)
	got, err := decodeAppend(body)
	if err != nil {
		t.Fatal(err)
	}
	data := got.Entries[0].Data
	if i := bytes.Index(body, []byte("blob")); &data[0] != &body[i] {
		t.Error("an entry's data was copied on the way in")
	}
	if cap(data) != len(data) {
		t.Error("an append to an entry's data would reach the next entry's")
	}
}

func TestAppendEntriesRefusesNonsense(t *testing.T) {
	req := appendRequests["entries"]
	whole := joined(encodeAppend(req, req.Entries))
	for n := range whole {
		if _, err := decodeAppend(whole[:n]); !errors.Is(err, errMalformed) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	if _, err := decodeAppend(append(bytes.Clone(whole), 0)); !errors.Is(err, errMalformed) {
		t.Errorf("a byte too many: %v", err)
	}
	gap := *req
	gap.PrevLogEntry--
	if _, err := decodeAppend(joined(encodeAppend(&gap, gap.Entries))); !errors.Is(err, errMalformed) {
		t.Errorf("a gap between the entries: %v", err)
	}
	many := joined(encodeAppend(appendRequests["zero"], nil))
	copy(many[len(many)-4:], []byte{0xff, 0xff, 0xff, 0xff})
	if n := testing.AllocsPerRun(10, func() { _, _ = decodeAppend(many) }); n > 20 {
		t.Errorf("%v allocations for a count that cannot be", n)
	}
}

func TestResponsesRoundTrip(t *testing.T) {
	for _, want := range []any{
		&raft.AppendEntriesResponse{RPCHeader: rpcHeader, Term: 9, LastLog: 8, Success: true},
		&raft.AppendEntriesResponse{RPCHeader: rpcHeader, Term: 9, LastLog: 8, NoRetryBackoff: true},
		&raft.RequestVoteResponse{RPCHeader: rpcHeader, Term: 9, Peers: []byte("p"), Granted: true},
		&raft.RequestPreVoteResponse{RPCHeader: rpcHeader, Term: 9, Granted: true},
		&raft.TimeoutNowResponse{RPCHeader: rpcHeader},
		&raft.InstallSnapshotResponse{Term: 9, Success: true},
	} {
		t.Run(fmt.Sprintf("%T", want), func(t *testing.T) {
			b, err := encodeResponse(nil, want)
			if err != nil {
				t.Fatal(err)
			}
			got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
			if err := decodeResponse(b, got); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v (%v), want %+v", got, err, want)
			}
			for n := range b {
				if err := decodeResponse(b[:n], got); !errors.Is(err, errMalformed) {
					t.Fatalf("%d of %d bytes: %v", n, len(b), err)
				}
			}
		})
	}
	if _, err := encodeResponse(nil, nil); err == nil {
		t.Error("no response was encoded without an error")
	}
}

func TestRareRequestsRoundTrip(t *testing.T) {
	vote := &raft.RequestVoteRequest{RPCHeader: rpcHeader, Term: 3, LastLogIndex: 2, LastLogTerm: 1, LeadershipTransfer: true}
	if got, err := decodeVote(encodeVote(vote)[headerLen:]); err != nil || !reflect.DeepEqual(got, vote) {
		t.Errorf("vote: got %+v (%v), want %+v", got, err, vote)
	}
	pre := &raft.RequestPreVoteRequest{RPCHeader: rpcHeader, Term: 3, LastLogIndex: 2, LastLogTerm: 1}
	if got, err := decodePreVote(encodePreVote(pre)[headerLen:]); err != nil || !reflect.DeepEqual(got, pre) {
		t.Errorf("pre-vote: got %+v (%v), want %+v", got, err, pre)
	}
	now := &raft.TimeoutNowRequest{RPCHeader: rpcHeader}
	if got, err := decodeTimeoutNow(encodeTimeoutNow(now)[headerLen:]); err != nil || !reflect.DeepEqual(got, now) {
		t.Errorf("timeout now: got %+v (%v), want %+v", got, err, now)
	}
	snap := &raft.InstallSnapshotRequest{RPCHeader: rpcHeader, SnapshotVersion: 1, Term: 4, Leader: []byte("2"), LastLogIndex: 3, LastLogTerm: 2,
		Peers: []byte("p"), Configuration: []byte("c"), ConfigurationIndex: 1, Size: 1 << 40}
	if got, err := decodeSnapshot(encodeSnapshot(snap)[headerLen:]); err != nil || !reflect.DeepEqual(got, snap) {
		t.Errorf("snapshot: got %+v (%v), want %+v", got, err, snap)
	}
	snap.Size = -1
	if _, err := decodeSnapshot(encodeSnapshot(snap)[headerLen:]); !errors.Is(err, errMalformed) {
		t.Errorf("a snapshot of -1 bytes: %v", err)
	}
}

func TestSplit(t *testing.T) {
	const big = maxAppendPart/2 + 1
	for _, tt := range []struct {
		name  string
		sizes []int
		want  []int // entries in each part
	}{
		{"none", nil, []int{0}},
		{"small", []int{10, 20, 30}, []int{3}},
		{"two that do not fit", []int{big, big}, []int{1, 1}},
		{"a huge one alone", []int{10, 5 * maxAppendPart, 10, 20}, []int{1, 1, 2}},
		{"huge first", []int{5 * maxAppendPart, 10}, []int{1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := &raft.AppendEntriesRequest{PrevLogEntry: 99, PrevLogTerm: 1}
			for i, size := range tt.sizes {
				req.Entries = append(req.Entries, &raft.Log{Index: uint64(100 + i), Term: uint64(i + 2), Data: make([]byte, size)})
			}
			var got []int
			index, term := req.PrevLogEntry, req.PrevLogTerm
			for _, p := range split(req) {
				got = append(got, len(p.entries))
				if p.prevIndex != index || p.prevTerm != term {
					t.Errorf("part %d follows (%d, %d), want (%d, %d)", len(got), p.prevIndex, p.prevTerm, index, term)
				}
				for _, e := range p.entries {
					if e.Index != index+1 {
						t.Errorf("entry %d after %d", e.Index, index)
					}
					index, term = e.Index, e.Term
				}
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("parts of %v entries, want %v", got, tt.want)
			}
		})
	}
}

func TestHeader(t *testing.T) {
	frame := append(newFrame(5), "hello"...)
	tail := []chunk{{bytes: []byte(" ")}, {[]byte("world"), checksum.Of([]byte("world")), true}}
	n := seal(frame, header{typ: typeAppend, flags: flagError, shard: 77, id: 1 << 50}, tail)
	h, err := parseHeader(frame[:headerLen])
	if err != nil || n != headerLen+11 || h.length != 11 || h.typ != typeAppend || h.flags != flagError || h.shard != 77 || h.id != 1<<50 {
		t.Fatalf("%+v of %d bytes, %v", h, n, err)
	}
	if err := checkBody(h, []byte("hello world")); err != nil {
		t.Error(err)
	}
	if err := checkBody(h, []byte("hello World")); !errors.Is(err, errMalformed) {
		t.Errorf("a changed body: %v", err)
	}
	for i := range headerLen {
		bad := bytes.Clone(frame[:headerLen])
		bad[i] ^= 0x10
		if _, err := parseHeader(bad); !errors.Is(err, errMalformed) {
			t.Errorf("a changed byte %d: %v", i, err)
		}
	}
	for _, tt := range []struct {
		typ  frameType
		size int
		ok   bool
	}{
		{0, 0, false}, {numTypes, 0, false}, {typePing, 0, true}, {typeVote, smallFrame, true}, {typeVote, smallFrame + 1, false},
		{typeAppend, MaxFrame, true}, {typeAppend, MaxFrame + 1, false}, {typeAppend | responseBit, MaxFrame, false},
		{typeSnapshotChunk, snapshotChunk, true}, {typeSnapshotChunk, snapshotChunk + 1, false}, {typeCall | responseBit, MaxFrame, true},
	} {
		b := make([]byte, headerLen+tt.size)
		seal(b, header{typ: tt.typ}, nil)
		if _, err := parseHeader(b[:headerLen]); (err == nil) != tt.ok {
			t.Errorf("type %d with %d bytes: %v", tt.typ, tt.size, err)
		}
	}
}

func TestHello(t *testing.T) {
	want := hello{version: 3, lane: bulk, status: helloUnknown, sender: 7, receiver: -2}
	raw := want.encode()
	if got, err := decodeHello(raw); err != nil || got != want {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 4
		if _, err := decodeHello(bad); !errors.Is(err, errMalformed) {
			t.Errorf("a changed byte %d: %v", i, err)
		}
	}
	if _, err := decodeHello(hello{lane: numLanes}.encode()); !errors.Is(err, errMalformed) {
		t.Errorf("an unknown lane: %v", err)
	}
}

func TestCut(t *testing.T) {
	for max := 1; max < 12; max++ {
		var got []byte
		for rest := [][]byte{[]byte("abc"), []byte("d"), {}, []byte("efghij")}; len(rest) > 0; {
			head, tail := cut(rest, max)
			part := bytes.Join(head, nil)
			if len(part) == 0 || len(part) > max {
				t.Fatalf("cut after %d gave %q", max, part)
			}
			got, rest = append(got, part...), tail
		}
		if string(got) != "abcdefghij" {
			t.Errorf("cut after %d gave %q", max, got)
		}
	}
}
