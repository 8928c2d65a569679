package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/group"
)

// SyncGroup (key 14), versions 0 to 5.
//
// The leader brings the assignment; every member waits for its own, which it
// gets once all of it is committed. REBALANCE_IN_PROGRESS sends members back to
// JoinGroup.
//
// Version 3 brings static members, 5 the protocol's type and name, which must
// be the group's.
func init() { register(kmsg.SyncGroup, 0, 5, later((*API).syncGroup)) }

func (a *API) syncGroup(ctx context.Context, req *Request, body *kmsg.SyncGroupRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.SyncGroupResponse)
	answer, err := a.elsewhere(ctx, req, body.Group, body)
	if answer != nil {
		return answer
	}
	resp.MemberAssignment = []byte{}
	if err != nil {
		resp.ErrorCode = a.code(req, err)
		return resp
	}
	assignments := map[string][]byte{}
	for _, m := range body.GroupAssignment {
		assignments[m.MemberID] = m.MemberAssignment
	}
	r, err := a.coordinator(body.Group).Sync(ctx, group.SyncRequest{
		Group: body.Group, MemberID: body.MemberID, InstanceID: body.InstanceID, Generation: body.Generation,
		ProtocolType: body.ProtocolType, Protocol: body.Protocol, Assignments: assignments,
	})
	resp.ErrorCode = a.code(req, err)
	if err == nil {
		resp.ProtocolType, resp.Protocol = &r.ProtocolType, &r.Protocol
		resp.MemberAssignment = append(resp.MemberAssignment, r.Assignment...)
	}
	return resp
}
