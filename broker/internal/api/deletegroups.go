package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteGroups (key 42), versions 0 to 2.
//
// A group without members goes, with its committed offsets; one with members is
// NON_EMPTY_GROUP, an unknown one GROUP_ID_NOT_FOUND.
func init() { register(kmsg.DeleteGroups, 0, 2, later((*API).deleteGroups)) }

func (a *API) deleteGroups(ctx context.Context, req *Request, body *kmsg.DeleteGroupsRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.DeleteGroupsResponse)
	for _, id := range body.Groups {
		resp.Groups = append(resp.Groups, a.deleteGroup(ctx, req, body, id))
	}
	return resp
}

func (a *API) deleteGroup(ctx context.Context, req *Request, body *kmsg.DeleteGroupsRequest, id string) kmsg.DeleteGroupsResponseGroup {
	alone := *body
	alone.Groups = []string{id}
	answer, err := a.elsewhere(ctx, req, id, &alone)
	if answer, ok := answer.(*kmsg.DeleteGroupsResponse); ok && len(answer.Groups) == 1 {
		return answer.Groups[0]
	}
	if err == nil {
		err = a.coordinator(id).Delete(ctx, id)
	}
	rg := kmsg.NewDeleteGroupsResponseGroup()
	rg.Group, rg.ErrorCode = id, a.code(req, err)
	return rg
}
