package rafttransport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/mutant"
)

// server is a connection a peer dialled: it takes requests and answers them.
type server struct {
	wire
	ctx      context.Context // ends with the connection; for handlers
	cancel   context.CancelFunc
	handlers chan struct{} // a token for each running handler

	// snapshots being received, by request id; owned by the reading goroutine,
	// which drops those that are done when it needs the room.
	snapshots map[uint64]*snapshotStream
}

// maxSnapshots bounds the snapshots received at a time on one connection.
const maxSnapshots = 16

func newServer(ctx context.Context, m *Mux, p *peer, l lane, nc net.Conn) *server {
	s := &server{handlers: make(chan struct{}, m.cfg.MaxHandlers), snapshots: make(map[uint64]*snapshotStream)}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.wire.init(m, p, l, nc)
	s.onTrickle = s.reportProgress
	return s
}

// run serves the connection until it ends; cause then says why.
func (s *server) run() {
	written := make(chan struct{})
	go func() { defer close(written); s.writeLoop() }()
	err := s.readLoop()
	if errors.Is(err, io.EOF) {
		err = errors.New("closed by the peer")
	}
	s.kill(err)
	s.cancel()
	<-written
}

// reportProgress tells the sender of a large frame that it is arriving.
func (s *server) reportProgress() {
	if s.mux.nanos()-s.out.lastSend.Load() >= int64(progressEvery) {
		s.pong(0)
	}
}

func (s *server) pong(id uint64) {
	s.send(putU64(newFrame(8), s.received.Load()), nil, header{typ: typePong, id: id})
}

// reply answers a request; err takes precedence over the response in frame.
func (s *server) reply(typ frameType, shard uint32, id uint64, frame []byte, err error) {
	select {
	case <-s.dead:
		return
	default:
	}
	h := header{typ: typ | responseBit, shard: shard, id: id}
	if err != nil {
		text := err.Error()
		frame = append(newFrame(len(text)), text[:min(len(text), smallFrame)]...)
		h.flags = flagError
	}
	s.send(frame, nil, h)
}

func (s *server) readLoop() error {
	for {
		h, body, err := s.readFrame()
		if err != nil {
			return err
		}
		switch h.typ {
		case typePing:
			s.pong(h.id)
		case typeCall:
			err = s.startHandler(h, body)
		case typeSnapshotChunk, typeSnapshotAbort:
			err = s.snapshotFrame(h, body)
		case typeHeartbeat, typeCommit, typeAppend, typeVote, typePreVote, typeTimeoutNow, typeSnapshot:
			err = s.raftRequest(h, body)
		default:
			err = fmt.Errorf("%w: type %d from the asking side", errMalformed, h.typ)
		}
		if err != nil {
			return err
		}
	}
}

// raftRequest decodes a request and hands it to its shard. An error means that
// it was malformed; a shard that cannot take it is answered, not an error.
func (s *server) raftRequest(h header, body []byte) error {
	in := &inbound{from: s, typ: h.typ, shard: h.shard, id: h.id, size: h.length, at: s.mux.nanos(),
		resp: make(chan raft.RPCResponse, 1)}
	var err error
	switch h.typ {
	case typeHeartbeat, typeCommit, typeAppend:
		in.append, err = decodeAppend(body)
		in.rpc.Command = in.append
		if mutant.Is(mutant.ServeUncommitted) && err == nil && len(in.append.Entries) > 0 {
			in.append.LeaderCommitIndex = in.append.PrevLogEntry + uint64(len(in.append.Entries))
		}
		if err == nil && (h.typ == typeHeartbeat) != isHeartbeat(in.append) && h.typ != typeAppend {
			err = fmt.Errorf("%w: AppendEntries under type %d", errMalformed, h.typ)
		}
	case typeVote:
		in.rpc.Command, err = decodeVote(body)
	case typePreVote:
		in.rpc.Command, err = decodePreVote(body)
	case typeTimeoutNow:
		in.rpc.Command, err = decodeTimeoutNow(body)
	case typeSnapshot:
		var req *raft.InstallSnapshotRequest
		if req, err = decodeSnapshot(body); err == nil {
			in.rpc.Command = req
			in.stream, err = s.openSnapshot(h, req.Size)
			in.rpc.Reader = in.stream
		}
	}
	if err != nil {
		return err
	}
	in.rpc.RespChan = in.resp

	t := s.mux.shard(h.shard)
	if t == nil {
		err = fmt.Errorf("shard %d is not open on node %d", h.shard, s.mux.cfg.LocalID)
	} else {
		if in.stream != nil {
			in.stream.detached = t.closed
		}
		err = t.deliver(in)
	}
	if err != nil {
		in.reply(nil, err)
	}
	return nil
}
