package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/group"
)

// What a group wants is answered by its coordinator, the leader of its shard:
// other nodes answer NOT_COORDINATOR, and clients look for the coordinator
// again. On the local-read listener it is forwarded.

// coordinator is this node's share of a group's coordination; whether it is in
// office, it knows itself.
func (a *API) coordinator(id string) *group.Coordinator {
	return a.Groups[group.ShardOf(id, len(a.Groups))]
}

// coordinatorNode is the node that coordinates a group; -1 when unknown.
func (a *API) coordinatorNode(id string) int32 {
	return a.shards[group.ShardOf(id, len(a.shards))].Status().Leader
}

// elsewhere has the group's coordinator answer body if that is to be done for
// the client: its answer; nil when this node is to answer; or an error, for
// the client to try again.
func (a *API) elsewhere(ctx context.Context, req *Request, id string, body kmsg.Request) (kmsg.Response, error) {
	if req.Listener != Local {
		return nil, nil
	}
	switch node := a.coordinatorNode(id); node {
	case a.Config.NodeID:
		return nil, nil
	case -1:
		return nil, fmt.Errorf("group %s has no coordinator at present: %w", id, kerr.CoordinatorNotAvailable)
	default:
		resp, err := a.forwardTo(ctx, node, req, body)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", kerr.CoordinatorNotAvailable, err)
		}
		return resp, nil
	}
}
