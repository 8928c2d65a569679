package scenario

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/records"
	"lockstep/compat/internal/report"
)

// Cell is one scenario with one client while it runs.
type Cell struct {
	Scenario *Scenario
	Kind     clients.Kind
	Cluster  *cluster.Cluster
	H        *history.Cell
	// Dir is where this cell's files go.
	Dir string
	// Seed is this cell's own, made from the run's.
	Seed uint64
	// Result is what the report tells. Status, Reason and Seconds are the frame's to set.
	Result report.Cell

	root string
	now  func() time.Time

	mu      sync.Mutex // guards all below
	running []clients.Client
	errs    []error
	topics  map[string]bool // the cell's own, for the watcher
}

// Fail adds a complaint about this cell, nil being none: for scenarios that run many cells at once, or go on after one.
func (c *Cell) Fail(err error) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}

// Failed tells whether there has been a complaint.
func (c *Cell) Failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.errs) > 0
}

// seedFor makes a cell's seed.
func seedFor(seed uint64, cell string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s", seed, cell)
	return h.Sum64()
}

// Start starts a client of some kind for this cell; the frame ends it with the cell if the scenario does not.
func (c *Cell) Start(ctx context.Context, k clients.Kind, name string) (clients.Client, error) {
	client, err := k.Start(ctx, clients.Options{Root: c.root, LogDir: c.Dir, Cell: c.H, Name: name})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.running = append(c.running, client)
	c.mu.Unlock()
	return client, nil
}

// StartUnderTest starts the client that the cell is about and notes its version.
func (c *Cell) StartUnderTest(ctx context.Context) (clients.Client, error) {
	client, err := c.Start(ctx, c.Kind, c.Kind.Name)
	if err != nil {
		return nil, err
	}
	c.Result.ClientVersion = client.Info().Version
	return client, nil
}

// Again makes the cell ready for another try after one that showed nothing: its clients are ended, what happened is kept
// in the file but no longer judged, and the reason for the second try is noted.
func (c *Cell) Again(why error) {
	c.killAll()
	c.H.Restart(why.Error())
}

// killAll ends what the scenario left running.
func (c *Cell) killAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, client := range c.running {
		client.Kill()
	}
}

// Records makes n records that the cell's client can carry, from the cell's seed and a number that tells one set
// of a cell from another.
func (c *Cell) Records(set uint64, n int, client clients.Client) []records.Record {
	base := c.now().UnixMilli()
	if c.Kind.Plain {
		return records.Plain(c.Seed+set, n, base)
	}
	return records.Nasty(c.Seed+set, n, base, records.LimitsOf(client.Info().Features))
}

// FromFollower steers a consumer of the cell's client to a follower: by its rack, or by its local-read listener.
func (c *Cell) FromFollower(t Topic, follower int) clients.ConsumerOptions {
	o := clients.ConsumerOptions{Bootstrap: c.Cluster.Bootstrap(), Topic: t.Name, Partition: t.Partition}
	if c.Kind.Local {
		o.Bootstrap = []string{c.Cluster.Dial(cluster.LocalEdge(follower))}
	} else {
		o.Rack = c.Cluster.Rack(follower)
	}
	return o
}

// FollowerEdge is the edge over which that consumer reads.
func (c *Cell) FollowerEdge(follower int) cluster.Edge {
	if c.Kind.Local {
		return cluster.LocalEdge(follower)
	}
	return cluster.ClientEdge(follower)
}

// WriteFile keeps a file beside the cell's logs and returns its path.
func (c *Cell) WriteFile(name string, body []byte) (string, error) {
	path := filepath.Join(c.Dir, name)
	return path, os.WriteFile(path, body, 0o644)
}

// dirName makes a cell's name fit for a directory.
func dirName(cell string) string { return strings.ReplaceAll(cell, "/", "-") }

func (c *Cell) complaints() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.errs)
}
