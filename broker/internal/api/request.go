package api

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Listener is the kind of listener a request came in on.
type Listener uint8

// The listeners.
const (
	Normal Listener = iota // ordinary clients
	Local                  // clients that read from this node only: it passes itself off as leader of everything
	Peer                   // another node, which forwards what a client of its local-read listener wants
)

// String names the listener, for logs and metrics.
func (l Listener) String() string {
	switch l {
	case Local:
		return "local"
	case Peer:
		return "peer"
	default:
		return "normal"
	}
}

// Request is one request, decoded.
type Request struct {
	Key           int16
	Version       int16
	CorrelationID int32
	ClientID      string   // "" when the client gave none
	ClientHost    string   // the client's address, without the port
	Listener      Listener // set by whoever received the request

	// Conn is the connection it came on; nil when there is none, as for what
	// another node forwards.
	Conn *Conn

	// Body is the decoded body, of the kmsg type of Key; it may share memory
	// with the received frame (see Recycle). Nil when kmsg cannot
	// decode Version.
	Body kmsg.Request

	// Streams says that who sends the answer can send records from the log: the
	// response may be one for Encode only.
	Streams bool

	// Recycle, if set, gives the frame's memory back for the next request. Who
	// calls it makes sure that nobody looks at the frame, or at bytes of Body that
	// lie in it, any more (strings do not); not calling it is no error.
	Recycle func()

	// Gone is closed when the answer can no longer be sent. Unlike the ctx, it
	// stays open while a stopping node still lets answers out, so it is what
	// bounds the wait for something that will come by itself, as a commit.
	// Nil when there is no such moment.
	Gone <-chan struct{}

	// HangUp is set by a Wait after whose response (which may be nil) the
	// connection is to be closed.
	HangUp bool

	entry *entry
}

// Errors of ParseRequest and API.Start; each means that the connection must be
// closed, for what follows on it cannot be understood or answered.
var (
	ErrUnknownAPI         = errors.New("unknown API key")
	ErrMalformed          = errors.New("malformed request")
	ErrUnsupportedVersion = errors.New("unsupported version")
)

// Name is the name of the request's API.
func (r *Request) Name() string { return kmsg.NameForKey(r.Key) }

// supported reports whether the request's version is served.
func (r *Request) supported() bool { return r.Version >= r.entry.min && r.Version <= r.entry.max }

// ParseRequest decodes a frame without its length prefix: a request header,
// version 0 to 2, and a body. The error wraps ErrUnknownAPI or ErrMalformed.
func ParseRequest(frame []byte) (*Request, error) {
	r := kbin.Reader{Src: frame}
	req := &Request{Key: r.Int16(), Version: r.Int16(), CorrelationID: r.Int32()}
	if !r.Ok() {
		return nil, fmt.Errorf("%w: %d bytes are too few for a header", ErrMalformed, len(frame))
	}
	req.entry = registry[req.Key]
	if req.entry == nil {
		return nil, fmt.Errorf("%w %d", ErrUnknownAPI, req.Key)
	}
	if id := r.NullableString(); id != nil {
		req.ClientID = *id
	}
	if !r.Ok() {
		return nil, fmt.Errorf("%w: header of %s ends early", ErrMalformed, req.Name())
	}
	body := kmsg.RequestForKey(req.Key)
	if req.Version < 0 || req.Version > body.MaxVersion() {
		return req, nil // Start answers it, if that is possible at all
	}
	body.SetVersion(req.Version)
	if body.IsFlexible() {
		if !skipTags(&r) {
			return nil, fmt.Errorf("%w: header of %s version %d ends early", ErrMalformed, req.Name(), req.Version)
		}
	}
	if err := body.ReadFrom(r.Src); err != nil {
		return nil, fmt.Errorf("%w: %s version %d: %w", ErrMalformed, req.Name(), req.Version, err)
	}
	req.Body = body
	return req, nil
}

// skipTags skips tagged fields and reports whether they were whole. It stops
// where the frame does, whatever the number of fields that it claims to have.
func skipTags(r *kbin.Reader) bool {
	for n := r.Uvarint(); n > 0 && r.Ok(); n-- {
		r.Uvarint()
		r.Span(int(r.Uvarint()))
	}
	return r.Ok()
}

// AppendResponse appends the response's header and body, without a length
// prefix.
func AppendResponse(dst []byte, req *Request, resp kmsg.Response) []byte {
	dst = slices.Grow(dst, sizeOf(resp))
	dst = kbin.AppendInt32(dst, req.CorrelationID)
	// ApiVersions is answered with the old header in every version, since the
	// client cannot know yet which the broker speaks (KIP-511).
	if resp.IsFlexible() && resp.Key() != kmsg.ApiVersions.Int16() {
		dst = append(dst, 0) // no tags
	}
	return resp.AppendTo(dst)
}

// sizeOf estimates how long a response gets, generously: records outweigh all
// else, and growing by doubling would copy them again and again.
func sizeOf(resp kmsg.Response) int {
	const header, each = 64, 128
	n := header
	if f, ok := resp.(*kmsg.FetchResponse); ok {
		for _, t := range f.Topics {
			n += each + len(t.Topic)
			for _, p := range t.Partitions {
				n += each + len(p.RecordBatches)
			}
		}
	}
	return n
}

// Start begins to answer req. An error wraps ErrUnsupportedVersion: the version
// is not served and the protocol has no way to say so.
func (a *API) Start(ctx context.Context, req *Request) (Wait, error) {
	a.Metrics.Requests.WithLabelValues(req.Name()).Inc()
	if req.supported() {
		return req.entry.start(a, ctx, req), nil
	}
	if req.entry.refuse != nil {
		if resp := req.entry.refuse(a, req); resp != nil {
			return func() kmsg.Response { return resp }, nil
		}
	}
	return nil, fmt.Errorf("%w %d of %s (%d to %d are served)", ErrUnsupportedVersion, req.Version, req.Name(), req.entry.min, req.entry.max)
}

// Client is who sent a request, for log lines.
type Client struct{ ID, Host string }

type clientKey struct{}

// WithClient returns a context from which ClientOf finds c.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientOf returns who the request of ctx is from; the zero Client if unknown.
func ClientOf(ctx context.Context) Client {
	c, _ := ctx.Value(clientKey{}).(Client)
	return c
}
