// Package server accepts clients' connections and carries requests to package
// api and its responses back.
//
// Start at Server.Listen and Server.Run; conn.go has the life of one
// connection:
//
//	socket ── reader ──> pending (bounded, in order) ── writer ──> socket
//	            │                                          │
//	            └ decodes a frame, starts its handler      └ waits for the answer
//
// Both are one goroutine each. The reader starts handlers in the order of the
// requests, the writer waits for them in the same order, so responses leave in
// the order the protocol demands and a parked Fetch delays only what comes
// after it on its own connection. When too much is pending, the reader stops
// reading, and TCP tells the client.
//
// # Frames
//
//	0  4  length of what follows, big-endian, at most config.MaxRequestBytes
//	4  2  API key
//	6  2  API version
//	8  4  correlation id, which the response begins with
//	12    client id, tags (from the API's first flexible version), body
//
// A length out of range is refused before anything is read or allocated for
// it. A frame that cannot be decoded, an API key nobody serves and a version
// in which the protocol has no room for an error close the connection they
// came on, after the answers to earlier requests, with one log line.
//
// # Stopping
//
// When the context of Run ends, nothing is accepted or read any more; handlers
// see their ctx end, so parked requests are answered at once, and answers that
// are still being waited for (commits) have drainTime to get out.
package server
