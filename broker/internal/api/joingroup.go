package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/group"
)

// JoinGroup (key 11), versions 0 to 9.
//
// The answer waits until the rebalance has its members: at most the longest
// rebalance timeout of a member.
//
// Version 1 brings the rebalance timeout (before, it is the session's); from 4
// on a new member is first given its id, with MEMBER_ID_REQUIRED; 5 brings
// static members; 7 the protocol type in the answer; 8 a reason, which is
// logged; from 9 on a static leader that comes back can be told to skip the
// assignment.
func init() { register(kmsg.JoinGroup, 0, 9, later((*API).joinGroup)) }

func (a *API) joinGroup(ctx context.Context, req *Request, body *kmsg.JoinGroupRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.JoinGroupResponse)
	answer, err := a.elsewhere(ctx, req, body.Group, body)
	if answer != nil {
		return answer
	}
	resp.Generation, resp.MemberID = -1, body.MemberID
	if err != nil {
		resp.ErrorCode = a.code(req, err)
		return resp
	}
	if body.Reason != nil && *body.Reason != "" {
		a.Log.Info("member joins", "group", body.Group, "member", body.MemberID, "reason", *body.Reason)
	}
	r, err := a.coordinator(body.Group).Join(ctx, joinRequest(req, body))
	resp.MemberID, resp.ErrorCode = r.MemberID, a.code(req, err)
	if err != nil {
		return resp
	}
	resp.Generation, resp.LeaderID, resp.SkipAssignment = r.Generation, r.Leader, r.Skip
	resp.ProtocolType, resp.Protocol = &r.ProtocolType, &r.Protocol
	for _, m := range r.Members {
		rm := kmsg.NewJoinGroupResponseMember()
		rm.MemberID, rm.InstanceID, rm.ProtocolMetadata = m.ID, m.InstanceID, m.Metadata
		resp.Members = append(resp.Members, rm)
	}
	return resp
}

func joinRequest(req *Request, body *kmsg.JoinGroupRequest) group.JoinRequest {
	r := group.JoinRequest{
		Group: body.Group, MemberID: body.MemberID, InstanceID: body.InstanceID,
		ClientID: req.ClientID, ClientHost: "/" + req.ClientHost, // as Kafka shows addresses
		SessionTimeout: body.SessionTimeoutMillis, RebalanceTimeout: body.RebalanceTimeoutMillis,
		ProtocolType: body.ProtocolType,
		RequireID:    body.Version >= 4, CanSkip: body.Version >= 9,
	}
	if body.Version < 1 {
		r.RebalanceTimeout = body.SessionTimeoutMillis
	}
	for _, p := range body.Protocols {
		r.Protocols = append(r.Protocols, group.Protocol{Name: p.Name, Metadata: p.Metadata})
	}
	return r
}
