package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	mobynet "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/network"
)

// Every container and network carries these labels: by the first, left-overs of earlier runs are found; the second is
// the process id of the run, so that a run that is still going on is let be.
const (
	labelSuite = "lockstep.compat"
	labelPID   = "lockstep.compat.pid"
)

// toxiproxyImage is made by docker/images.sh.
const toxiproxyImage = "lockstep-toxiproxy:dev"

// Ports inside the containers; each node has an address of its own, so they are all the same. Toxiproxy listens on
// firstProxyPort and up, one port for each edge.
const (
	kafkaPort      = 9092
	localPort      = 9192
	raftPort       = 19092
	httpPort       = 8092
	apiPort        = 8474
	firstProxyPort = 20000
)

// containers is the runtime of Docker containers, by testcontainers.
type containers struct {
	o        Options
	docker   *testcontainers.DockerClient
	net      *testcontainers.DockerNetwork
	hostPort map[string]int // what a container's port is published as, by service:port

	mu    sync.Mutex // guards all below
	ids   map[string]string
	told  map[string][]string // what a node's container was told when it was made: its environment and arguments
	tails sync.WaitGroup      // goroutines that copy logs
}

func newContainers(o Options) *containers {
	return &containers{o: o, ids: map[string]string{}, told: map[string][]string{}, hostPort: map[string]int{}}
}

// Engine tells whether a Docker engine answers.
func Engine(ctx context.Context) error {
	configureTestcontainers()
	c, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err = c.Ping(ctx, client.PingOptions{})
	return err
}

// configureTestcontainers says what testcontainers cannot find out for itself: there is no reaper image where there is
// no registry (Close and the labels do its work), and published ports are on this machine even where it looks like a
// container. What the user has set stands.
func configureTestcontainers() {
	tclog.SetDefault(quiet{})
	for name, value := range map[string]string{"TESTCONTAINERS_RYUK_DISABLED": "true", "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1"} {
		if os.Getenv(name) == "" {
			os.Setenv(name, value)
		}
	}
}

func (r *containers) labels() map[string]string {
	return map[string]string{labelSuite: "1", labelPID: strconv.Itoa(os.Getpid())}
}

func (r *containers) prepare(ctx context.Context) (plan, error) {
	configureTestcontainers()
	d, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return plan{}, fmt.Errorf("reach the Docker engine: %w", err)
	}
	r.docker = d
	if err := r.removeLeftOvers(ctx); err != nil {
		return plan{}, err
	}
	if r.net, err = network.New(ctx, network.WithLabels(r.labels())); err != nil {
		return plan{}, fmt.Errorf("make a network: %w", err)
	}
	edges := Edges()
	ports, err := freePorts(1 + len(edges) + Size*len(nodePorts))
	if err != nil {
		return plan{}, err
	}
	inner := map[Edge]int{}
	publish := func(service string, port int) {
		r.hostPort[service+":"+strconv.Itoa(port)] = ports[len(r.hostPort)]
	}
	toxiPorts := []int{apiPort}
	for i, e := range edges {
		inner[e] = firstProxyPort + i
		toxiPorts = append(toxiPorts, inner[e])
	}
	for _, port := range toxiPorts {
		publish("toxiproxy", port)
	}
	for _, n := range Nodes() {
		for _, port := range nodePorts {
			publish(machineName(n), port)
		}
	}
	p := r.wiring(inner).plan()
	if err := r.machine(ctx, "toxiproxy", toxiproxyImage, toxiPorts, "-host", "0.0.0.0", "-proxy-metrics"); err != nil {
		return p, err
	}
	for _, n := range Nodes() {
		// Any process that stays will do, and this image is there: its API is out of anybody's reach.
		if err := r.machine(ctx, machineName(n), toxiproxyImage, nodePorts, "-host", "127.0.0.1"); err != nil {
			return p, err
		}
	}
	return p, awaitHTTP(ctx, "http://"+p.api+"/version")
}

// prepareNode implements runtime: a container's volume is the target's own affair.
func (*containers) prepareNode(NodePlan) error { return nil }

func (*containers) pid(int) int { return 0 }

func (r *containers) host(service string, port int) string {
	return fmt.Sprintf("127.0.0.1:%d", r.hostPort[service+":"+strconv.Itoa(port)])
}

func (r *containers) wiring(inner map[Edge]int) wiring {
	all := func(port int) string { return fmt.Sprintf("0.0.0.0:%d", port) }
	return wiring{
		api: r.host("toxiproxy", apiPort),
		own: func(int) NodePlan {
			return NodePlan{Kafka: all(kafkaPort), Local: all(localPort), Raft: all(raftPort), HTTP: all(httpPort), DataDir: "/data"}
		},
		listen: func(e Edge) string { return all(inner[e]) },
		dial: func(e Edge) string {
			if e.Peer() {
				return fmt.Sprintf("toxiproxy:%d", inner[e])
			}
			return r.host("toxiproxy", inner[e])
		},
		reach: func(e Edge) string { return r.host("toxiproxy", inner[e]) },
		// The node's own address is 0.0.0.0:port.
		upstream: func(n int, own string) string { return machineName(n) + own[len("0.0.0.0"):] },
		direct: func(n int) direct {
			m := machineName(n)
			return direct{r.host(m, kafkaPort), r.host(m, localPort), r.host(m, httpPort)}
		},
	}
}

// nodePorts are the ports of a node that are published, for the suite's own questions.
var nodePorts = []int{kafkaPort, localPort, httpPort}

// bindings publishes a container's ports where hostPort says.
func (r *containers) bindings(name string, ports []int) (exposed []string, bound mobynet.PortMap, err error) {
	bound = mobynet.PortMap{}
	for _, p := range ports {
		port, err := mobynet.ParsePort(fmt.Sprintf("%d/tcp", p))
		if err != nil {
			return nil, nil, err
		}
		exposed = append(exposed, port.String())
		bound[port] = []mobynet.PortBinding{{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), HostPort: strconv.Itoa(r.hostPort[name+":"+strconv.Itoa(p)])}}
	}
	return exposed, bound, nil
}

// machine makes and starts a container with a name and an address of its own in our network, and published ports.
func (r *containers) machine(ctx context.Context, name, image string, ports []int, args ...string) error {
	exposed, bound, err := r.bindings(name, ports)
	if err != nil {
		return err
	}
	return r.run(ctx, name, image,
		testcontainers.WithExposedPorts(exposed...),
		testcontainers.WithHostConfigModifier(func(h *container.HostConfig) { h.PortBindings = bound }),
		testcontainers.WithCmd(args...),
		network.WithNetwork([]string{name}, r.net))
}

// broker makes and starts a node's container, in the network of the node's machine: that goes on when the broker has ended,
// and refuses connections then. The address of a container that has ended belongs to nobody, and whoever connects to it waits.
func (r *containers) broker(ctx context.Context, n NodePlan, env, args []string) error {
	vars := map[string]string{}
	for _, e := range env {
		key, value, _ := strings.Cut(e, "=")
		vars[key] = value
	}
	r.mu.Lock()
	machine := r.ids[machineName(n.ID)]
	r.mu.Unlock()
	return r.run(ctx, nodeName(n.ID), r.o.Target.Image(),
		testcontainers.WithHostConfigModifier(func(h *container.HostConfig) {
			h.NetworkMode, h.Mounts = container.NetworkMode("container:"+machine), []mount.Mount{r.volume(n)}
		}),
		testcontainers.WithEnv(vars),
		testcontainers.WithCmd(args...))
}

func machineName(node int) string { return fmt.Sprintf("machine-%d", node) }

// run makes and starts a container.
func (r *containers) run(ctx context.Context, name, image string, how ...testcontainers.ContainerCustomizer) error {
	c, err := testcontainers.Run(ctx, image, append(how, testcontainers.WithLabels(r.labels()), testcontainers.WithLogger(quiet{}))...)
	if c != nil {
		r.mu.Lock()
		r.ids[name] = c.GetContainerID()
		r.mu.Unlock()
	}
	if err != nil {
		return fmt.Errorf("start a container of %s (make image builds it): %w", image, err)
	}
	return r.tail(name, c.GetContainerID())
}

// quiet drops testcontainers' talk about starting containers; what matters comes as errors.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// tail copies the container's log from now on into its file, until the container ends.
func (r *containers) tail(name, id string) error {
	f, err := os.OpenFile(filepath.Join(r.o.LogDir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	logs, err := r.docker.ContainerLogs(context.Background(), id, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: true, Since: strconv.FormatInt(time.Now().Add(-5*time.Second).Unix(), 10)})
	if err != nil {
		f.Close()
		return fmt.Errorf("follow the log of %s: %w", name, err)
	}
	r.tails.Go(func() {
		defer f.Close()
		defer logs.Close()
		_, _ = stdcopy.StdCopy(f, f, logs) // ends with the container
	})
	return nil
}

func (r *containers) id(node int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ids[nodeName(node)]
}

func (r *containers) startNode(ctx context.Context, n NodePlan) error {
	name := nodeName(n.ID)
	env, args := r.o.Target.Env(n), r.o.Target.Args(n)
	tell := append(slices.Clone(env), args...)
	id := r.id(n.ID)
	r.mu.Lock()
	told := r.told[name]
	r.told[name] = tell
	r.mu.Unlock()
	switch {
	case id != "" && slices.Equal(tell, told):
		if _, err := r.docker.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
			return err
		}
		return r.tail(name, id)
	case id != "":
		// A container's environment is its own for life: another one takes over its volume.
		if err := r.remove(ctx, n.ID); err != nil {
			return err
		}
	default:
		if err := r.makeVolume(ctx, n.ID); err != nil {
			return err
		}
	}
	return r.broker(ctx, n, env, args)
}

// volume is a node's data, which outlives its containers.
func (r *containers) volume(n NodePlan) mount.Mount {
	return mount.Mount{Type: mount.TypeVolume, Source: r.volumeName(n.ID), Target: n.DataDir}
}

func (r *containers) volumeName(node int) string {
	return fmt.Sprintf("lockstep-compat-%d-%s", os.Getpid(), nodeName(node))
}

func (r *containers) makeVolume(ctx context.Context, node int) error {
	_, err := r.docker.VolumeCreate(ctx, client.VolumeCreateOptions{Name: r.volumeName(node), Labels: r.labels()})
	if err != nil {
		return fmt.Errorf("make a volume for node %d: %w", node, err)
	}
	return nil
}

// remove removes a node's container and leaves its volume.
func (r *containers) remove(ctx context.Context, node int) error {
	if _, err := r.docker.ContainerRemove(ctx, r.id(node), client.ContainerRemoveOptions{Force: true}); err != nil {
		return fmt.Errorf("remove the container of node %d: %w", node, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ids, nodeName(node))
	return nil
}

// wipe makes a new volume; the next start makes a container for it.
func (r *containers) wipe(ctx context.Context, n NodePlan) error {
	if err := r.remove(ctx, n.ID); err != nil {
		return err
	}
	if _, err := r.docker.VolumeRemove(ctx, r.volumeName(n.ID), client.VolumeRemoveOptions{Force: true}); err != nil {
		return fmt.Errorf("remove the volume of node %d: %w", n.ID, err)
	}
	return nil
}

// end sends a signal that ends a container, and waits for its end.
func (r *containers) end(ctx context.Context, node int, signal string) error {
	id := r.id(node)
	wait := r.docker.ContainerWait(ctx, id, client.ContainerWaitOptions{})
	if _, err := r.docker.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: signal}); err != nil {
		return err
	}
	select {
	case err := <-wait.Error:
		return err
	case <-wait.Result:
		return nil
	}
}

func (r *containers) kill(ctx context.Context, node int) error { return r.end(ctx, node, "KILL") }

func (r *containers) stop(ctx context.Context, node int) error { return r.end(ctx, node, "TERM") }

func (r *containers) pause(ctx context.Context, node int) error {
	_, err := r.docker.ContainerPause(ctx, r.id(node), client.ContainerPauseOptions{})
	return err
}

func (r *containers) resume(ctx context.Context, node int) error {
	state, err := r.docker.ContainerInspect(ctx, r.id(node), client.ContainerInspectOptions{})
	if err != nil || !state.Container.State.Paused {
		return err
	}
	_, err = r.docker.ContainerUnpause(ctx, r.id(node), client.ContainerUnpauseOptions{})
	return err
}

func (r *containers) running(node int) bool {
	id := r.id(node)
	if id == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	state, err := r.docker.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	return err == nil && state.Container.State.Running
}
