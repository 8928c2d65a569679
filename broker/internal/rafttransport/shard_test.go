package rafttransport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// playRaft answers a shard's requests until the test ends.
func playRaft(t testing.TB, s *ShardTransport, answer func(cmd any, data io.Reader) (any, error)) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case rpc := <-s.Consumer():
				resp, err := answer(rpc.Command, rpc.Reader)
				rpc.Respond(resp, err)
			case <-s.closed:
				return
			}
		}
	}()
	t.Cleanup(func() { _ = s.Close(); <-done })
}

// entriesAt makes n entries of size bytes after index prev.
func entriesAt(prev uint64, n, size int) *raft.AppendEntriesRequest {
	req := &raft.AppendEntriesRequest{RPCHeader: rpcHeader, Term: 1, PrevLogEntry: prev, PrevLogTerm: 1}
	for i := range n {
		req.Entries = append(req.Entries, &raft.Log{Index: prev + uint64(i) + 1, Term: 1, Data: bytes.Repeat([]byte{byte(i)}, size)})
	}
	return req
}

func accept(any, io.Reader) (any, error) {
	return &raft.AppendEntriesResponse{RPCHeader: rpcHeader, Term: 1, Success: true}, nil
}

func TestRequestsReachRaft(t *testing.T) {
	a, b := pair(t, nil)
	id, addr := serverAddr(2)
	s := a.Shard(3)
	got := make(chan any, 1)
	answers := make(chan func() (any, error), 1)
	playRaft(t, b.Shard(3), func(cmd any, _ io.Reader) (any, error) { got <- cmd; return (<-answers)() })
	for _, tt := range []struct {
		req, resp any
		do        func(req any) (any, error)
	}{
		{appendRequests["entries"], &raft.AppendEntriesResponse{RPCHeader: rpcHeader, Term: 7, LastLog: 45, Success: true}, func(req any) (any, error) {
			var r raft.AppendEntriesResponse
			return &r, s.AppendEntries(id, addr, req.(*raft.AppendEntriesRequest), &r)
		}},
		// With no handler for them, heartbeats go the ordinary way.
		{appendRequests["heartbeat"], &raft.AppendEntriesResponse{RPCHeader: rpcHeader, Term: 7}, func(req any) (any, error) {
			var r raft.AppendEntriesResponse
			return &r, s.AppendEntries(id, addr, req.(*raft.AppendEntriesRequest), &r)
		}},
		{&raft.RequestVoteRequest{RPCHeader: rpcHeader, Term: 8, LeadershipTransfer: true}, &raft.RequestVoteResponse{Term: 8, Granted: true}, func(req any) (any, error) {
			var r raft.RequestVoteResponse
			return &r, s.RequestVote(id, addr, req.(*raft.RequestVoteRequest), &r)
		}},
		{&raft.RequestPreVoteRequest{RPCHeader: rpcHeader, Term: 8}, &raft.RequestPreVoteResponse{Term: 8, Granted: true}, func(req any) (any, error) {
			var r raft.RequestPreVoteResponse
			return &r, s.RequestPreVote(id, addr, req.(*raft.RequestPreVoteRequest), &r)
		}},
		{&raft.TimeoutNowRequest{RPCHeader: rpcHeader}, &raft.TimeoutNowResponse{RPCHeader: rpcHeader}, func(req any) (any, error) {
			var r raft.TimeoutNowResponse
			return &r, s.TimeoutNow(id, addr, req.(*raft.TimeoutNowRequest), &r)
		}},
	} {
		answers <- func() (any, error) { return tt.resp, nil }
		r, err := tt.do(tt.req)
		if err != nil || !reflect.DeepEqual(r, tt.resp) {
			t.Errorf("%T: answered %+v, %v; want %+v", tt.req, r, err, tt.resp)
		}
		if cmd := <-got; !reflect.DeepEqual(cmd, tt.req) {
			t.Errorf("Raft was given %+v, want %+v", cmd, tt.req)
		}
		answers <- func() (any, error) { return nil, errors.New("raft says no") }
		if _, err := tt.do(tt.req); !errors.Is(err, RemoteError("raft says no")) {
			t.Errorf("%T: error %v", tt.req, err)
		}
		<-got
	}
}

func TestClosedShardIsNotOpen(t *testing.T) {
	a, b := pair(t, nil)
	id, addr := serverAddr(2)
	var resp raft.RequestVoteResponse
	vote := func() error {
		return a.Shard(1).RequestVote(id, addr, &raft.RequestVoteRequest{Term: 1}, &resp)
	}
	var remote RemoteError
	if err := vote(); !errors.As(err, &remote) || !strings.Contains(err.Error(), "shard 1 is not open on node 2") {
		t.Errorf("before it is opened: %v", err)
	}
	first := b.Shard(1)
	if b.Shard(1) != first {
		t.Error("a shard's transport was made twice")
	}
	waiting := make(chan error, 1)
	go func() { waiting <- vote() }()
	<-first.Consumer() // and never answer
	_ = first.Close()
	if err := <-waiting; !errors.As(err, &remote) || !strings.Contains(err.Error(), "closed") {
		t.Errorf("while it was closed: %v", err)
	}
	if err := vote(); !errors.As(err, &remote) {
		t.Errorf("after it was closed: %v", err)
	}
	playRaft(t, b.Shard(1), func(any, io.Reader) (any, error) { return &raft.RequestVoteResponse{Granted: true}, nil })
	if err := vote(); err != nil || !resp.Granted {
		t.Errorf("after it was opened again: %v", err)
	}
}

// TestHeartbeatsPassBusyShard fills a shard whose Raft does nothing.
func TestHeartbeatsPassBusyShard(t *testing.T) {
	a, b := pair(t, func(c *Config) { c.AppendTimeout = 30 * time.Second })
	id, addr := serverAddr(2)
	busy := b.Shard(1)
	busy.SetHeartbeatHandler(func(rpc raft.RPC) {
		rpc.Respond(&raft.AppendEntriesResponse{Term: rpc.Command.(*raft.AppendEntriesRequest).Term, Success: true}, nil)
	})
	failed := make(chan error, 2*queueDepth)
	for range queueDepth + 1 { // one more than there is room for
		go func() {
			failed <- a.Shard(1).AppendEntries(id, addr, entriesAt(0, 1, 1000), &raft.AppendEntriesResponse{})
		}()
	}
	if err := <-failed; !errors.Is(err, RemoteError("shard 1: "+errBusy.Error())) {
		t.Errorf("one request too many: %v", err)
	}
	var resp raft.AppendEntriesResponse
	if err := a.Shard(1).AppendEntries(id, addr, &raft.AppendEntriesRequest{RPCHeader: rpcHeader, Term: 5}, &resp); err != nil || !resp.Success {
		t.Errorf("heartbeat: %+v, %v", resp, err)
	}
	if v := busy.Leader(); v.Node != 1 || v.Term != 5 || time.Since(v.LastContact) > 5*time.Second {
		t.Errorf("the leader as seen: %+v", v)
	}
	playRaft(t, b.Shard(2), accept)
	if err := a.Shard(2).AppendEntries(id, addr, entriesAt(0, 10, 100_000), &resp); err != nil {
		t.Errorf("another shard: %v", err)
	}
	// A Raft that has shut down leaves heartbeats unanswered.
	busy.SetHeartbeatHandler(func(raft.RPC) {})
	if err := a.Shard(1).AppendEntries(id, addr, &raft.AppendEntriesRequest{Term: 5}, &resp); !errors.Is(err, RemoteError(ErrClosed.Error())) {
		t.Errorf("heartbeat to a Raft that is down: %v", err)
	}
}

func TestStuckShardTimesOutAlone(t *testing.T) {
	a, b := pair(t, func(c *Config) { c.AppendTimeout, c.RequestTimeout = 150*time.Millisecond, 150*time.Millisecond })
	id, addr := serverAddr(2)
	b.Shard(1)
	if err := a.Shard(1).AppendEntries(id, addr, entriesAt(0, 1, 1000), &raft.AppendEntriesResponse{}); !errors.Is(err, ErrTimeout) {
		t.Errorf("AppendEntries: %v", err)
	}
	if err := a.Shard(1).RequestVote(id, addr, &raft.RequestVoteRequest{}, &raft.RequestVoteResponse{}); !errors.Is(err, ErrTimeout) {
		t.Errorf("RequestVote: %v", err)
	}
	if s := a.Stats()[0]; s.Connects != 2 || s.Timeouts != 2 {
		t.Errorf("%d connections, %d time-outs; want 2 and 2", s.Connects, s.Timeouts)
	}
}

// TestAppendWaitsForLink: an AppendEntries to a peer that is down leaves when it
// comes up, and Close ends the waiting; a heartbeat fails at once.
func TestAppendWaitsForLink(t *testing.T) {
	all, proxies := muxes(t, 2, func(c *Config) { c.LinkWait = time.Minute })
	p := proxies[[2]int32{1, 2}]
	p.hole()
	a, b := running(t, all[1]), running(t, all[2])
	playRaft(t, b.Shard(1), accept)
	id, addr := serverAddr(2)
	var resp raft.AppendEntriesResponse
	if err := a.Shard(1).AppendEntries(id, addr, &raft.AppendEntriesRequest{Term: 1}, &resp); !errors.Is(err, ErrUnreachable) {
		t.Errorf("heartbeat: %v", err)
	}
	if _, err := a.Shard(1).AppendEntriesPipeline(id, addr); !errors.Is(err, ErrUnreachable) {
		t.Errorf("pipeline: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Shard(1).AppendEntries(id, addr, entriesAt(0, 1, 10), &raft.AppendEntriesResponse{}) }()
	closing, s2 := make(chan error, 1), a.Shard(2)
	go func() {
		closing <- s2.AppendEntries(id, addr, entriesAt(0, 1, 10), &raft.AppendEntriesResponse{})
	}()
	_ = s2.Close()
	if err := <-closing; !errors.Is(err, ErrClosed) {
		t.Errorf("a shard closed while waiting: %v", err)
	}
	p.heal()
	if err := <-done; err != nil {
		t.Errorf("after healing: %v", err)
	}
}

func TestPipeline(t *testing.T) {
	a, b := pair(t, func(c *Config) { c.PipelineDepth, c.PipelineBytes = 16, 1<<20 })
	id, addr := serverAddr(2)
	pl, err := a.Shard(1).AppendEntriesPipeline(id, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer pl.Close()
	remote := b.Shard(1) // Raft is played by hand
	send := func(prev uint64, n, size int) raft.AppendFuture {
		t.Helper()
		f, err := pl.AppendEntries(entriesAt(prev, n, size), new(raft.AppendEntriesResponse))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	sent := make(chan raft.AppendFuture, 100)
	go func() {
		for i := range uint64(20) {
			f, err := pl.AppendEntries(entriesAt(i, 1, 10), new(raft.AppendEntriesResponse))
			if err != nil {
				t.Error(err)
			}
			sent <- f
		}
		close(sent)
	}()
	eventually(t, 5*time.Second, "16 requests are in flight", func() bool { return len(remote.waiting) >= 15 && len(sent) == 16 })
	if n := len(sent); n != 16 {
		t.Errorf("%d requests were sent without an answer, want 16", n)
	}
	for i := range uint64(20) {
		rpc := <-remote.Consumer()
		if prev := rpc.Command.(*raft.AppendEntriesRequest).PrevLogEntry; prev != i {
			t.Fatalf("request %d came as number %d", prev, i)
		}
		rpc.Respond(&raft.AppendEntriesResponse{Term: 1, LastLog: i + 1, Success: true}, nil)
		f := <-pl.Consumer()
		if f != <-sent || f.Error() != nil || f.Response().LastLog != i+1 || f.Request().PrevLogEntry != i {
			t.Fatalf("answer %d: %+v, %v", i, f.Response(), f.Error())
		}
	}
	if match, _ := a.Shard(1).Follower(2); match != 20 {
		t.Errorf("the follower's match index is %d, want 20", match)
	}

	// Bytes: the second waits for the first, although there are slots.
	big := send(20, 1, 900_000)
	second := make(chan raft.AppendFuture)
	go func() { second <- send(21, 1, 900_000) }()
	rpc := <-remote.Consumer()
	select {
	case <-second:
		t.Error("more bytes are in flight than allowed")
	case <-time.After(50 * time.Millisecond): // nothing to wait for: it must not happen
	}
	rpc.Respond(&raft.AppendEntriesResponse{Term: 1, Success: true}, nil)
	if err := big.Error(); err != nil {
		t.Error(err)
	}
	f2 := <-second

	// After an answer that is no success nothing more is sent or waited for.
	f3 := send(22, 1, 10)
	rpc = <-remote.Consumer()
	rpc.Respond(&raft.AppendEntriesResponse{Term: 1}, nil)
	if err := f2.Error(); err != nil || f2.Response().Success {
		t.Errorf("refused: %v, %+v", err, f2.Response())
	}
	if _, err := pl.AppendEntries(entriesAt(23, 1, 10), new(raft.AppendEntriesResponse)); !errors.Is(err, raft.ErrPipelineShutdown) {
		t.Errorf("after a refusal: %v", err)
	}
	_ = pl.Close()
	if err := f3.Error(); !errors.Is(err, raft.ErrPipelineShutdown) {
		t.Errorf("in flight at Close: %v", err)
	}
}

// TestPipelineShunsStragglers: see pipelineLag.
func TestPipelineShunsStragglers(t *testing.T) {
	a, b := pair(t, nil)
	id, addr := serverAddr(2)
	playRaft(t, b.Shard(1), accept)
	s := a.Shard(1)
	pl, err := s.AppendEntriesPipeline(id, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer pl.Close()
	req := entriesAt(0, 10, 10)
	req.LeaderCommitIndex = 11 + pipelineLag
	if _, err := pl.AppendEntries(req, new(raft.AppendEntriesResponse)); err == nil {
		t.Error("the pipeline went on with a follower far behind")
	}
	if _, err := s.AppendEntriesPipeline(id, addr); !errors.Is(err, raft.ErrPipelineReplicationNotSupported) {
		t.Errorf("a pipeline for a follower far behind: %v", err)
	}
	if err := s.AppendEntries(id, addr, req, new(raft.AppendEntriesResponse)); err != nil {
		t.Fatal(err)
	}
	if err := s.AppendEntries(id, addr, entriesAt(10, 1, 10), new(raft.AppendEntriesResponse)); err != nil {
		t.Fatal(err)
	}
	again, err := s.AppendEntriesPipeline(id, addr)
	if err != nil {
		t.Fatalf("a pipeline for a follower not far behind: %v", err)
	}
	_ = again.Close()
}

// TestLargeAppendTravelsInParts sends more than MaxFrame at once.
func TestLargeAppendTravelsInParts(t *testing.T) {
	a, b := pair(t, nil)
	id, addr := serverAddr(2)
	var seen, parts, fail atomic.Int64 // the race detector does not see the network
	fail.Store(1000)
	playRaft(t, b.Shard(1), func(cmd any, _ io.Reader) (any, error) {
		req := cmd.(*raft.AppendEntriesRequest)
		parts.Add(1)
		ok := seen.Add(int64(len(req.Entries))) <= fail.Load()
		return &raft.AppendEntriesResponse{Term: 1, LastLog: req.PrevLogEntry + uint64(len(req.Entries)), Success: ok}, nil
	})
	req := entriesAt(0, 75, 1_000_000)
	for _, e := range req.Entries {
		e.Data = req.Entries[0].Data // only one of them takes memory
	}
	var resp raft.AppendEntriesResponse
	if err := a.Shard(1).AppendEntries(id, addr, req, &resp); err != nil || !resp.Success || resp.LastLog != 75 || seen.Load() != 75 || parts.Load() < 70 {
		t.Errorf("%+v, %v, %d entries in %d parts", resp, err, seen.Load(), parts.Load())
	}
	seen.Store(0)
	fail.Store(30)
	if err := a.Shard(1).AppendEntries(id, addr, req, &resp); err != nil || resp.Success || resp.LastLog != 31 {
		t.Errorf("refused from entry 31 on: %+v, %v", resp, err)
	}
	huge := entriesAt(0, 1, MaxFrame)
	if err := a.Shard(1).AppendEntries(id, addr, huge, &resp); err == nil || !strings.Contains(err.Error(), "does not fit") {
		t.Errorf("an entry of %d bytes: %v", MaxFrame, err)
	}
	if _, err := a.Call(context.Background(), 2, 9, nil); !errors.As(err, new(RemoteError)) {
		t.Errorf("the connection did not survive: %v", err)
	}
}
