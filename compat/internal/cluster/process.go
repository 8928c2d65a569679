package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"lockstep/compat/internal/child"
)

// processes is the runtime of local processes: the broker's binary three times and toxiproxy's server, all on the
// loopback address, with their data in a temporary directory. The children die with the suite.
type processes struct {
	o       Options
	dataDir string

	mu     sync.Mutex // guards all below
	procs  map[string]*proc
	closed bool
}

// proc is one child.
type proc struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has been waited for
}

func newProcesses(o Options) *processes {
	return &processes{o: o, procs: map[string]*proc{}}
}

func (r *processes) prepare(ctx context.Context) (plan, error) {
	size := cmp.Or(r.o.Nodes, Size)
	var edges []Edge
	if !r.o.Direct {
		edges = Edges()
	}
	const own = 4 // Kafka, local, Raft, HTTP
	ports, err := freePorts(1 + len(edges) + size*own)
	if err != nil {
		return plan{}, err
	}
	if r.dataDir, err = os.MkdirTemp("", "lockstep-compat-"); err != nil {
		return plan{}, err
	}
	const home = "127.0.0.1"
	addr := func(port int) string { return fmt.Sprintf("%s:%d", home, port) }
	api := ports[0]
	byEdge := map[Edge]string{}
	for i, e := range edges {
		byEdge[e] = addr(ports[1+i])
	}
	node := func(n int) NodePlan {
		p := ports[1+len(edges)+(n-1)*own:]
		at := func(port int) string { return fmt.Sprintf("%s:%d", cmp.Or(r.o.Hosts[n].IP, home), port) }
		return NodePlan{Kafka: at(p[0]), Local: at(p[1]), Raft: at(p[2]), HTTP: at(p[3]),
			DataDir: filepath.Join(r.dataDir, fmt.Sprintf("node-%d", n))}
	}
	if r.o.Direct {
		return unproxied(size, node), nil
	}
	w := wiring{
		api: addr(api), own: node,
		listen:   func(e Edge) string { return byEdge[e] },
		dial:     func(e Edge) string { return byEdge[e] },
		reach:    func(e Edge) string { return byEdge[e] },
		upstream: func(_ int, own string) string { return own },
		direct:   func(n int) direct { p := node(n); return direct{p.Kafka, p.Local, p.HTTP} },
	}
	p := w.plan()
	if t, more := r.o.Target.(peerWirer); more {
		t.wirePeers(&p)
	}
	return p, r.startToxiproxy(ctx, api)
}

func (r *processes) startToxiproxy(ctx context.Context, port int) error {
	binary, err := buildToxiproxy(ctx, r.o.Root)
	if err != nil {
		return err
	}
	cmd := exec.Command(binary, "-host", "127.0.0.1", "-port", fmt.Sprint(port), "-proxy-metrics")
	cmd.Env = append(os.Environ(), "LOG_LEVEL=error")
	if err := r.run("toxiproxy", cmd); err != nil {
		return err
	}
	return awaitHTTP(ctx, fmt.Sprintf("http://127.0.0.1:%d/version", port))
}

// buildToxiproxy compiles toxiproxy's server, where make has not done so already.
func buildToxiproxy(ctx context.Context, root string) (string, error) {
	binary := filepath.Join(root, ".build", "toxiproxy-server")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./compat/toxiproxy")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build toxiproxy's server: %w\n%s", err, out)
	}
	return binary, nil
}

// awaitHTTP waits until something answers at url.
func awaitHTTP(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := httpGet(ctx, url)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("nothing answers at %s: %w", url, err)
		}
	}
}

// run starts a child under a name, with its output appended to the name's log.
func (r *processes) run(name string, cmd *exec.Cmd) error {
	log, err := os.OpenFile(filepath.Join(r.o.LogDir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() // the child has its own descriptor
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = child.Attributes()

	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errors.New("the cluster is being closed")
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p := &proc{cmd: cmd, ended: make(chan struct{})}
	r.procs[name] = p
	go func() {
		_ = cmd.Wait() // its exit status is in nobody's interest: it is told by running, and by its log
		close(p.ended)
	}()
	return nil
}

func nodeName(node int) string { return fmt.Sprintf("node-%d", node) }

func (r *processes) prepareNode(n NodePlan) error {
	if err := os.MkdirAll(n.DataDir, 0o755); err != nil {
		return err
	}
	return r.o.Target.Prepare(n)
}

func (r *processes) startNode(_ context.Context, n NodePlan) error {
	binary, err := r.o.Target.Binary()
	if err != nil {
		return err
	}
	if r.running(n.ID) {
		return errors.New("it runs already")
	}
	if err := r.prepareNode(n); err != nil {
		return err
	}
	words := slices.Concat(r.o.Hosts[n.ID].Enter, []string{binary}, r.o.Target.Args(n))
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), r.o.Target.Env(n)...)
	cmd.Dir = n.DataDir
	return r.run(nodeName(n.ID), cmd)
}

func (r *processes) find(name string) *proc {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.procs[name]
}

func (r *processes) running(node int) bool {
	p := r.find(nodeName(node))
	if p == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

func (r *processes) pid(node int) int {
	if !r.running(node) {
		return 0
	}
	return r.find(nodeName(node)).cmd.Process.Pid
}

// signal sends sig, and waits for the end when it is one that ends.
func (r *processes) signal(ctx context.Context, node int, sig syscall.Signal, ends bool) error {
	p := r.find(nodeName(node))
	if p == nil {
		return errors.New("it was never started")
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %v: %w", sig, err)
	}
	if !ends {
		return nil
	}
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("it did not end on %v: %w", sig, ctx.Err())
	}
}

func (r *processes) kill(ctx context.Context, node int) error {
	return r.signal(ctx, node, syscall.SIGKILL, true)
}

func (r *processes) stop(ctx context.Context, node int) error {
	return r.signal(ctx, node, syscall.SIGTERM, true)
}

func (r *processes) pause(ctx context.Context, node int) error {
	return r.signal(ctx, node, syscall.SIGSTOP, false)
}

func (r *processes) resume(ctx context.Context, node int) error {
	return r.signal(ctx, node, syscall.SIGCONT, false)
}

func (r *processes) wipe(_ context.Context, n NodePlan) error {
	if err := os.RemoveAll(n.DataDir); err != nil {
		return err
	}
	return os.MkdirAll(n.DataDir, 0o755)
}

func (r *processes) able(f Features) Features {
	f = f.ours()
	f.Proxies = !r.o.Direct
	return f
}

func (r *processes) close() error {
	r.mu.Lock()
	r.closed = true
	var all []*proc
	for _, p := range r.procs {
		all = append(all, p)
	}
	r.mu.Unlock()
	for _, p := range all {
		_ = p.cmd.Process.Kill() // an error means that it has ended
	}
	for _, p := range all {
		<-p.ended
	}
	if r.dataDir == "" {
		return nil
	}
	return os.RemoveAll(r.dataDir)
}
