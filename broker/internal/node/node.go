package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lockstep/broker/internal/api"
	"lockstep/broker/internal/config"
	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/group"
	"lockstep/broker/internal/metrics"
	"lockstep/broker/internal/rafttransport"
	"lockstep/broker/internal/server"
	"lockstep/broker/internal/shard"
)

// serviceKafka is the node-to-node service that answers forwarded Kafka
// requests.
const serviceKafka = 3

// stepDownTime bounds the handing over of leadership at a stop.
const stepDownTime = 2 * time.Second

// Node is a running broker.
type Node struct {
	cfg     *config.Config
	version string
	log     *slog.Logger
	logs    func(component string) *slog.Logger

	lock    *os.File
	mux     *rafttransport.Mux
	shards  []*shard.Shard
	control *controller.Controller
	groups  []*group.Coordinator
	server  *server.Server
	http    net.Listener
	metrics *metrics.Metrics

	fatal chan error // a shard cannot go on
}

// Open recovers a node from its data directory and takes its addresses; it
// serves once Run is called. logs gives the logger of a component.
func Open(cfg *config.Config, version string, logs func(component string) *slog.Logger) (*Node, error) {
	n := &Node{
		cfg: cfg, version: version, logs: logs, log: logs("node"),
		metrics: metrics.New(), fatal: make(chan error, 1),
	}
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.release())
	}
	return n, nil
}

func (n *Node) open() (err error) {
	if n.lock, err = openDataDir(n.cfg); err != nil {
		return err
	}
	raftListener, err := listen("raft-addr", "LOCKSTEP_RAFT_ADDR", n.cfg.RaftListen)
	if err != nil {
		return err
	}
	n.mux = rafttransport.New(rafttransport.Config{
		LocalID: n.cfg.NodeID, Listener: raftListener, Peers: n.cfg.Peers, Logger: n.logs("transport"),
	})
	if n.cfg.HTTPListen != "" {
		if n.http, err = listen("http-addr", "LOCKSTEP_HTTP_ADDR", n.cfg.HTTPListen); err != nil {
			return err
		}
	}
	machine := controller.NewMachine()
	groupMachines, err := n.openShards(machine)
	if err != nil {
		return err
	}
	return n.openAPI(machine, groupMachines)
}

func listen(flag, env, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: choose another address with --%s or %s: %w", addr, flag, env, err)
	}
	return l, nil
}

// replicas are the ids of all nodes: each has a replica of each shard.
func (n *Node) replicas() []int32 {
	ids := slices.Sorted(maps.Keys(n.cfg.Peers))
	if len(ids) == 0 {
		ids = []int32{n.cfg.NodeID}
	}
	return ids
}

func (n *Node) openShards(meta *controller.Machine) ([]*group.Machine, error) {
	machines := make([]*group.Machine, n.cfg.Shards)
	n.shards = make([]*shard.Shard, n.cfg.Shards)
	var opening errgroup.Group
	opening.SetLimit(4)
	for i := range n.shards {
		machines[i] = group.NewMachine()
		kinds := map[byte]shard.Machine{group.Kind: machines[i]}
		if i == 0 {
			kinds[controller.Kind] = meta
		}
		opening.Go(func() (err error) {
			n.shards[i], err = shard.Open(shard.Options{
				ID: uint32(i), Node: n.cfg.NodeID, Replicas: n.replicas(), Dir: filepath.Join(n.cfg.DataDir, "shards"),
				Sync: n.cfg.FsyncAlways, Mux: n.mux, Machines: kinds,
				SegmentBytes: n.cfg.SegmentBytes, Log: n.logs("shard").With("shard", i), Fatal: n.fail,
			})
			return err
		})
	}
	return machines, opening.Wait()
}

// fail ends the node because of err; only the first counts.
func (n *Node) fail(err error) {
	select {
	case n.fatal <- err:
	default:
	}
}

func (n *Node) openAPI(meta *controller.Machine, groupMachines []*group.Machine) error {
	client, err := advertised(n.cfg.Advertised, n.cfg.Listen)
	if err != nil {
		return err
	}
	local, err := advertised(n.cfg.AdvertisedLocal, n.cfg.LocalListen)
	if err != nil {
		return err
	}
	n.control = controller.New(controller.Options{
		Self:   controller.Broker{ID: n.cfg.NodeID, Rack: n.cfg.Rack, Client: client, Local: local},
		Config: n.cfg, Machine: meta, Shard: n.shards[0], Mux: n.mux, Nodes: len(n.replicas()), Log: n.logs("controller"),
	})
	for i, m := range groupMachines {
		n.groups = append(n.groups, group.NewCoordinator(m, n.shards[i], group.Options{Log: n.logs("group")}))
	}
	n.server = server.New(server.Options{
		API: api.New(api.Deps{
			Config: n.cfg, Controller: n.control, Shards: n.shards, Groups: n.groups,
			Forward: n.forward, Metrics: n.metrics, Log: n.logs("api"),
		}),
		Config: n.cfg, Metrics: n.metrics, Log: n.logs("server"),
	})
	n.mux.Handle(serviceKafka, func(ctx context.Context, _ int32, req []byte) ([]byte, error) {
		return n.server.Dispatch(ctx, req)
	})
	shard.Serve(n.mux, n.shard)
	return n.server.Listen()
}

func (n *Node) forward(ctx context.Context, node int32, request []byte) ([]byte, error) {
	return n.mux.Call(ctx, node, serviceKafka, request)
}

func (n *Node) shard(id uint32) *shard.Shard {
	if id >= uint32(len(n.shards)) {
		return nil
	}
	return n.shards[id]
}

// advertised is the address that clients are told.
func advertised(address, listening string) (controller.Endpoint, error) {
	if listening == "" {
		return controller.Endpoint{}, nil
	}
	if address == "" {
		address = listening
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return controller.Endpoint{}, fmt.Errorf("address %q: use host:port: %w", address, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil || number < 1 || number > 65535 {
		return controller.Endpoint{}, fmt.Errorf("address %q: the port must be 1 to 65535", address)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return controller.Endpoint{Host: host, Port: int32(number)}, nil
}

// Run serves until ctx ends, then stops gracefully. It returns why the node
// stopped otherwise.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	under, stopUnder := context.WithCancel(context.WithoutCancel(ctx)) // outlives the listeners
	defer stopUnder()
	var base, front errgroup.Group
	run := func(g *errgroup.Group, ctx context.Context, part func(context.Context) error) {
		g.Go(func() error {
			err := part(ctx)
			if err != nil {
				cancel(err)
			}
			return err
		})
	}
	run(&base, under, n.mux.Run)
	for _, s := range n.shards {
		run(&base, under, s.Run)
	}
	run(&base, under, n.control.Run)
	run(&base, under, n.retain)
	for _, g := range n.groups {
		run(&base, under, func(ctx context.Context) error { g.Run(ctx); return nil })
	}
	run(&front, ctx, n.server.Run)
	run(&front, ctx, n.serveHTTP)
	n.log.Info("started", "node", n.cfg.NodeID, "version", n.version, "clients", n.server.Addr(api.Normal).String())

	var err error
	select {
	case err = <-n.fatal:
		cancel(err)
	case <-ctx.Done():
	}
	err = errors.Join(err, front.Wait())
	if err == nil {
		n.stepDown()
	}
	stopUnder()
	err = errors.Join(err, base.Wait(), n.release())
	n.log.Info("stopped")
	return err
}

// stepDown hands all leadership over.
func (n *Node) stepDown() {
	var done sync.WaitGroup
	for _, s := range n.shards {
		done.Go(s.StepDown)
	}
	finished := make(chan struct{})
	go func() { done.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(stepDownTime):
	}
}

// release gives back what Open has taken and Run does not close.
func (n *Node) release() error {
	var err error
	if n.mux != nil {
		err = n.mux.Close()
	}
	if n.server != nil {
		n.server.Close()
	}
	if n.http != nil {
		if e := n.http.Close(); !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	if n.lock != nil {
		err = errors.Join(err, n.lock.Close())
	}
	return err
}

// serveHTTP answers health checks, metrics and replica state until ctx ends.
func (n *Node) serveHTTP(ctx context.Context) error {
	if n.http == nil {
		return nil
	}
	s := &http.Server{Handler: n.handler(), ReadHeaderTimeout: 5 * time.Second}
	stopped := context.AfterFunc(ctx, func() { s.Close() }) //nolint:errcheck // nothing is left to lose
	defer stopped()
	if err := s.Serve(n.http); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("HTTP on %s: %w", n.cfg.HTTPListen, err)
	}
	return nil
}
