package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// InitProducerId (key 22), versions 0 to 5.
//
// An idempotent producer gets an id that was never given before, with epoch 0;
// an id and epoch that it already has (version 3) are not needed to renew them,
// so they are ignored, as by Apache Kafka. Any node answers. Transactions are
// not supported: a transactional id is UNSUPPORTED_VERSION, which clients
// report instead of trying again.
func init() { register(kmsg.InitProducerID, 0, 5, later((*API).initProducerID)) }

func (a *API) initProducerID(ctx context.Context, req *Request, body *kmsg.InitProducerIDRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	if body.TransactionalID != nil {
		a.Log.Info("transactional producer refused", "transactional_id", *body.TransactionalID, "client", req.ClientID, "host", req.ClientHost)
		resp.ErrorCode = a.code(req, kerr.UnsupportedVersion)
		return resp
	}
	id, err := a.cluster.AllocateProducerID(ctx)
	if err != nil {
		resp.ErrorCode = a.code(req, asRetriable(fmt.Errorf("allocate a producer id: %w", err)))
		return resp
	}
	resp.ProducerID, resp.ProducerEpoch = id, 0
	return resp
}

// asRetriable turns the errors by which a change of metadata fails for a while,
// for lack of a leader, into one that producers wait out.
func asRetriable(err error) error {
	switch kafkaError(err) {
	case kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.LeaderNotAvailable:
		return kerr.CoordinatorLoadInProgress
	default:
		return err
	}
}
