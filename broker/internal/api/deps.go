package api

import (
	"context"
	"log/slog"
	"time"

	"lockstep/broker/internal/config"
	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/group"
	"lockstep/broker/internal/metrics"
	"lockstep/broker/internal/shard"
)

// Deps is what the handlers work on; node fills it in.
type Deps struct {
	Config     *config.Config
	Controller *controller.Controller
	Shards     []*shard.Shard       // by id; every node has a replica of every shard
	Groups     []*group.Coordinator // by shard id
	// Forward sends a whole Kafka request (header and body, without the
	// length prefix) to another node's handlers and returns its response
	// likewise. The request is answered there as on the normal listener.
	Forward func(ctx context.Context, node int32, request []byte) ([]byte, error)
	Metrics *metrics.Metrics
	Log     *slog.Logger
}

// API answers requests. It is safe for concurrent use.
type API struct {
	Deps

	// cluster and shards are Controller and Shards as the handlers of this
	// package see them; tests put fakes here.
	cluster cluster
	shards  []replica

	sessions *sessions
	load     *load
	departed departed
	lags     switches // shards whose replica here lags
}

// New returns an API that works on d.
func New(d Deps) *API {
	a := newAPI(d, d.Controller)
	for _, s := range d.Shards {
		a.shards = append(a.shards, shardReplica{s})
	}
	return a
}

func newAPI(d Deps, c cluster) *API {
	return &API{Deps: d, cluster: c, sessions: newSessions(), load: newLoad(), lags: switches{on: map[uint32]time.Time{}}}
}
