package api

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// kafkaError finds what a client is to be told of err. A context's deadline is
// REQUEST_TIMED_OUT, as the request's own timeout; nil stays nil.
func kafkaError(err error) *kerr.Error {
	var k *kerr.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &k):
		return k
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return kerr.RequestTimedOut
	default:
		return kerr.UnknownServerError
	}
}

// code returns the error code for err, 0 for nil, and counts it. An error that
// has no code is logged: it is the broker's fault.
func (a *API) code(req *Request, err error) int16 {
	if err == nil {
		return 0
	}
	k := kafkaError(err)
	if k == kerr.UnknownServerError {
		a.Log.Error("request failed", "api", req.Name(), "version", req.Version, "client", req.ClientID, "host", req.ClientHost, "err", err)
	}
	a.Metrics.RequestErrors.WithLabelValues(req.Name(), k.Message).Inc()
	return k.Code
}

// message returns the text of err for the response fields that have room for
// one; nil for nil.
func message(err error) *string {
	if err == nil {
		return nil
	}
	s := err.Error()
	return &s
}
