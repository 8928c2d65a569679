package rafttransport

import (
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/checksum"
)

// entryMeta is what an entry takes in front of the payloads, in bytes: index,
// term and time (8 each), data and extension length (4 each), type.
const entryMeta = 8 + 8 + 8 + 4 + 4 + 1

// encodeAppend encodes req with entries in place of its own (a request may
// travel in parts, see split). The entries' bytes are returned in tail as they
// lie; nothing else of req is referred to afterwards. The deprecated Leader is
// not sent, nor is a vote's Candidate: Raft looks at them only where the header
// has no Addr, and it always has.
func encodeAppend(req *raft.AppendEntriesRequest, entries []*raft.Log) (frame []byte, tail []chunk) {
	b := newFrame(64 + len(req.ID) + len(req.Addr) + entryMeta*len(entries))
	b = putRPCHeader(b, req.RPCHeader)
	b = putU64(b, req.Term)
	b = putU64(b, req.PrevLogEntry)
	b = putU64(b, req.PrevLogTerm)
	b = putU64(b, req.LeaderCommitIndex)
	b = putU32(b, uint32(len(entries)))
	if len(entries) > 0 {
		tail = make([]chunk, 0, 2*len(entries))
	}
	for _, e := range entries {
		b = putU64(b, e.Index)
		b = putU64(b, e.Term)
		b = putU64(b, uint64(unixNano(e.AppendedAt)))
		b = putU32(b, uint32(len(e.Data)))
		b = putU32(b, uint32(len(e.Extensions)))
		b = append(b, byte(e.Type))
		if len(e.Data) > 0 {
			crc, known := checksum.Attached(e.Extensions)
			tail = append(tail, chunk{e.Data, crc, known})
		}
		if len(e.Extensions) > 0 {
			tail = append(tail, chunk{bytes: e.Extensions})
		}
	}
	return b, tail
}

// unixNano is t in nanoseconds since 1970, 0 for the zero time.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// decodeAppend decodes an AppendEntries request. Its entries' Data and
// Extensions are views into body, which must not be used for anything else.
func decodeAppend(body []byte) (*raft.AppendEntriesRequest, error) {
	d := decoder{b: body}
	req := &raft.AppendEntriesRequest{RPCHeader: d.rpcHeader()}
	req.Term = d.u64()
	req.PrevLogEntry = d.u64()
	req.PrevLogTerm = d.u64()
	req.LeaderCommitIndex = d.u64()
	count := int(d.u32())
	// Checked before anything is allocated for the entries.
	if d.bad || count > len(d.b)/entryMeta {
		return nil, fmt.Errorf("%w: AppendEntries of %d bytes with %d entries", errMalformed, len(body), count)
	}
	if count > 0 {
		req.Entries = decodeEntries(&d, count)
	}
	if err := d.done("AppendEntries"); err != nil {
		return nil, err
	}
	for i, e := range req.Entries {
		// Follower progress is counted as prev index + entries, so a gap is not
		// only nonsense but dangerous.
		if e.Index != req.PrevLogEntry+uint64(i)+1 {
			return nil, fmt.Errorf("%w: entry %d after %d has index %d", errMalformed, i, req.PrevLogEntry, e.Index)
		}
	}
	return req, nil
}

func decodeEntries(d *decoder, count int) []*raft.Log {
	slab := make([]raft.Log, count)
	entries := make([]*raft.Log, count)
	meta := decoder{b: d.take(count * entryMeta)}
	for i := range slab {
		e := &slab[i]
		e.Index, e.Term = meta.u64(), meta.u64()
		if at := int64(meta.u64()); at != 0 {
			e.AppendedAt = time.Unix(0, at)
		}
		data, ext := meta.u32(), meta.u32()
		e.Type = raft.LogType(meta.u8())
		if uint64(data)+uint64(ext) > uint64(len(d.b)) {
			d.bad = true
			return nil
		}
		if data > 0 {
			e.Data = d.take(int(data))
		}
		if ext > 0 {
			e.Extensions = d.take(int(ext))
		}
		entries[i] = e
	}
	return entries
}

func encodeAppendResponse(b []byte, r *raft.AppendEntriesResponse) []byte {
	b = putRPCHeader(b, r.RPCHeader)
	b = putU64(b, r.Term)
	b = putU64(b, r.LastLog)
	return putBool(putBool(b, r.Success), r.NoRetryBackoff)
}

func decodeAppendResponse(body []byte, r *raft.AppendEntriesResponse) error {
	d := decoder{b: body}
	*r = raft.AppendEntriesResponse{RPCHeader: d.rpcHeader(), Term: d.u64(), LastLog: d.u64(), Success: d.boolean(), NoRetryBackoff: d.boolean()}
	return d.done("AppendEntries response")
}

// isHeartbeat recognizes the AppendEntries that raft's heartbeat loop sends:
// it says only who leads in which term, and touches no log.
func isHeartbeat(r *raft.AppendEntriesRequest) bool {
	return r.Term != 0 && r.PrevLogEntry == 0 && r.PrevLogTerm == 0 && len(r.Entries) == 0 && r.LeaderCommitIndex == 0
}

// appendPart is a run of a request's entries that travels as one frame.
type appendPart struct {
	prevIndex, prevTerm uint64
	entries             []*raft.Log
	bytes               int
}

// maxAppendPart is the payload up to which entries share a frame, in bytes; a
// larger entry travels alone. It keeps one shard's catching up from holding the
// connection for long, and a request of many large entries below MaxFrame.
const maxAppendPart = 1 << 20

// split cuts req into parts that follow one another. Each is a valid
// AppendEntries; the whole has succeeded when all have.
func split(req *raft.AppendEntriesRequest) []appendPart {
	first := appendPart{prevIndex: req.PrevLogEntry, prevTerm: req.PrevLogTerm}
	parts := make([]appendPart, 0, 1)
	start := 0
	for i, e := range req.Entries {
		size := entryMeta + len(e.Data) + len(e.Extensions)
		if i > start && first.bytes+size > maxAppendPart {
			first.entries = req.Entries[start:i]
			parts = append(parts, first)
			last := req.Entries[i-1]
			first = appendPart{prevIndex: last.Index, prevTerm: last.Term}
			start = i
		}
		first.bytes += size
	}
	first.entries = req.Entries[start:]
	return append(parts, first)
}
