package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// raftAlone is what the replication library does by itself with entries of the size of our blobs: no Kafka protocol, no
// disk, nothing to apply to.
func raftAlone(ctx context.Context, s *System) (map[string]float64, error) {
	nodes, err := raftNodes(3)
	defer func() {
		for _, n := range nodes {
			_ = n.raft.Shutdown().Error()
			_ = n.transport.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	var leader *raft.Raft
	err = await(ctx, 20*time.Second, func() error {
		for _, n := range nodes {
			if n.raft.State() == raft.Leader {
				leader = n.raft
				return nil
			}
		}
		return errors.New("there is no leader")
	})
	if err != nil {
		return nil, err
	}
	const deep = 4
	entry, flights := noise(chunk), make(chan raft.ApplyFuture, deep)
	done := make(chan error, 1)
	applied := 0
	go func() {
		for f := range flights {
			if err := f.Error(); err != nil {
				done <- err
				return
			}
			applied++
		}
		done <- nil
	}()
	start := time.Now()
	for end := start.Add(s.Bench.Span(5*time.Second, 2*time.Second)); time.Now().Before(end); {
		select {
		case flights <- leader.Apply(entry, 10*time.Second):
		case err := <-done:
			return nil, fmt.Errorf("apply: %w", err)
		}
	}
	close(flights)
	if err := <-done; err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return map[string]float64{"throughput": float64(applied*chunk) / mb / time.Since(start).Seconds()}, nil
}

type raftNode struct {
	raft      *raft.Raft
	transport *raft.NetworkTransport
}

// raftNodes are so many members of one group, each with its log in memory.
func raftNodes(count int) ([]raftNode, error) {
	var nodes []raftNode
	var servers raft.Configuration
	for i := range count {
		t, err := raft.NewTCPTransportWithLogger("127.0.0.1:0", nil, 3, 10*time.Second, hclog.NewNullLogger())
		if err != nil {
			return nodes, fmt.Errorf("listen for Raft: %w", err)
		}
		config := raft.DefaultConfig()
		config.LocalID, config.Logger = raft.ServerID(fmt.Sprint(i+1)), hclog.NewNullLogger()
		config.SnapshotThreshold, config.TrailingLogs = 1000, 1000 // or memory would fill up
		store := raft.NewInmemStore()
		r, err := raft.NewRaft(config, nothing{}, store, store, raft.NewInmemSnapshotStore(), t)
		if err != nil {
			return nodes, fmt.Errorf("start Raft: %w", errors.Join(err, t.Close()))
		}
		nodes = append(nodes, raftNode{r, t})
		servers.Servers = append(servers.Servers, raft.Server{ID: config.LocalID, Address: t.LocalAddr()})
	}
	if err := nodes[0].raft.BootstrapCluster(servers).Error(); err != nil {
		return nodes, fmt.Errorf("bootstrap Raft: %w", err)
	}
	return nodes, nil
}

// nothing is a state machine without a state.
type nothing struct{}

func (nothing) Apply(*raft.Log) any                  { return nil }
func (nothing) Snapshot() (raft.FSMSnapshot, error)  { return nothing{}, nil }
func (nothing) Restore(r io.ReadCloser) error        { return r.Close() }
func (nothing) Persist(sink raft.SnapshotSink) error { return sink.Close() }
func (nothing) Release()                             {}
