package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"lockstep/compat/internal/cluster"
)

// Names of the systems, as results have them.
const (
	ours  = "lockstep"
	peers = "kafka"
	tuned = "kafka-tuned"
)

// Kind is one of the systems.
type Kind interface {
	// Name is lockstep, kafka or kafka-tuned.
	Name() string
	// Target is how it is started, from the repository at root.
	Target(root string) cluster.Target
	// Settings make it sync before it acknowledges, or not.
	Settings(durable bool) map[string]string
}

type lockstep struct{}

func (lockstep) Name() string                      { return ours }
func (lockstep) Target(root string) cluster.Target { return cluster.Lockstep{Root: root} }

func (lockstep) Settings(durable bool) map[string]string {
	if durable {
		return map[string]string{"LOCKSTEP_FSYNC": "always"}
	}
	return map[string]string{"LOCKSTEP_FSYNC": "os"}
}

type kafka struct{}

func (kafka) Name() string                      { return peers }
func (kafka) Target(root string) cluster.Target { return cluster.Kafka{Root: root, Stock: true} }

func (kafka) Settings(durable bool) map[string]string {
	if durable {
		return map[string]string{"log.flush.interval.messages": "1"}
	}
	return nil
}

// tunedKafka is Kafka as those who publish advice on its throughput would set it up. (The second column is not what goals are about:
// what a system does as it comes is what most of its users get.)
type tunedKafka struct{}

func (tunedKafka) Name() string { return tuned }

func (tunedKafka) Target(root string) cluster.Target {
	return cluster.Kafka{Root: root, Stock: true, JVM: tunedJVM()}
}

// tunedJVM is what Kafka's documentation gives as typical (kafka.apache.org/41/operations/java-version), but for the heap: that is
// 6 GiB there, and three nodes of 2 GiB have to leave this machine its page cache.
func tunedJVM() []string {
	return []string{"-Xmx2g", "-Xms2g", "-XX:MetaspaceSize=96m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
		"-XX:InitiatingHeapOccupancyPercent=35", "-XX:G1HeapRegionSize=16M", "-XX:MinMetaspaceFreeRatio=50",
		"-XX:MaxMetaspaceFreeRatio=80", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"}
}

// tunedSettings are what guides to more throughput raise first: threads (Conduktor's "Maximize Kafka Broker I/O Throughput" has these
// numbers), replica fetchers, and socket buffers (those of the OpenMessaging Benchmark's Kafka).
func tunedSettings() map[string]string {
	return map[string]string{"num.network.threads": "8", "num.io.threads": "16", "num.replica.fetchers": "4",
		"socket.send.buffer.bytes": "1048576", "socket.receive.buffer.bytes": "1048576", "replica.socket.receive.buffer.bytes": "1048576"}
}

func (tunedKafka) Settings(durable bool) map[string]string {
	settings := tunedSettings()
	maps.Copy(settings, kafka{}.Settings(durable))
	return settings
}

// System is what a row measures: one of the kinds at one durability, and for a Shared row the cluster that runs. For a
// Machine row, Kind and Cluster are nil.
type System struct {
	Kind    Kind
	Durable bool
	Cluster *cluster.Cluster
	// Bench is the run that this belongs to.
	Bench *Bench
	// Series keeps a curve for the page: points of x and y. Its name is what is drawn by what it is drawn over, such as
	// "ms by percentile". Curves of one row and one name share a plot.
	Series func(name string, x, y []float64)
}

// Is tells whether this is the system of that name.
func (s *System) Is(name string) bool { return s.Kind != nil && s.Kind.Name() == name }

// String is how it is named while it is measured.
func (s *System) String() string {
	switch {
	case s.Kind == nil:
		return "machine"
	case s.Durable:
		return s.Kind.Name() + " (fsync)"
	default:
		return s.Kind.Name()
	}
}

// Shape is what cluster a row wants to have.
type Shape struct {
	Nodes    int               // 0 means 3
	Settings map[string]string // beside those of the durability
	Hosts    map[int]cluster.Host
}

// Prepare makes a cluster of no running nodes: see cluster.Prepare. Whoever called closes it.
func (s *System) Prepare(ctx context.Context, shape Shape) (*cluster.Cluster, error) {
	return cluster.Prepare(ctx, s.options(shape))
}

// Launch makes a cluster that can be used. Whoever called closes it.
func (s *System) Launch(ctx context.Context, shape Shape) (*cluster.Cluster, error) {
	return cluster.Start(ctx, s.options(shape))
}

func (s *System) options(shape Shape) cluster.Options {
	settings := map[string]string{}
	maps.Copy(settings, s.Kind.Settings(s.Durable))
	maps.Copy(settings, shape.Settings)
	return cluster.Options{
		Target: s.Kind.Target(s.Bench.Root), Runtime: "process", Direct: true, Nodes: shape.Nodes, Hosts: shape.Hosts, Settings: settings,
		Root: s.Bench.Root, LogDir: s.Bench.LogDir, Logger: s.Bench.Logger,
	}
}

// Bench is one run of the benchmarks.
type Bench struct {
	Root   string // of the repository
	Out    string // where results go
	LogDir string // where nodes log
	Quick  bool
	Logger *slog.Logger
}

// Span is full in a full run, and quick in one that has to end within minutes.
func (b *Bench) Span(full, quick time.Duration) time.Duration {
	if b.Quick {
		return quick
	}
	return full
}

// Count is full in a full run, and quick in one that has to end within minutes.
func (b *Bench) Count(full, quick int) int {
	if b.Quick {
		return quick
	}
	return full
}

func newBench(root string, quick bool) (*Bench, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	out := filepath.Join(root, "compat", "out", "bench")
	b := &Bench{Root: root, Out: out, LogDir: filepath.Join(out, "nodes"), Quick: quick, Logger: slog.New(slog.DiscardHandler)}
	if err := os.MkdirAll(b.LogDir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of results: %w", err)
	}
	return b, nil
}
