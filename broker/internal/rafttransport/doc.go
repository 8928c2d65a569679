// Package rafttransport carries the traffic of every Raft group of a node, and
// the calls nodes make to each other, over one TCP port.
//
// Start at Mux (mux.go): New, Handle, Shard, then Run. ShardTransport (shard.go)
// is what one Raft group sees: raft.Transport, raft.WithPreVote and
// raft.WithClose, with both ServerID and ServerAddress being the decimal node
// id. Then read link.go and client.go (the side that asks), accept.go and
// serve.go (the side that answers), inbound.go (the way into Raft), and the
// things the library does not offer: push.go and views.go.
//
// # Connections
//
// A node asks over connections it dialled itself and answers on those its peer
// dialled, so a proxy in front of a node sees one direction of a link only. Two
// connections per peer go to the same address:
//
//	urgent  heartbeats, votes, commit pushes, TimeoutNow, small calls
//	bulk    AppendEntries, snapshots, large calls
//
// so that a heartbeat never waits behind a blob. Everything on a connection is
// multiplexed: a request carries an id, its response the same id.
//
// A connection is usable once both sides have shown their node ids:
//
//	hello (32 bytes, both ways, little endian)
//	0        8         10     11       12        16         20       28       32
//	| magic  | version | lane | status | sender  | receiver | 0 ...  | CRC-32C |
//
// The receiver refuses a hello that is meant for another node and says so.
//
// # Frames
//
//	0        4      5       6    8       12         16        24           28
//	| length | type | flags | 0  | shard | body CRC | id      | header CRC | body ... |
//
// Little endian; length counts the body, at most MaxFrame. Both checksums are
// CRC-32C; the header's is verified before its length is believed. Type bit 7
// marks a response, flag bit 0 an error whose text is the body. A frame that is
// not as it must be ends its connection, never the process.
//
//	AppendEntries: RPC header, term, prev index, prev term, commit, count,
//	               count × (index, term, appended at, data length, extension length, type),
//	               then every entry's data and extension, one after the other
//
// On the way out the entries' bytes are handed to writev where they lie; on the
// way in every entry's Data is a view into one buffer allocated for that frame.
// Entry data is therefore never to be written to again, on either side.
//
// # Time
//
// A connection on which nothing arrives for Config.PeerTimeout, not even the
// answer to a ping, is closed, whatever is pending on it fails, and it is
// dialled again. The receiver of a large frame reports bytes as they trickle
// in, so a slow link is not mistaken for a dead one: an AppendEntries of any
// size has Config.AppendTimeout from the moment its last byte has arrived.
//
// # What must always hold
//
//   - Requests of one pipeline leave on one connection, in order, and reach the
//     shard's Consumer in that order. Only heartbeats and commit pushes may
//     overtake them, and a push waits until its entry is acknowledged.
//   - Nothing that reads from a socket waits for Raft: a shard whose queue is
//     full refuses, and a snapshot has a window its sender must keep to.
//   - Every goroutine belongs to the Mux, a ShardTransport or a connection, and
//     Mux.Close waits for all of them.
package rafttransport
