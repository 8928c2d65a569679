package rafttransport

import "errors"

// Errors of requests. All but RemoteError are wrapped with the peer and the
// reason; use errors.Is.
var (
	// ErrUnreachable: there is no connection to the peer, or it broke before
	// the answer came. The request may have been executed.
	ErrUnreachable = errors.New("peer unreachable")
	// ErrTimeout: the connection is alive but the peer did not answer in time.
	ErrTimeout = errors.New("peer did not answer in time")
	// ErrClosed: the Mux or the ShardTransport is closed.
	ErrClosed = errors.New("transport closed")
)

// errMalformed marks bytes from a peer that break the protocol.
var errMalformed = errors.New("malformed frame")

// RemoteError is an error the peer answered with; its text is the peer's.
type RemoteError string

func (e RemoteError) Error() string { return string(e) }
