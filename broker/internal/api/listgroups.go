package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListGroups (key 16), versions 0 to 5.
//
// Each node lists the groups that it coordinates, so that clients ask them all;
// on the local-read listener this node asks the others. While it takes over a
// shard's groups it cannot list them: COORDINATOR_LOAD_IN_PROGRESS.
//
// Version 4 brings states and a filter for them, 5 types and a filter: all
// groups are classic. Filters ignore case.
func init() { register(kmsg.ListGroups, 0, 5, later((*API).listGroups)) }

// classicType is the type of all groups here.
const classicType = "classic"

func (a *API) listGroups(ctx context.Context, req *Request, body *kmsg.ListGroupsRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.ListGroupsResponse)
	for _, c := range a.Groups {
		groups, err := c.List()
		if err != nil {
			resp.ErrorCode, resp.Groups = a.code(req, err), nil
			return resp
		}
		for _, g := range groups {
			if !passes(string(g.State), body.StatesFilter) || !passes(classicType, body.TypesFilter) {
				continue
			}
			rg := kmsg.NewListGroupsResponseGroup()
			rg.Group, rg.ProtocolType, rg.GroupState, rg.GroupType = g.ID, g.ProtocolType, string(g.State), classicType
			resp.Groups = append(resp.Groups, rg)
		}
	}
	if req.Listener == Local {
		a.listOthers(ctx, req, body, resp)
	}
	return resp
}

// passes reports whether a filter lets value through; an empty one lets
// everything.
func passes(value string, filter []string) bool {
	return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(f, value) })
}

// listOthers adds what the other nodes coordinate.
func (a *API) listOthers(ctx context.Context, req *Request, body *kmsg.ListGroupsRequest, resp *kmsg.ListGroupsResponse) {
	var (
		mu    sync.Mutex // guards resp
		asked sync.WaitGroup
	)
	for _, b := range a.cluster.Brokers() {
		if b.ID == a.Config.NodeID || !b.Alive {
			continue
		}
		asked.Go(func() {
			answer, err := a.forwardTo(ctx, b.ID, req, body)
			if err != nil {
				err = fmt.Errorf("%w: %w", kerr.CoordinatorNotAvailable, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if answer, ok := answer.(*kmsg.ListGroupsResponse); ok && err == nil {
				resp.Groups = append(resp.Groups, answer.Groups...)
				if answer.ErrorCode != 0 {
					resp.ErrorCode = answer.ErrorCode
				}
				return
			}
			resp.ErrorCode = a.code(req, err)
		})
	}
	asked.Wait()
}
