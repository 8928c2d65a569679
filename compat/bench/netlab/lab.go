package netlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// ErrCannot is wrapped by errors that say why there is no such thing on this machine.
var ErrCannot = errors.New("no networks of its own for each node here")

// Everything that a lab makes begins with prefix; node N's namespace and its outer interface are lsbenchN.
const (
	prefix = "lsbench"
	bridge = prefix + "-br"
	inner  = "eth0"
	subnet = "10.213.77."
)

// Lab is a number of namespaces, for nodes 1 to their number.
type Lab struct{ nodes int }

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
	l := &Lab{nodes: nodes}
	if err := l.remove(); err != nil {
		return nil, err
	}
	if err := l.build(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrCannot, err), l.Close())
	}
	return l, nil
}

func (l *Lab) build() error {
	steps := []string{
		"ip link add " + bridge + " type bridge",
		"ip addr add " + subnet + "254/24 dev " + bridge,
		"ip link set " + bridge + " up",
	}
	for n := 1; n <= l.nodes; n++ {
		name := space(n)
		in := "ip -n " + name + " "
		steps = append(steps,
			"ip netns add "+name,
			"ip link add "+name+" type veth peer name "+inner+" netns "+name,
			"ip link set "+name+" master "+bridge+" up",
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
	out := map[int]int64{}
	for n := 1; n <= l.nodes; n++ { // what the outer end of the pair has received
		b, err := os.ReadFile("/sys/class/net/" + space(n) + "/statistics/rx_bytes")
		if err != nil {
			return nil, fmt.Errorf("bytes sent by node %d: %w", n, err)
		}
		if out[n], err = strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err != nil {
			return nil, fmt.Errorf("bytes sent by node %d: %w", n, err)
		}
	}
	return out, nil
}

// Close removes everything. Programs that still run in a namespace keep it alive, unnamed and without a link.
func (l *Lab) Close() error { return l.remove() }

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
	links, err := os.ReadDir("/sys/class/net")
	if err != nil {
		errs = append(errs, err)
	}
	for _, s := range links {
		if strings.HasPrefix(s.Name(), prefix) {
			// With a namespace its end of the pair goes, and the other with it, a moment later.
			if err := run("ip link del " + s.Name()); err != nil && present(s.Name()) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

func present(link string) bool {
	_, err := os.Stat("/sys/class/net/" + link)
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
