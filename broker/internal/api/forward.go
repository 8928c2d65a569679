package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// forwardTo has another node answer body, which is req's or a part of it, and
// returns its response, of body's version. It blocks: call it from a Wait. An
// error means that nothing is known of what the node did.
func (a *API) forwardTo(ctx context.Context, node int32, req *Request, body kmsg.Request) (kmsg.Response, error) {
	const lengthPrefix = 4
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID(req.ClientID)).AppendRequest(nil, body, req.CorrelationID)
	answer, err := a.Forward(ctx, node, frame[lengthPrefix:])
	if err != nil {
		return nil, fmt.Errorf("forward %s to node %d: %w", req.Name(), node, err)
	}
	resp := body.ResponseKind()
	r := kbin.Reader{Src: answer}
	r.Int32() // the correlation id, which is ours
	if resp.IsFlexible() && resp.Key() != kmsg.ApiVersions.Int16() {
		skipTags(&r)
	}
	if !r.Ok() {
		return nil, fmt.Errorf("forward %s to node %d: its answer of %d bytes is too short", req.Name(), node, len(answer))
	}
	if err := resp.ReadFrom(r.Src); err != nil {
		return nil, fmt.Errorf("forward %s to node %d: read its answer: %w", req.Name(), node, err)
	}
	return resp, nil
}
