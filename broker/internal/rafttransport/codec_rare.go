package rafttransport

import (
	"fmt"

	"github.com/hashicorp/raft"
)

// The rare messages: votes, leadership transfer, snapshots.

func encodeVote(r *raft.RequestVoteRequest) []byte {
	b := putRPCHeader(newFrame(64), r.RPCHeader)
	b = putU64(b, r.Term)
	b = putU64(b, r.LastLogIndex)
	b = putU64(b, r.LastLogTerm)
	return putBool(b, r.LeadershipTransfer)
}

func decodeVote(body []byte) (*raft.RequestVoteRequest, error) {
	d := decoder{b: body}
	r := &raft.RequestVoteRequest{RPCHeader: d.rpcHeader(), Term: d.u64(),
		LastLogIndex: d.u64(), LastLogTerm: d.u64(), LeadershipTransfer: d.boolean()}
	return r, d.done("RequestVote")
}

func encodePreVote(r *raft.RequestPreVoteRequest) []byte {
	b := putRPCHeader(newFrame(64), r.RPCHeader)
	b = putU64(b, r.Term)
	b = putU64(b, r.LastLogIndex)
	return putU64(b, r.LastLogTerm)
}

func decodePreVote(body []byte) (*raft.RequestPreVoteRequest, error) {
	d := decoder{b: body}
	r := &raft.RequestPreVoteRequest{RPCHeader: d.rpcHeader(), Term: d.u64(), LastLogIndex: d.u64(), LastLogTerm: d.u64()}
	return r, d.done("RequestPreVote")
}

func encodeTimeoutNow(r *raft.TimeoutNowRequest) []byte {
	return putRPCHeader(newFrame(32), r.RPCHeader)
}

func decodeTimeoutNow(body []byte) (*raft.TimeoutNowRequest, error) {
	d := decoder{b: body}
	r := &raft.TimeoutNowRequest{RPCHeader: d.rpcHeader()}
	return r, d.done("TimeoutNow")
}

func encodeSnapshot(r *raft.InstallSnapshotRequest) []byte {
	b := putRPCHeader(newFrame(128+len(r.Configuration)+len(r.Peers)), r.RPCHeader)
	b = append(b, byte(r.SnapshotVersion))
	b = putBytes(b, r.Leader)
	b = putU64(b, r.Term)
	b = putU64(b, r.LastLogIndex)
	b = putU64(b, r.LastLogTerm)
	b = putBytes(b, r.Peers)
	b = putBytes(b, r.Configuration)
	b = putU64(b, r.ConfigurationIndex)
	return putU64(b, uint64(r.Size))
}

func decodeSnapshot(body []byte) (*raft.InstallSnapshotRequest, error) {
	d := decoder{b: body}
	r := &raft.InstallSnapshotRequest{RPCHeader: d.rpcHeader(), SnapshotVersion: raft.SnapshotVersion(d.u8()),
		Leader: d.bytes(), Term: d.u64(), LastLogIndex: d.u64(), LastLogTerm: d.u64(),
		Peers: d.bytes(), Configuration: d.bytes(), ConfigurationIndex: d.u64(), Size: int64(d.u64())}
	if r.Size < 0 {
		return nil, fmt.Errorf("%w: snapshot of %d bytes", errMalformed, r.Size)
	}
	return r, d.done("InstallSnapshot")
}

// encodeResponse encodes any raft response after b.
func encodeResponse(b []byte, resp any) ([]byte, error) {
	switch r := resp.(type) {
	case *raft.AppendEntriesResponse:
		return encodeAppendResponse(b, r), nil
	case *raft.RequestVoteResponse:
		return putBool(putBytes(putU64(putRPCHeader(b, r.RPCHeader), r.Term), r.Peers), r.Granted), nil
	case *raft.RequestPreVoteResponse:
		return putBool(putU64(putRPCHeader(b, r.RPCHeader), r.Term), r.Granted), nil
	case *raft.TimeoutNowResponse:
		return putRPCHeader(b, r.RPCHeader), nil
	case *raft.InstallSnapshotResponse:
		return putBool(putU64(putRPCHeader(b, r.RPCHeader), r.Term), r.Success), nil
	default:
		return nil, fmt.Errorf("no encoding for a response of type %T", resp)
	}
}

// decodeResponse decodes body into resp, a pointer to a raft response.
func decodeResponse(body []byte, resp any) error {
	d := decoder{b: body}
	switch r := resp.(type) {
	case *raft.AppendEntriesResponse:
		return decodeAppendResponse(body, r)
	case *raft.RequestVoteResponse:
		*r = raft.RequestVoteResponse{RPCHeader: d.rpcHeader(), Term: d.u64(), Peers: d.bytes(), Granted: d.boolean()}
	case *raft.RequestPreVoteResponse:
		*r = raft.RequestPreVoteResponse{RPCHeader: d.rpcHeader(), Term: d.u64(), Granted: d.boolean()}
	case *raft.TimeoutNowResponse:
		*r = raft.TimeoutNowResponse{RPCHeader: d.rpcHeader()}
	case *raft.InstallSnapshotResponse:
		*r = raft.InstallSnapshotResponse{RPCHeader: d.rpcHeader(), Term: d.u64(), Success: d.boolean()}
	default:
		return fmt.Errorf("no encoding for a response of type %T", resp)
	}
	return d.done(fmt.Sprintf("%T", resp))
}
