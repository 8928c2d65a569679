package raw

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Pipeline sends all requests at once, at the versions that they carry, and only then reads the answers, which have to come
// in the order of the requests. An answer out of order is an error.
func (c *Conn) Pipeline(ctx context.Context, reqs ...kmsg.Request) ([]kmsg.Response, error) {
	if err := c.c.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.c.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	first := c.next + 1
	var all []byte
	for i, req := range reqs {
		all = append(all, c.format.AppendRequest(nil, req, first+int32(i))...) // it writes the length to the slice's beginning
	}
	if _, err := c.c.Write(all); err != nil {
		return nil, fmt.Errorf("send %d requests: %w", len(reqs), err)
	}
	var out []kmsg.Response
	for i, req := range reqs {
		c.next = first + int32(i) // what read expects
		body, err := c.read(req)
		if err != nil {
			return out, fmt.Errorf("await the answer to request %d of %d, %s: %w", i+1, len(reqs), kmsg.NameForKey(req.Key()), err)
		}
		resp := req.ResponseKind()
		if err := resp.ReadFrom(body); err != nil {
			return out, fmt.Errorf("read the answer to request %d of %d, %s: %w", i+1, len(reqs), kmsg.NameForKey(req.Key()), err)
		}
		out = append(out, resp)
	}
	return out, nil
}
