package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// FindCoordinator (key 10), versions 0 to 6.
//
// A group's coordinator is the leader of the group's shard, as far as this node
// knows: COORDINATOR_NOT_AVAILABLE while it knows none, or knows it to be dead.
// On the local-read listener it is this node, which forwards. There are no
// coordinators of transactions or share groups: UNSUPPORTED_VERSION, which
// clients report instead of trying again.
//
// Version 1 brings types and messages, 4 many keys in one request; 5 and 6 only
// allow more in transactions and for share groups.
func init() { register(kmsg.FindCoordinator, 0, 6, later((*API).findCoordinator)) }

func (a *API) findCoordinator(_ context.Context, req *Request, body *kmsg.FindCoordinatorRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.FindCoordinatorResponse)
	if body.Version >= 4 {
		for _, key := range body.CoordinatorKeys {
			resp.Coordinators = append(resp.Coordinators, a.findOne(req, body.CoordinatorType, key))
		}
		return resp
	}
	c := a.findOne(req, body.CoordinatorType, body.CoordinatorKey)
	resp.NodeID, resp.Host, resp.Port = c.NodeID, c.Host, c.Port
	resp.ErrorCode, resp.ErrorMessage = c.ErrorCode, c.ErrorMessage
	return resp
}

func (a *API) findOne(req *Request, kind int8, key string) kmsg.FindCoordinatorResponseCoordinator {
	c := kmsg.NewFindCoordinatorResponseCoordinator()
	c.Key, c.NodeID, c.Port = key, -1, -1
	err := checkCoordinatorKey(kind, key)
	if err == nil {
		node := a.Config.NodeID
		if req.Listener != Local {
			node = a.coordinatorNode(key)
		}
		err = fmt.Errorf("group %s has no coordinator at present: %w", key, kerr.CoordinatorNotAvailable)
		for _, b := range a.cluster.Brokers() {
			if e, ok := endpoint(b, req.Listener); ok && b.ID == node && b.Alive {
				c.NodeID, c.Host, c.Port, err = b.ID, e.Host, e.Port, nil
			}
		}
	}
	c.ErrorCode, c.ErrorMessage = a.code(req, err), message(err)
	return c
}

func checkCoordinatorKey(kind int8, key string) error {
	const groups, transactions = 0, 1
	switch {
	case kind == transactions:
		return fmt.Errorf("transactions are not supported: %w", kerr.UnsupportedVersion)
	case kind != groups:
		return fmt.Errorf("coordinators of type %d are not supported, only groups (0): %w", kind, kerr.UnsupportedVersion)
	case key == "":
		return fmt.Errorf("the group id is empty: %w", kerr.InvalidGroupID)
	}
	return nil
}
