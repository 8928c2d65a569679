package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"lockstep/compat/internal/raw"
)

// Options of a cluster.
type Options struct {
	Target Target
	// Runtime is process, docker or external.
	Runtime string
	// External says where the cluster is, for the runtime of that name.
	External External
	// Direct leaves toxiproxy out: edges are the nodes' own addresses, and Proxies is nil. For measuring, as processes only.
	Direct bool
	// Nodes is how many there are: 0 means Size. Another number goes with Direct only.
	Nodes int
	// Hosts are other places for nodes to run in than this machine's own network. They go with Direct only.
	Hosts map[int]Host
	// Settings are what Reconfigure takes, given to every node from the start.
	Settings map[string]string
	// LogDir is where every node's log goes, as node-N.log; toxiproxy's goes to toxiproxy.log.
	LogDir string
	// Root is the repository's root, below which the binaries lie.
	Root   string
	Logger *slog.Logger
}

// Host is a place that a node runs in: a network namespace, say.
type Host struct {
	// IP is where everybody reaches it, this process included.
	IP string
	// Enter is a command that runs the command that follows it there, in the same process: ip netns exec NAME.
	Enter []string
}

// runtime is how programs come to run. Its methods are called by one goroutine at a time for each node.
type runtime interface {
	// prepare chooses addresses and starts toxiproxy.
	prepare(ctx context.Context) (plan, error)
	// prepareNode makes a node's data directory ready for its first start, where nodes have one that is seen from here.
	prepareNode(n NodePlan) error
	// startNode starts a node that is not running, on the data it had.
	startNode(ctx context.Context, n NodePlan) error
	// kill is SIGKILL, stop is SIGTERM; both return when the node has ended.
	kill(ctx context.Context, node int) error
	// wipe empties the data directory of a node that does not run.
	wipe(ctx context.Context, n NodePlan) error
	stop(ctx context.Context, node int) error
	pause(ctx context.Context, node int) error
	resume(ctx context.Context, node int) error
	// able is what of a target's features there is in this runtime, and what the runtime itself has.
	able(Features) Features
	// running is false from the moment a node has ended, by itself or not.
	running(node int) bool
	// pid is the process id of a node's program; 0 where that is not known.
	pid(node int) int
	// close ends everything and removes the data. It may be called at any time, more than once.
	close() error
}

// Cluster is three nodes behind toxiproxy. Safe for concurrent use, but two goroutines must not start and stop the
// same node at once.
type Cluster struct {
	// Proxies is nil where there is no toxiproxy: see Features.
	Proxies *Proxies
	target  Target
	runtime string
	rt      runtime
	given   map[string]string // Options.Settings
	base    map[string]string // the same as a plan's Extra
	plan    plan
	dials   map[Edge]string
	reaches map[Edge]string
	logger  *slog.Logger

	mu     sync.Mutex                // guards the following
	extra  map[int]map[string]string // settings beside the plan's, by node
	closed map[int][]Edge            // proxies of nodes that do not run

	closeOnce sync.Once
	closeErr  error
}

// Start starts everything and waits until the cluster can be used. When it fails, it has cleaned up.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	c, err := Prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start the cluster (%s): %w", o.Runtime, err), c.Close())
	}
	return c, nil
}

// Prepare does all of Start but starting nodes (and waiting for them): addresses are chosen, toxiproxy runs, and data
// directories are formatted where the target does that. StartNode is then the beginning of a node's life.
func Prepare(ctx context.Context, o Options) (*Cluster, error) {
	c := &Cluster{target: o.Target, runtime: o.Runtime, logger: o.Logger, given: o.Settings, dials: map[Edge]string{}, reaches: map[Edge]string{},
		extra: map[int]map[string]string{}, closed: map[int][]Edge{}}
	if len(o.Hosts) > 0 && !o.Direct {
		return nil, errors.New("nodes in networks of their own are dialled directly")
	}
	if o.Runtime != "process" && (o.Direct || o.Nodes != 0) {
		return nil, fmt.Errorf("runtime %s always has %d nodes behind toxiproxy", o.Runtime, Size)
	}
	switch o.Runtime {
	case "process":
		c.rt = newProcesses(o)
	case "docker":
		if o.Target.Image() == "" {
			return nil, fmt.Errorf("there is no image of %s: use RUNTIME=process", o.Target.Name())
		}
		c.rt = newContainers(o)
	case "external":
		c.rt = &externals{o: o.External, target: o.Target}
	default:
		return nil, fmt.Errorf("unknown runtime %q (process, docker or external)", o.Runtime)
	}
	if err := c.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the cluster (%s): %w", o.Runtime, err), c.Close())
	}
	return c, nil
}

func (c *Cluster) prepare(ctx context.Context) error {
	base, err := c.target.Settings(c.given)
	if err != nil {
		return fmt.Errorf("configure %s: %w", c.target.Name(), err)
	}
	c.base = base
	p, err := c.rt.prepare(ctx)
	if err != nil {
		return err
	}
	c.plan = p
	for _, x := range p.proxies {
		c.dials[x.edge], c.reaches[x.edge] = x.dial, x.reach
	}
	if p.api != "" {
		c.Proxies = newProxies(p.api)
	}
	if p.given {
		return nil
	}
	if c.Proxies != nil {
		if err := c.Proxies.populate(p.proxies); err != nil {
			return err
		}
	}
	for _, n := range c.Members() {
		if err := c.rt.prepareNode(c.nodePlan(n)); err != nil {
			return fmt.Errorf("prepare node %d: %w", n, err)
		}
	}
	return nil
}

func (c *Cluster) start(ctx context.Context) error {
	if !c.plan.given {
		for _, n := range c.Members() {
			if err := c.StartNode(ctx, n); err != nil {
				return err
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return c.waitSettled(ctx)
}

// startWithin is how long a fresh cluster may take to be usable.
const startWithin = 90 * time.Second

// Close ends everything. It may be called from a signal handler while the cluster is in use, and more than once.
func (c *Cluster) Close() error {
	c.closeOnce.Do(func() { c.closeErr = c.rt.close() })
	return c.closeErr
}

// Runtime is process, docker or external.
func (c *Cluster) Runtime() string { return c.runtime }

// Features says what scenarios may ask of this target in this runtime.
func (c *Cluster) Features() Features { return c.rt.able(c.target.Features()) }

// Target is what runs.
func (c *Cluster) Target() Target { return c.target }

// Dial is the address to dial for an edge: for clients' edges as a client on this machine dials it.
func (c *Cluster) Dial(e Edge) string { return c.dials[e] }

// Reach is the address at which the suite itself dials an edge: also one that is made for peers.
func (c *Cluster) Reach(e Edge) string { return c.reaches[e] }

// Links are the edges, and those over which the same nodes talk beside them: a fault of one is to be a fault of both.
func (c *Cluster) Links(edges ...Edge) []Edge {
	out := slices.Clone(edges)
	for _, e := range edges {
		from, to, peers := e.Ends()
		beside := RecordsEdge(from, to)
		if _, there := c.dials[beside]; peers && there && !slices.Contains(out, beside) {
			out = append(out, beside)
		}
	}
	return out
}

// Greeting is what a stranger may send over an edge to see whether it carries.
func (c *Cluster) Greeting(e Edge) raw.Greeting {
	if from, to, peers := e.Ends(); peers {
		return c.target.PeerGreeting(from, to)
	}
	return raw.KafkaGreeting()
}

// Bootstrap is the proxied address of every node's ordinary listener.
func (c *Cluster) Bootstrap() []string {
	var out []string
	for _, n := range c.Members() {
		out = append(out, c.Dial(ClientEdge(n)))
	}
	return out
}

// Members are the node numbers, in order.
func (c *Cluster) Members() []int { return slices.Sorted(maps.Keys(c.plan.nodes)) }

// Direct is a node's ordinary listener, past the proxy: for the suite's own questions, so that proxies carry what
// clients exchange and nothing else.
func (c *Cluster) Direct(node int) string { return c.plan.direct[node].kafka }

// DirectLocal is a node's local-read listener, past the proxy.
func (c *Cluster) DirectLocal(node int) string { return c.plan.direct[node].local }

// HTTP is where a node of ours answers HTTP, past every proxy; "" where that is not known.
func (c *Cluster) HTTP(node int) string { return c.plan.direct[node].http }

// DataDir is where a node keeps its data, as the node sees it.
func (c *Cluster) DataDir(node int) string { return c.plan.nodes[node].DataDir }

// PID is the process id of a node that runs as a process, else 0.
func (c *Cluster) PID(node int) int { return c.rt.pid(node) }

// Rack is the rack that a node says it is in.
func (c *Cluster) Rack(node int) string { return c.plan.nodes[node].Rack }

// Running tells whether the node's program runs.
func (c *Cluster) Running(node int) bool { return c.rt.running(node) }

// StartNode starts a node that does not run; WaitReady tells when it is of use.
func (c *Cluster) StartNode(ctx context.Context, node int) error {
	c.logger.Info("start node", "node", node)
	if err := c.rt.startNode(ctx, c.nodePlan(node)); err != nil {
		return fmt.Errorf("start node %d: %w", node, err)
	}
	return c.openTo(node)
}

// Kill is kill -9.
func (c *Cluster) Kill(ctx context.Context, node int) error {
	if err := c.act("kill", node, c.rt.kill(ctx, node)); err != nil {
		return err
	}
	return c.closeTo(node)
}

// Stop is a graceful stop.
func (c *Cluster) Stop(ctx context.Context, node int) error {
	if err := c.act("stop", node, c.rt.stop(ctx, node)); err != nil {
		return err
	}
	return c.closeTo(node)
}

// Pause freezes a node: its connections stay, nothing answers.
func (c *Cluster) Pause(ctx context.Context, node int) error {
	return c.act("pause", node, c.rt.pause(ctx, node))
}

// Resume ends a Pause.
func (c *Cluster) Resume(ctx context.Context, node int) error {
	return c.act("resume", node, c.rt.resume(ctx, node))
}

func (c *Cluster) act(what string, node int, err error) error {
	c.logger.Info(what+" node", "node", node)
	if err != nil {
		return fmt.Errorf("%s node %d: %w", what, node, err)
	}
	return nil
}

// readyEvery is how often WaitReady looks.
const readyEvery = 100 * time.Millisecond

// WaitReady waits until the target says that the cluster can be used, twice in a row. A node that has ended by
// itself ends the wait at once.
func (c *Cluster) WaitReady(ctx context.Context) error {
	return c.await(ctx, "become ready", c.Healthy)
}

// waitSettled waits until the cluster can be used and leaders will stay where they are.
func (c *Cluster) waitSettled(ctx context.Context) error {
	return c.await(ctx, "settle", func(ctx context.Context) error {
		if err := c.Healthy(ctx); err != nil {
			return err
		}
		return c.target.Settled(ctx, c)
	})
}

// await looks until look finds nothing to complain of, twice in a row.
func (c *Cluster) await(ctx context.Context, what string, look func(context.Context) error) error {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	good := 0
	for {
		err := look(ctx)
		if err == nil {
			good++
			if good == 2 {
				return nil
			}
		} else {
			good = 0
		}
		for _, n := range c.Members() {
			if !c.Running(n) {
				return fmt.Errorf("node %d does not run (see its log)", n)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the cluster did not %s: %w (last: %v)", what, ctx.Err(), err)
		}
	}
}

// askWithin bounds one question to a node.
const askWithin = 2 * time.Second

// Healthy looks once: nil when the cluster can be used.
func (c *Cluster) Healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return c.target.Ready(ctx, c)
}

// Restore makes the cluster whole after a cell, whatever that left behind: proxies open, toxics gone, nodes running with
// the plan's own settings and ready.
func (c *Cluster) Restore(ctx context.Context) error {
	if err := c.Proxies.Reset(); err != nil {
		return err
	}
	if changed := c.reconfigured(); len(changed) > 0 {
		c.logger.Info("take settings back", "nodes", changed)
		if err := c.stopChanged(ctx, changed); err != nil {
			return err
		}
	}
	for _, n := range c.Members() {
		if !c.Running(n) {
			if err := c.StartNode(ctx, n); err != nil {
				return err
			}
			continue
		}
		if err := c.rt.resume(ctx, n); err != nil {
			return fmt.Errorf("resume node %d: %w", n, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return c.waitSettled(ctx)
}
