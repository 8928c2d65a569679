package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/group"
)

// LeaveGroup (key 13), versions 0 to 5.
//
// From version 3 on many members can be removed, also by their instance ids
// alone, and each has an error of its own. Version 5 brings reasons, which are
// logged.
func init() { register(kmsg.LeaveGroup, 0, 5, later((*API).leaveGroup)) }

func (a *API) leaveGroup(ctx context.Context, req *Request, body *kmsg.LeaveGroupRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.LeaveGroupResponse)
	answer, err := a.elsewhere(ctx, req, body.Group, body)
	if answer != nil {
		return answer
	}
	leavers := []group.Leaver{{MemberID: body.MemberID}}
	if body.Version >= 3 {
		leavers = leavers[:0]
		for _, m := range body.Members {
			leavers = append(leavers, group.Leaver{MemberID: m.MemberID, InstanceID: m.InstanceID})
			if m.Reason != nil && *m.Reason != "" {
				a.Log.Info("member leaves", "group", body.Group, "member", m.MemberID, "reason", *m.Reason)
			}
		}
	}
	var errs []error
	if err == nil {
		errs, err = a.coordinator(body.Group).Leave(body.Group, leavers)
	}
	if body.Version < 3 && err == nil {
		err = errs[0]
	}
	resp.ErrorCode = a.code(req, err)
	if body.Version < 3 || err != nil {
		return resp
	}
	for i, l := range leavers {
		rm := kmsg.NewLeaveGroupResponseMember()
		rm.MemberID, rm.InstanceID, rm.ErrorCode = l.MemberID, l.InstanceID, a.code(req, errs[i])
		resp.Members = append(resp.Members, rm)
	}
	return resp
}
