package netlab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// ErrCannot is wrapped by errors that say why there is no such thing on this machine.
var ErrCannot = errors.New("no networks of its own for each node here")

// Names: node N is in the namespace lsbenchN, behind its eth0. All are joined by a bridge, which has a namespace of its
// own, lsbench0, since this machine's may have a firewall that keeps packets from passing through. This machine's own
// link to it is lsbench.
const (
	prefix = "lsbench"
	middle = prefix + "0"
	inner  = "eth0"
	subnet = "10.213.77."
)

// lockFile is held while a lab is open: names are the same for all, so there is one at a time.
const lockFile = "/run/" + prefix + ".lock"

// Lab is a number of namespaces, for nodes 1 to their number.
type Lab struct {
	nodes int
	lock  *os.File
}

// Open makes the namespaces, each with a link to this machine, without any limit yet. Close removes them.
func Open(nodes int) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: it takes root to make network namespaces", ErrCannot)
	}
	for _, tool := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%w: %s is missing (iproute2 has it)", ErrCannot, tool)
		}
	}
	lock, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("%w: another program has %s: %w", ErrCannot, lockFile, err)
	}
	l := &Lab{nodes: nodes, lock: lock}
	if err := l.remove(); err != nil {
		lock.Close()
		return nil, err
	}
	if err := l.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrCannot, err), l.Close())
	}
	return l, nil
}

func (l *Lab) build() error {
	steps := []string{
		"ip netns add " + middle,
		"ip -n " + middle + " link add br0 type bridge",
		"ip -n " + middle + " link set br0 up",
		"ip link add " + prefix + " type veth peer name host netns " + middle,
		"ip -n " + middle + " link set host master br0 up",
		"ip addr add " + subnet + "254/24 dev " + prefix,
		"ip link set " + prefix + " up",
	}
	for n := 1; n <= l.nodes; n++ {
		in := "ip -n " + space(n) + " "
		steps = append(steps,
			"ip netns add "+space(n),
			in+"link add "+inner+" type veth peer name "+outer(n)+" netns "+middle,
			"ip -n "+middle+" link set "+outer(n)+" master br0 up",
			in+"addr add "+l.IP(n)+"/24 dev "+inner,
			in+"link set "+inner+" up",
			in+"link set lo up")
	}
	for _, step := range steps {
		if err := run(step); err != nil {
			return err
		}
	}
	return nil
}

func space(node int) string { return prefix + strconv.Itoa(node) }

// outer is the other end of a node's link.
func outer(node int) string { return "node" + strconv.Itoa(node) }

// IP is a node's address.
func (l *Lab) IP(node int) string { return subnet + strconv.Itoa(node) }

// Enter is the command that runs the command which follows it in a node's namespace.
func (l *Lab) Enter(node int) []string { return []string{"ip", "netns", "exec", space(node)} }

// Limit holds what leaves each node to so many bits a second, or to nothing at all with 0. The bucket holds 10 ms of it,
// and at least what the kernel hands over in one piece; up to 50 ms wait before it.
func (l *Lab) Limit(bits int64) error {
	const piece = 128 << 10
	burst := max(bits/8/100, piece)
	for n := 1; n <= l.nodes; n++ {
		_ = run("tc -n " + space(n) + " qdisc del dev " + inner + " root") // there may be none
		if bits == 0 {
			continue
		}
		err := run(fmt.Sprintf("tc -n %s qdisc add dev %s root tbf rate %dbit burst %d latency 50ms", space(n), inner, bits, burst))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrCannot, err)
		}
	}
	return nil
}

// Sent is how many bytes have left each node since its link was made, by node.
func (l *Lab) Sent() (map[int]int64, error) {
	show := exec.Command("ip", "-n", middle, "-s", "-j", "link", "show")
	text, err := show.Output()
	if err != nil {
		return nil, fmt.Errorf("bytes sent by nodes: %w", err)
	}
	var links []struct {
		Name  string `json:"ifname"`
		Stats struct {
			RX struct {
				Bytes int64 `json:"bytes"`
			} `json:"rx"`
		} `json:"stats64"`
	}
	if err := json.Unmarshal(text, &links); err != nil {
		return nil, fmt.Errorf("bytes sent by nodes: %w", err)
	}
	out := map[int]int64{}
	for n := 1; n <= l.nodes; n++ {
		for _, link := range links {
			if link.Name == outer(n) { // what it has received
				out[n] = link.Stats.RX.Bytes
			}
		}
	}
	if len(out) != l.nodes {
		return nil, fmt.Errorf("bytes sent by nodes: %d of %d links are there", len(out), l.nodes)
	}
	return out, nil
}

// Close removes everything. Programs that still run in a namespace keep it alive, unnamed and without a link.
func (l *Lab) Close() error { return errors.Join(l.remove(), l.lock.Close()) }

// remove takes away what is there under our names, of this run or an earlier one.
func (l *Lab) remove() error {
	var errs []error
	spaces, err := os.ReadDir("/run/netns")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	for _, s := range spaces {
		if strings.HasPrefix(s.Name(), prefix) {
			errs = append(errs, run("ip netns del "+s.Name()))
		}
	}
	// With a namespace its ends of pairs go, and the other ends with them, a moment later.
	if err := run("ip link del " + prefix); err != nil && present() {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// present tells whether this machine's own link is there.
func present() bool {
	_, err := os.Stat("/sys/class/net/" + prefix)
	return err == nil
}

// run runs a command of plain words.
func run(line string) error {
	words := strings.Fields(line)
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, strings.TrimSpace(string(out)))
	}
	return nil
}
