package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"lockstep/compat/internal/raw"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// External is a cluster that somebody else started, by its addresses (host:port).
type External struct {
	// Bootstrap are ordinary listeners, of any of its nodes.
	Bootstrap []string
	// Local are Lockstep's local-read listeners, of every node or none.
	Local []string
	// HTTP are Lockstep's HTTP listeners, of every node or none: state and counters.
	HTTP []string
	// Toxiproxy is the API of a toxiproxy before its nodes, with proxies named after the edges; "": there is none.
	Toxiproxy string
}

// externals is the runtime of a cluster that is there already. Its nodes are let be.
type externals struct {
	o         External
	target    Target
	peerLinks bool // the suite reaches the peers' proxies as well
}

var errNotOurs = fmt.Errorf("the cluster was started by somebody else: %w", ErrCannot)

// discoverWithin bounds the first look at the cluster.
const discoverWithin = 20 * time.Second

func (r *externals) prepare(ctx context.Context) (plan, error) {
	ctx, cancel := context.WithTimeout(ctx, discoverWithin)
	defer cancel()
	p := plan{given: true, api: r.o.Toxiproxy, nodes: map[int]NodePlan{}, direct: map[int]direct{}}
	brokers, err := r.brokers(ctx)
	if err != nil {
		return p, err
	}
	for _, n := range Nodes() {
		b, found := brokers[n]
		if !found {
			return p, fmt.Errorf("the suite wants nodes 1 to %d; the cluster has %v", Size, keys(brokers))
		}
		np := NodePlan{ID: n, AdvertisedKafka: addrOf(b)}
		if b.Rack != nil {
			np.Rack = *b.Rack
		}
		p.nodes[n], p.direct[n] = np, direct{kafka: addrOf(b)}
	}
	if len(brokers) != Size {
		return p, fmt.Errorf("the suite wants %d nodes; the cluster has %v", Size, keys(brokers))
	}
	if err := r.findHTTP(ctx, p); err != nil {
		return p, err
	}
	if err := r.findLocal(ctx, p); err != nil {
		return p, err
	}
	for _, n := range Nodes() {
		p.proxies = append(p.proxies, given(ClientEdge(n), p.direct[n].kafka), given(LocalEdge(n), p.direct[n].local))
	}
	return p, r.findProxies(ctx, &p)
}

// given is an edge that is dialled where the cluster says.
func given(e Edge, addr string) proxyPlan { return proxyPlan{edge: e, dial: addr, reach: addr} }

// brokers asks the first bootstrap address that answers.
func (r *externals) brokers(ctx context.Context) (map[int]kmsg.MetadataResponseBroker, error) {
	var errs []error
	for _, addr := range r.o.Bootstrap {
		brokers, err := brokersAt(ctx, addr)
		if err == nil {
			return brokers, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("no bootstrap address answers: %w", errors.Join(errs...))
}

func brokersAt(ctx context.Context, addr string) (map[int]kmsg.MetadataResponseBroker, error) {
	conn, err := raw.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	m, err := conn.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	out := map[int]kmsg.MetadataResponseBroker{}
	for _, b := range m.Brokers {
		out[int(b.NodeID)] = b
	}
	return out, nil
}

// findHTTP finds out which node is at which HTTP address.
func (r *externals) findHTTP(ctx context.Context, p plan) error {
	if len(r.o.HTTP) == 0 {
		return nil
	}
	found := map[int]string{}
	for _, addr := range r.o.HTTP {
		s, err := statusAt(ctx, addr)
		if err != nil {
			return fmt.Errorf("no Lockstep node at the HTTP address %s: %w", addr, err)
		}
		found[s.Node] = addr
	}
	return everyNode("HTTP", found, p, func(d *direct, addr string) { d.http = addr })
}

// findLocal finds out which node is at which local-read listener: each names itself as the leader of everything, and all
// name each other's by the local-read addresses.
func (r *externals) findLocal(ctx context.Context, p plan) error {
	if len(r.o.Local) == 0 {
		return nil
	}
	found := map[int]string{}
	for _, addr := range r.o.Local {
		brokers, err := brokersAt(ctx, addr)
		if err != nil {
			return fmt.Errorf("no local-read listener at %s: %w", addr, err)
		}
		for n, b := range brokers {
			found[n] = addrOf(b)
		}
	}
	return everyNode("local-read", found, p, func(d *direct, addr string) { d.local = addr })
}

func everyNode(what string, found map[int]string, p plan, set func(*direct, string)) error {
	for _, n := range Nodes() {
		addr, ok := found[n]
		if !ok {
			return fmt.Errorf("the %s addresses are those of nodes %v: one is needed for each of %v", what, keys(found), Nodes())
		}
		d := p.direct[n]
		set(&d, addr)
		p.direct[n] = d
	}
	return nil
}

// findProxies makes sure that toxiproxy has the edges' proxies, and finds out whether the suite can dial the peers' ones,
// without which no fault of theirs could be shown.
func (r *externals) findProxies(ctx context.Context, p *plan) error {
	if r.o.Toxiproxy == "" {
		return nil
	}
	listens, err := newProxies(r.o.Toxiproxy).Listens()
	if err != nil {
		return fmt.Errorf("toxiproxy at %s: %w", r.o.Toxiproxy, err)
	}
	r.peerLinks = true
	for _, e := range Edges() {
		listen, found := listens[e]
		if !found {
			return fmt.Errorf("toxiproxy at %s has no proxy %s (it has %v)", r.o.Toxiproxy, e, keys(listens))
		}
		from, to, peers := e.Ends()
		if !peers {
			continue
		}
		p.proxies = append(p.proxies, given(e, listen))
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		_, err := raw.Ping(ctx, listen, r.target.PeerGreeting(from, to), 1)
		cancel()
		r.peerLinks = r.peerLinks && err == nil
	}
	return nil
}

func (r *externals) able(f Features) Features {
	http, proxies := len(r.o.HTTP) > 0, r.o.Toxiproxy != ""
	return Features{
		LocalListener: f.LocalListener && len(r.o.Local) > 0,
		Counters:      f.Counters && http, Replicas: f.Replicas && http, Transfer: f.Transfer && (http || !f.Replicas), HandsBack: f.HandsBack, Linearizable: f.Linearizable,
		PeerLinks: f.PeerLinks && proxies && r.peerLinks,
		Proxies:   proxies,
	}
}

func (*externals) startNode(context.Context, NodePlan) error { return errNotOurs }
func (*externals) prepareNode(NodePlan) error                { return nil }
func (*externals) pid(int) int                               { return 0 }
func (*externals) wipe(context.Context, NodePlan) error      { return errNotOurs }
func (*externals) kill(context.Context, int) error           { return errNotOurs }
func (*externals) stop(context.Context, int) error           { return errNotOurs }
func (*externals) pause(context.Context, int) error          { return errNotOurs }
func (*externals) resume(context.Context, int) error         { return nil } // it was never paused
func (*externals) running(int) bool                          { return true }
func (*externals) close() error                              { return nil }

func addrOf(b kmsg.MetadataResponseBroker) string {
	return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
}

// Addresses splits a list of host:port at commas, and complains of what is none.
func Addresses(list string) ([]string, error) {
	var out []string
	for _, addr := range strings.Split(list, ",") {
		addr = strings.TrimSpace(addr)
		if addr == "" {
			continue
		}
		host, port, err := net.SplitHostPort(addr)
		if n, bad := strconv.Atoi(port); err != nil || host == "" || bad != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("%q is not host:port", addr)
		}
		out = append(out, addr)
	}
	return out, nil
}

func keys[K ~int | ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
