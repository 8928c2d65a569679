package controller

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/config"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/rafttransport"
	"lockstep/broker/internal/shard"
)

// running starts n nodes, each with shard 0 and a controller.
func running(t *testing.T, n int) map[int32]*Controller {
	t.Helper()
	listeners, peers := map[int32]net.Listener{}, map[int32]string{}
	var replicas []int32
	for id := int32(1); id <= int32(n); id++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[id], peers[id], replicas = l, l.Addr().String(), append(replicas, id)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ran sync.WaitGroup
	t.Cleanup(func() { cancel(); ran.Wait() })
	all, log := map[int32]*Controller{}, slog.New(slog.DiscardHandler)
	for id, l := range listeners {
		mux, machine := rafttransport.New(rafttransport.Config{LocalID: id, Listener: l, Peers: peers}), NewMachine()
		s, err := shard.Open(shard.Options{
			Node: id, Replicas: replicas, Dir: t.TempDir(), Mux: mux, Machines: map[byte]shard.Machine{Kind: machine}, Log: log,
			Fatal: func(err error) { t.Error(err) },
		})
		if err != nil {
			t.Fatal(err)
		}
		shard.Serve(mux, func(uint32) *shard.Shard { return s })
		c := New(Options{
			Self: Broker{ID: id, Client: Endpoint{"localhost", 9091 + id}}, Config: config.Default(), Machine: machine, Shard: s, Mux: mux, Nodes: n, Log: log,
		})
		all[id] = c
		for _, run := range []func(context.Context) error{mux.Run, s.Run, c.Run} {
			ran.Go(func() {
				if err := run(ctx); err != nil {
					t.Errorf("node %d: %v", id, err)
				}
			})
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		ready := 0
		for _, c := range all {
			if c.Registered() && c.Current() && len(c.Brokers()) == n && c.ControllerID() > 0 {
				ready++
			}
		}
		if ready == n {
			return all
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d nodes have come together", ready)
		}
	}
}

func TestChangesFromAnyNodeShowThere(t *testing.T) {
	all := running(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	ids := map[int64]bool{}
	for id, c := range all {
		if got := all[1].ClusterID(); c.ClusterID() != got || got == "" {
			t.Errorf("node %d: cluster %q, node 1: %q", id, c.ClusterID(), got)
		}
		name := string('a' + rune(id))
		topic, err := c.CreateTopic(ctx, TopicSpec{Name: name, Partitions: 2, ReplicationFactor: -1})
		if err != nil || c.Topic(name) != topic || c.TopicByID(topic.ID) != topic {
			t.Fatalf("node %d: %+v, %v", id, topic, err)
		}
		if err := c.CreatePartitions(ctx, name, 5); err != nil || len(c.Topic(name).Shards) != 5 {
			t.Errorf("node %d: more partitions: %v, %v", id, c.Topic(name).Shards, err)
		}
		value := "1"
		if err := c.AlterConfigs(ctx, name, map[string]*string{"x": &value}); err != nil || c.Topic(name).Configs["x"] != "1" {
			t.Errorf("node %d: configs: %v", id, err)
		}
		for range 3 {
			p, err := c.AllocateProducerID(ctx)
			if err != nil || ids[p] {
				t.Errorf("node %d: producer id %d again, or %v", id, p, err)
			}
			ids[p] = true
		}
		if err := c.DeleteTopic(ctx, topic.ID); err != nil || c.Topic(name) != nil || !c.Deleted(topic.ID) {
			t.Errorf("node %d: delete: %v", id, err)
		}
		if err := c.DeleteTopic(ctx, partition.TopicID{1}); !errors.Is(err, kerr.UnknownTopicID) {
			t.Errorf("node %d: delete what is not there: %v", id, err)
		}
		got, err := c.CreateTopic(ctx, TopicSpec{Name: "dry", Partitions: 2, ReplicationFactor: -1, ValidateOnly: true})
		if err != nil || len(got.Shards) != 2 || c.Topic("dry") != nil {
			t.Errorf("node %d: validate only: %v", id, err)
		}
	}
}

// TestCreateTopicAtOnce has all nodes create one topic: one does, and when the
// others are refused they know it.
func TestCreateTopicAtOnce(t *testing.T) {
	all := running(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		var callers sync.WaitGroup
		var mu sync.Mutex
		var codes []error
		for id, c := range all {
			callers.Go(func() {
				_, err := c.CreateTopic(ctx, TopicSpec{Name: name, Partitions: 1, ReplicationFactor: -1})
				if c.Topic(name) == nil {
					t.Errorf("node %d was answered %v and does not know %s", id, err, name)
				}
				mu.Lock()
				defer mu.Unlock()
				codes = append(codes, err)
			})
		}
		callers.Wait()
		refused := slices.DeleteFunc(codes, func(err error) bool { return err == nil })
		if len(refused) != 2 || !errors.Is(refused[0], kerr.TopicAlreadyExists) || !errors.Is(refused[1], kerr.TopicAlreadyExists) {
			t.Errorf("%s: refused: %v", name, refused)
		}
	}
}

func TestWithoutALeader(t *testing.T) {
	mux := rafttransport.New(rafttransport.Config{LocalID: 1, Listener: silentListener(t), Peers: nil})
	t.Cleanup(func() {
		if err := mux.Close(); err != nil {
			t.Error(err)
		}
	})
	m := NewMachine()
	s, err := shard.Open(shard.Options{Node: 1, Replicas: []int32{1}, Dir: t.TempDir(), Mux: mux, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Self: Broker{ID: 1}, Config: config.Default(), Machine: m, Shard: s, Mux: mux, Nodes: 1, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.CreateTopic(ctx, TopicSpec{Name: "t", Partitions: 1, ReplicationFactor: 1}); !errors.Is(err, kerr.RequestTimedOut) {
		t.Errorf("create: %v", err)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if err := s.Run(stopped); err != nil { // closes it
		t.Error(err)
	}
}

func silentListener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
