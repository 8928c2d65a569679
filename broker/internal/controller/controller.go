package controller

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"lockstep/broker/internal/config"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/rafttransport"
	"lockstep/broker/internal/shard"
)

// Options is what a controller works with.
type Options struct {
	Self    Broker // this node, as it registers
	Config  *config.Config
	Machine *Machine
	Shard   *shard.Shard // shard 0
	Mux     *rafttransport.Mux
	Nodes   int // number of nodes in the cluster
	Log     *slog.Logger
}

// Controller is this node's replica of the cluster's metadata. Reads are
// local and lock-free snapshots; changes go to the leader of shard 0, wherever
// it is, and return once this node has applied them.
type Controller struct {
	Options

	waiting sync.Mutex // guards applied
	applied chan struct{}

	current chan struct{} // closed once this node has caught up

	producers struct {
		sync.Mutex
		next, end int64 // ids of this node's block
	}
}

// New returns a controller; Run makes it live.
func New(o Options) *Controller {
	c := &Controller{Options: o, applied: make(chan struct{}), current: make(chan struct{})}
	o.Mux.Handle(ServicePropose, c.servePropose)
	return c
}

// Topic returns a topic by its name; nil when there is none.
func (c *Controller) Topic(name string) *Topic { return c.Machine.now.Load().topics.get(name) }

// TopicByID returns a topic by its id; nil when there is none.
func (c *Controller) TopicByID(id partition.TopicID) *Topic { return c.Machine.now.Load().byID.get(id) }

// Topics returns all topics, by name.
func (c *Controller) Topics() []*Topic {
	s := c.Machine.now.Load()
	return slices.SortedFunc(values(s.topics), func(a, b *Topic) int { return strings.Compare(a.Name, b.Name) })
}

// Deleted reports whether a topic is known to have been deleted.
func (c *Controller) Deleted(id partition.TopicID) bool { return c.Machine.now.Load().deleted.get(id) }

// Brokers returns all registered brokers, ascending by id. A node that hears
// no majority of them has most likely been cut off itself: it calls nobody
// dead, so that its clients learn of the others from it and go to them.
func (c *Controller) Brokers() []Broker {
	s := c.Machine.now.Load()
	all := slices.SortedFunc(maps.Values(s.Brokers), func(a, b Broker) int { return int(a.ID) - int(b.ID) })
	judge(all, func(id int32) bool { return id == c.Self.ID || time.Since(c.Mux.Contact(id)) < c.Config.Lease })
	return all
}

// judge sets Alive of each broker by whether it is heard.
func judge(all []Broker, heard func(id int32) bool) {
	alive := 0
	for i := range all {
		if all[i].Alive = heard(all[i].ID); all[i].Alive {
			alive++
		}
	}
	if alive > len(all)/2 {
		return
	}
	for i := range all {
		all[i].Alive = true
	}
}

// ClusterID is stable for the cluster's life; "" until known.
func (c *Controller) ClusterID() string { return c.Machine.now.Load().ClusterID }

// ControllerID is the node that leads shard 0, -1 when unknown.
func (c *Controller) ControllerID() int32 { return c.Shard.Status().Leader }

// Registered reports whether the cluster knows this node by its present
// addresses and has an id.
func (c *Controller) Registered() bool {
	s := c.Machine.now.Load()
	return s.Brokers[c.Self.ID] == c.Self && s.ClusterID != ""
}

// Current reports whether this node knows everything that the cluster knew when
// the node was started. Until then, what it does not know of may well be there.
// (Registered does not tell: a node whose disk was emptied learns of its own
// registration long before the newest topics.)
func (c *Controller) Current() bool {
	select {
	case <-c.current:
		return true
	default:
		return false
	}
}

// AwaitCurrent waits until Current, or the end of ctx.
func (c *Controller) AwaitCurrent(ctx context.Context) {
	select {
	case <-c.current:
	case <-ctx.Done():
	}
}

// catchUp closes current when it is time to.
func (c *Controller) catchUp(ctx context.Context) {
	if c.Shard.ReadIndex(ctx) == nil {
		close(c.current)
	}
}

// Run keeps this node registered and wakes who waits for a change, until ctx
// ends.
func (c *Controller) Run(ctx context.Context) error {
	leaders := partition.NewWatcher() // of shard 0: with a new one it can be tried at once
	go c.catchUp(ctx)
	c.Shard.Watch(leaders)
	defer c.Shard.Unwatch(leaders)
	retry := time.NewTicker(200 * time.Millisecond)
	defer retry.Stop()
	registering := make(chan struct{}, 1)
	for {
		if !c.Registered() && c.ControllerID() >= 0 {
			select {
			case registering <- struct{}{}:
				go func() {
					c.register(ctx)
					<-registering
				}()
			default:
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.Machine.changed:
			c.waiting.Lock()
			close(c.applied)
			c.applied = make(chan struct{})
			c.waiting.Unlock()
		case <-leaders.C():
		case <-retry.C:
			if c.Registered() {
				retry.Reset(5 * time.Second)
			}
		}
	}
}

// register proposes this node's addresses, and an id for a cluster without.
// It is tried again until it shows.
func (c *Controller) register(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if c.ClusterID() == "" {
		if _, err := c.propose(ctx, command{Form: &formCluster{ID: newClusterID()}}); err != nil {
			c.Log.Debug("form the cluster", "error", err)
			return
		}
	}
	if _, err := c.propose(ctx, command{Register: &c.Self}); err != nil {
		c.Log.Debug("register this node", "error", err)
	}
}
