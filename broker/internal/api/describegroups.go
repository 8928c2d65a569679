package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/group"
)

// DescribeGroups (key 15), versions 0 to 6.
//
// Members' metadata and assignments are shown while the group is stable. A
// group that does not exist has the state Dead, and from version 6 on
// GROUP_ID_NOT_FOUND with a message. Authorized operations, of version 3, are
// never computed: there is no authorization. Version 4 brings instance ids.
func init() { register(kmsg.DescribeGroups, 0, 6, later((*API).describeGroups)) }

func (a *API) describeGroups(ctx context.Context, req *Request, body *kmsg.DescribeGroupsRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.DescribeGroupsResponse)
	for _, id := range body.Groups {
		resp.Groups = append(resp.Groups, a.describeGroup(ctx, req, body, id))
	}
	return resp
}

func (a *API) describeGroup(ctx context.Context, req *Request, body *kmsg.DescribeGroupsRequest, id string) kmsg.DescribeGroupsResponseGroup {
	alone := *body
	alone.Groups = []string{id}
	answer, err := a.elsewhere(ctx, req, id, &alone)
	if answer, ok := answer.(*kmsg.DescribeGroupsResponse); ok && len(answer.Groups) == 1 {
		return answer.Groups[0]
	}
	var d group.Description
	if err == nil {
		d, err = a.coordinator(id).Describe(id)
	}
	if err == nil && d.State == group.Dead && body.Version >= 6 {
		err = fmt.Errorf("group %s not found: %w", id, kerr.GroupIDNotFound)
	}
	rg := kmsg.NewDescribeGroupsResponseGroup()
	rg.Group, rg.State, rg.ProtocolType, rg.Protocol = id, string(d.State), d.ProtocolType, d.Protocol
	rg.ErrorCode, rg.ErrorMessage = a.code(req, err), message(err)
	for _, m := range d.Members {
		rm := kmsg.NewDescribeGroupsResponseGroupMember()
		rm.MemberID, rm.InstanceID, rm.ClientID, rm.ClientHost = m.ID, m.InstanceID, m.ClientID, m.ClientHost
		rm.ProtocolMetadata, rm.MemberAssignment = m.Metadata, m.Assignment
		rg.Members = append(rg.Members, rm)
	}
	return rg
}
