// Package checksum knows how the CRC-32C of bytes follows from those of their
// parts (Combine), and how a Raft entry carries the one of its data (Attach,
// Attached), so that what is known once need not be computed again.
//
// A record batch passes through many hands that all want a checksum of it: the
// producer's in its header is verified, each replica's log stores one, each
// frame between nodes has one. Only two of them read the bytes: the leader, when
// it verifies what a producer has sent, and a follower, when it verifies a frame.
// All others combine:
//
//	producer's CRC ─▶ blob's ─▶ entry's extension ─▶ frame of the leader's log
//	 (verified)                        │
//	                                   └─▶ frame to a follower ─▶ frame of its log
//	                                            (verified)
//
// Combining also guards more: were a byte changed in memory after it was
// verified, a checksum that is computed anew would cover for it, and one that
// was combined does not match any more.
package checksum
