package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeCluster (key 60), versions 0 to 2.
//
// Brokers and controller are those of Metadata, on either listener. Version 1
// asks for brokers or controllers: controllers have no listeners of their own,
// so that is MISMATCHED_ENDPOINT_TYPE. Version 2 can ask for dead brokers as
// well (fenced ones, in Kafka's words).
func init() { register(kmsg.DescribeCluster, 0, 2, later((*API).describeCluster)) }

func (a *API) describeCluster(_ context.Context, req *Request, body *kmsg.DescribeClusterRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.DescribeClusterResponse)
	resp.ClusterID = a.cluster.ClusterID()
	resp.ControllerID = a.controllerFor(req)
	if err := checkEndpointType(body); err != nil {
		resp.ErrorCode, resp.ErrorMessage = a.code(req, err), message(err)
		return resp
	}
	for _, b := range a.cluster.Brokers() {
		e, ok := endpoint(b, req.Listener)
		if !ok || !b.Alive && !body.IncludeFencedBrokers {
			continue
		}
		rb := kmsg.NewDescribeClusterResponseBroker()
		rb.NodeID, rb.Host, rb.Port, rb.Rack, rb.IsFenced = b.ID, e.Host, e.Port, optional(b.Rack), !b.Alive
		resp.Brokers = append(resp.Brokers, rb)
	}
	return resp
}

func checkEndpointType(body *kmsg.DescribeClusterRequest) error {
	const brokers, controllers = 1, 2
	switch {
	case body.Version < 1 || body.EndpointType == brokers:
		return nil
	case body.EndpointType == controllers:
		return fmt.Errorf("controllers are brokers here, without endpoints of their own: %w", kerr.MismatchedEndpointType)
	default:
		return fmt.Errorf("endpoint type %d: %w", body.EndpointType, kerr.UnsupportedEndpointType)
	}
}
