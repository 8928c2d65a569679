package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Wait waits for what the start of a handler has begun and returns the
// response; nil when the protocol has none (Produce with acks=0).
type Wait func() kmsg.Response

// handler starts to answer a request. It is called in the order in which
// requests arrived on a connection and must not block.
type handler func(a *API, ctx context.Context, req *Request) Wait

// entry is one API in the registry.
type entry struct {
	min, max   int16 // versions that are served
	advertised int16 // smallest version that ApiVersions names; min except for Produce
	start      handler
	// refuse answers a version out of range with the protocol's own error;
	// nil when the protocol has no place for one in that version. The
	// request's Body is nil if kmsg does not know the version either.
	refuse func(a *API, req *Request) kmsg.Response
}

// registry is filled by the init functions of the APIs' files and read-only
// afterwards.
var registry = map[int16]*entry{}

// option changes an entry from what most APIs need.
type option func(*entry)

// advertiseFrom lets ApiVersions name versions below those that are served.
func advertiseFrom(v int16) option { return func(e *entry) { e.advertised = v } }

// refuseWith sets the answer to versions out of range.
func refuseWith(f func(a *API, req *Request) kmsg.Response) option {
	return func(e *entry) { e.refuse = f }
}

// register adds an API, served from version lowest to version highest. It is
// for init functions, so what would be a programming error panics at start.
func register(key kmsg.Key, lowest, highest int16, start handler, options ...option) {
	if registry[key.Int16()] != nil {
		panic(fmt.Sprintf("api %s registered twice", key.Name()))
	}
	if known := kmsg.RequestForKey(key.Int16()).MaxVersion(); highest > known {
		panic(fmt.Sprintf("api %s: version %d is beyond %d, the highest that can be encoded", key.Name(), highest, known))
	}
	e := &entry{min: lowest, max: highest, advertised: lowest, start: start}
	for _, o := range options {
		o(e)
	}
	registry[key.Int16()] = e
}

// later is the handler of an API that does all its work while it is waited
// for: its requests take effect in the order of their answers.
func later[B kmsg.Request](f func(a *API, ctx context.Context, req *Request, body B) kmsg.Response) handler {
	return func(a *API, ctx context.Context, req *Request) Wait {
		body, ok := req.Body.(B)
		if !ok {
			panic(fmt.Sprintf("api %s registered with a handler for %T", req.Name(), body))
		}
		return func() kmsg.Response { return f(a, ctx, req, body) }
	}
}
