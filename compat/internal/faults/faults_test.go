package faults

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/raw"

	"github.com/twmb/franz-go/pkg/kfake"
)

// The cluster of these tests has three unrelated nodes for brokers, of one fake for each listener: this very test binary, started again
// with fakeVar set. What is real is toxiproxy, the processes and the wiring.
const fakeVar = "LOCKSTEP_FAKE_NODE_PORTS"

// fakeImage names an image of this test binary, made with CGO_ENABLED=0 go test -c, to run the same in containers.
const fakeImage = "LOCKSTEP_FAKE_IMAGE"

func TestMain(m *testing.M) {
	if ports := os.Getenv(fakeVar); ports != "" {
		for _, port := range strings.Split(ports, ",") {
			runFake(port)
		}
		select {}
	}
	os.Exit(m.Run())
}

func runFake(port string) {
	p, err := strconv.Atoi(port)
	if err == nil {
		everywhere := func(network, _ string) (net.Listener, error) { return net.Listen(network, ":"+port) }
		_, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(p), kfake.ListenFn(everywhere))
	}
	if err != nil {
		slog.Error("fake node", "error", err)
		os.Exit(1)
	}
}

type fakes struct{}

func (fakes) Name() string                   { return "fakes" }
func (fakes) Features() cluster.Features     { return cluster.Features{PeerLinks: true} }
func (fakes) Args(cluster.NodePlan) []string { return nil }
func (fakes) Binary() (string, error)        { return os.Executable() }
func (fakes) Prepare(cluster.NodePlan) error { return nil }
func (fakes) Image() string                  { return os.Getenv(fakeImage) }

func (fakes) Env(n cluster.NodePlan) []string {
	var ports []string
	for _, addr := range []string{n.Kafka, n.Local, n.Raft} {
		_, port, _ := strings.Cut(addr, ":")
		ports = append(ports, port)
	}
	return []string{fakeVar + "=" + strings.Join(ports, ",")}
}

func (fakes) Settings(env map[string]string) (map[string]string, error) { return env, nil }
func (fakes) PeerGreeting(int, int) raw.Greeting                        { return raw.KafkaGreeting() }
func (fakes) Transfer(context.Context, *cluster.Cluster, string, int32, int) error {
	return cluster.ErrCannot
}

func (fakes) Beyond(context.Context, *cluster.Cluster, int, string, int32) (bool, string, error) {
	return false, "", cluster.ErrCannot
}

func (fakes) Settled(context.Context, *cluster.Cluster) error { return nil }

func (fakes) Ready(ctx context.Context, c *cluster.Cluster) error {
	for _, n := range cluster.Nodes() {
		conn, err := raw.Dial(ctx, c.Direct(n))
		if err != nil {
			return err
		}
		conn.Close()
	}
	return nil
}

func TestFaultsBiteAndGo(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	runtime := "process"
	if os.Getenv(fakeImage) != "" {
		runtime = "docker"
	}
	c, err := cluster.Start(ctx, cluster.Options{Target: fakes{}, Runtime: runtime, LogDir: t.TempDir(), Root: root,
		Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h := history.New(time.Now).Cell("x")

	edge := cluster.ClientEdge(2)
	for _, f := range []Fault{
		Refused(c, edge), BlackHole(c, edge, cluster.ClientEdge(3)), ResetPeer(c, edge),
		Latency(c, 50*time.Millisecond, edge), Bandwidth(c, 20, edge, cluster.LocalEdge(1)), Link(c, 20, edge, cluster.LocalEdge(1)), Slicer(c, edge),
		OneWay(c, 1, 2), Isolated(c, 3), IsolatedRefused(c, 1), Slicer(c, cluster.RaftEdge(2, 3)), Latency(c, 30*time.Millisecond, cluster.RaftEdge(2, 3)),
		Killed(c, 2), Stopped(c, 1), Paused(c, 3), Wiped(c, 2),
	} {
		t.Run(f.Name, func(t *testing.T) {
			if felt, saw := f.probe(ctx); felt != gone {
				t.Fatalf("felt before it is there: %s", saw)
			}
			if err := f.Inject(ctx, h); err != nil {
				t.Fatal(err)
			}
			if err := f.Heal(ctx, h); err != nil {
				t.Fatal(err)
			}
		})
	}

	// A fault that is not felt is an error, not a pass.
	never := Refused(c, edge)
	never.inject = func(context.Context) error { return nil }
	never.within = 200 * time.Millisecond
	if err := never.Inject(ctx, h); err == nil {
		t.Error("a fault that does not bite was injected without an error")
	}

	conn, err := raw.Dial(ctx, c.Dial(edge))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	err = awaitTraffic(ctx, c, edge)
	if err != nil {
		t.Error(err)
	}
}

// awaitTraffic waits until the connections that have ended are counted.
func awaitTraffic(ctx context.Context, c *cluster.Cluster, e cluster.Edge) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		traffic, err := c.Proxies.Traffic(ctx)
		if err != nil {
			return err
		}
		if traffic[e].Up > 0 && traffic[e].Down > 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
