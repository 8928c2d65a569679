package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Heartbeat (key 12), versions 0 to 4.
//
// It keeps a member's session alive. REBALANCE_IN_PROGRESS tells the member to
// join again. Version 3 brings static members.
func init() { register(kmsg.Heartbeat, 0, 4, later((*API).heartbeat)) }

func (a *API) heartbeat(ctx context.Context, req *Request, body *kmsg.HeartbeatRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.HeartbeatResponse)
	answer, err := a.elsewhere(ctx, req, body.Group, body)
	if answer != nil {
		return answer
	}
	if err == nil {
		err = a.coordinator(body.Group).Heartbeat(body.Group, body.MemberID, body.InstanceID, body.Generation)
	}
	resp.ErrorCode = a.code(req, err)
	return resp
}
