package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/shard"
)

// Shard is what a Coordinator needs of its shard; *shard.Shard is one.
type Shard interface {
	// Status must be cheap and must not wait for a Propose.
	Status() shard.Status
	// Propose returns the Machine's result once the command is applied here.
	Propose(ctx context.Context, kind byte, cmd []byte) (any, error)
	Watch(w *partition.Watcher)
	Unwatch(w *partition.Watcher)
}

// Limits and times of the protocol, as Kafka has them by default.
const (
	MinSessionTimeout = 6 * time.Second
	MaxSessionTimeout = 30 * time.Minute
	MaxOffsetMetadata = 4096 // bytes
	// keepEmpty is how long a group without members and offsets is still
	// listed.
	keepEmpty = 10 * time.Minute
)

// DefaultInitialDelay is how long a new group waits for more members before
// its first rebalance ends. Kafka's 3 s spare rebalances when many consumers
// start one by one; but the wait begins anew with each that comes, so half a
// second does for those that are started together, and one consumer alone
// gets its first record sooner.
const DefaultInitialDelay = 500 * time.Millisecond

const (
	proposeTimeout = 10 * time.Second
	fenceRetry     = 100 * time.Millisecond
	// grain bounds how often deadlines are looked through.
	grain = 10 * time.Millisecond
	idle  = time.Minute
)

// Options are a Coordinator's settings; each zero value has a default.
type Options struct {
	InitialDelay time.Duration // DefaultInitialDelay; negative: none
	Log          *slog.Logger
	Now          func() time.Time
	After        func(time.Duration) <-chan time.Time
	NewID        func() string // random part of member ids
}

// Coordinator is a node's share in coordinating the groups of one shard. It is
// safe for concurrent use. Run must run for it to take office.
type Coordinator struct {
	machine *Machine
	shard   Shard
	Options

	mu     sync.Mutex        // guards what follows, and all groups
	epoch  int32             // of the office; 0 when there is none
	groups map[string]*group // nil when there is no office
	armed  time.Time         // when Run will look again

	poke    chan struct{} // makes Run look now
	closing context.Context
	close   context.CancelFunc
	tasks   sync.WaitGroup // proposals of stores
}

// NewCoordinator returns the coordinator of the groups in a shard, whose
// replicated state is m.
func NewCoordinator(m *Machine, s Shard, o Options) *Coordinator {
	switch {
	case o.InitialDelay == 0:
		o.InitialDelay = DefaultInitialDelay
	case o.InitialDelay < 0:
		o.InitialDelay = 0
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.After == nil {
		o.After = time.After
	}
	if o.NewID == nil {
		o.NewID = randomID
	}
	c := &Coordinator{machine: m, shard: s, Options: o, poke: make(chan struct{}, 1)}
	c.closing, c.close = context.WithCancel(context.Background())
	return c
}

// Close ends Run and whatever waits here, and returns when what the
// coordinator has begun has ended.
func (c *Coordinator) Close() {
	c.close()
	c.resign() // no office, no more tasks
	c.tasks.Wait()
}

// Run takes office and leaves it as the shard's leadership comes and goes, and
// watches over deadlines. It returns when ctx ends or Close is called, closed.
// Call it once.
func (c *Coordinator) Run(ctx context.Context) {
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(c.closing, cancel)
	defer stop()
	w := partition.NewWatcher()
	c.shard.Watch(w)
	defer c.shard.Unwatch(w)
	for {
		next := c.step(ctx)
		select {
		case <-ctx.Done():
			return
		case <-w.C():
		case <-c.poke:
		case <-c.After(next):
		}
	}
}

// step does whatever is due and returns how long nothing more will be.
func (c *Coordinator) step(ctx context.Context) time.Duration {
	st := c.shard.Status()
	leads := st.Role == shard.Leader && st.Ready
	c.mu.Lock()
	epoch := c.epoch
	c.mu.Unlock()
	if epoch != 0 && (!leads || epoch != st.Epoch) {
		c.resign()
		epoch = 0
	}
	if leads && epoch == 0 {
		if err := c.takeOffice(ctx, st.Epoch); err != nil {
			c.Log.Warn("cannot take office", "epoch", st.Epoch, "err", err)
			return fenceRetry
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.Now()
	next := now.Add(idle)
	for _, g := range c.groups {
		c.expire(g, now)
		next = earliest(next, g.deadline())
	}
	c.armed = next
	return max(next.Sub(now), grain)
}

// takeOffice fences earlier offices and loads what they left.
func (c *Coordinator) takeOffice(ctx context.Context, epoch int32) error {
	if err := c.propose(ctx, command{op: opFence, epoch: epoch}); err != nil {
		return fmt.Errorf("fence: %w", err)
	}
	now := c.Now()
	groups := map[string]*group{}
	for id, meta := range c.machine.metas() {
		groups[id] = fromMeta(id, meta, now)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.closing.Err(); err != nil {
		return fmt.Errorf("closed: %w", err) // Close has resigned already
	}
	c.epoch, c.groups = epoch, groups
	c.Log.Debug("coordinating groups", "epoch", epoch, "groups", len(groups))
	return nil
}

// resign leaves the office, if there is one, and sends everybody who waits
// away.
func (c *Coordinator) resign() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.groups {
		for _, m := range g.members {
			m.failJoin(kerr.NotCoordinator)
			m.failSync(kerr.NotCoordinator)
		}
	}
	c.epoch, c.groups = 0, nil
}

// enter takes the lock for an operation of the office; unless it fails, the
// caller unlocks.
func (c *Coordinator) enter() error {
	st := c.shard.Status()
	if st.Role != shard.Leader {
		return kerr.NotCoordinator
	}
	c.mu.Lock()
	if !st.Ready || c.epoch != st.Epoch {
		c.mu.Unlock()
		return kerr.CoordinatorLoadInProgress
	}
	return nil
}

// abandoned is the answer to a request whose ctx has ended. A node that stops
// still sends it: it must make the client look for the next coordinator, where
// REQUEST_TIMED_OUT, which a bare ctx error would become, ends the Java client.
func abandoned(ctx context.Context) error {
	return fmt.Errorf("%w: %w", kerr.NotCoordinator, ctx.Err())
}

// by makes sure that Run looks at deadlines at t, and returns it.
func (c *Coordinator) by(t time.Time) time.Time {
	if t.Before(c.armed) {
		c.armed = t
		select {
		case c.poke <- struct{}{}:
		default:
		}
	}
	return t
}

// propose has a command committed; the error is what clients of a coordinator
// are told. Never call it with the lock held.
func (c *Coordinator) propose(ctx context.Context, cmd command) error {
	// Not the request's ctx alone: a node that stops, for one, still answers
	// what it has begun.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), proposeTimeout)
	defer cancel()
	stop := context.AfterFunc(c.closing, cancel)
	defer stop()
	result, err := c.shard.Propose(ctx, Kind, cmd.encode())
	if err == nil {
		err, _ = result.(error)
	}
	switch {
	case errors.Is(err, kerr.NotLeaderForPartition):
		return fmt.Errorf("%w: %w", kerr.NotCoordinator, err)
	case errors.Is(err, kerr.RequestTimedOut), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fmt.Errorf("%w: %w", kerr.CoordinatorNotAvailable, err)
	}
	return err
}
