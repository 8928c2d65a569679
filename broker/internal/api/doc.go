// Package api answers the Kafka protocol: it turns one decoded request into one
// response. Connections, frames and the order of responses are package
// server's.
//
// Read registry.go first, then request.go, then the file of the API you are
// after; there is one for each API key, which opens with the versions served
// and what is answered, and registers itself:
//
//	func init() { register(kmsg.DescribeCluster, 0, 2, later((*API).describeCluster)) }
//
//	func (a *API) describeCluster(ctx context.Context, req *Request, body *kmsg.DescribeClusterRequest) kmsg.Response {
//		resp := kmsg.NewPtrDescribeClusterResponse()
//		resp.Version = body.Version // or body.ResponseKind(), which sets it
//		...
//		resp.ErrorCode = a.code(req, err)
//		return resp
//	}
//
// # Two steps
//
// Clients pipeline: they send requests before earlier ones are answered, and
// expect the answers in order. So a handler has two steps. Its start runs on
// the connection's reader, in the order of the requests, and must not block;
// the Wait it returns runs on the connection's writer, in the same order, and
// may. A handler for which only the answers' order matters puts everything
// into the second step, with later; Produce, for one, hands its batches to the
// shards in the first, so that batches pipelined on one connection keep their
// order and are replicated together.
//
// The ctx of a request ends when its connection closes or the node stops; a
// Wait must then return soon, and what it returns is not sent.
//
// # Listeners
//
// Request.Listener says where a request came in. On Local, this node passes
// itself off as the leader of every partition and the coordinator of every
// group: whatever only another node can do is forwarded to it (API.forwardTo),
// where it is answered as on Peer. Handlers treat Peer as Normal.
//
// # Errors
//
// A *kerr.Error, wrapped or not, is what the client is told; code turns any
// error into an error code, and counts it. Errors nobody foresaw become
// UNKNOWN_SERVER_ERROR and a log line.
package api
