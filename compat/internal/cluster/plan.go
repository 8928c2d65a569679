package cluster

import (
	"maps"
	"slices"
)

// NodePlan is everything a node has to be told. Addresses are host:port.
type NodePlan struct {
	ID      int
	DataDir string // as the node sees it
	Rack    string
	// What it listens on, as the node sees it.
	Kafka, Local, Raft, HTTP string
	// What it tells clients: the proxied addresses.
	AdvertisedKafka, AdvertisedLocal string
	// Peers is how it dials the others: the proxied addresses, by node.
	Peers map[int]string
	// Extra are settings that a scenario has added, as Target.Settings made them: see Reconfigure.
	Extra map[string]string
}

// proxyPlan is one edge: where toxiproxy listens (as it sees it), what it forwards to, and what is to be dialled to
// get there (as whoever dials sees it, and as the suite does).
type proxyPlan struct {
	edge             Edge
	listen, upstream string
	dial, reach      string
}

// members are all nodes of the cluster, in order.
func (n NodePlan) members() []int {
	return slices.Sorted(maps.Keys(n.addresses()))
}

// addresses are where this node dials each node of the cluster for what peers say to each other, itself included.
func (n NodePlan) addresses() map[int]string {
	all := maps.Clone(n.Peers)
	if all == nil {
		all = map[int]string{}
	}
	all[n.ID] = n.Raft
	return all
}

// direct is how the suite itself reaches a node past every proxy.
type direct struct{ kafka, local, http string }

// plan is the whole wiring.
type plan struct {
	api     string // toxiproxy's API, as the suite dials it; "": there is none
	given   bool   // nodes and proxies are there: nothing is to be started or set up
	proxies []proxyPlan
	nodes   map[int]NodePlan
	direct  map[int]direct
}

// wire makes a plan out of a runtime's choice of addresses:
// node's own addresses, where a proxy listens and how it is dialled, and how its upstream is named from toxiproxy.
type wiring struct {
	api string
	// own are a node's listening addresses (Kafka, Local, Raft, HTTP and DataDir of the NodePlan).
	own func(node int) NodePlan
	// listen and dial are toxiproxy's address for an edge, seen from within and from whoever dials it.
	listen, dial func(Edge) string
	// reach is how the suite itself dials an edge, also one that is made for peers.
	reach func(Edge) string
	// upstream turns a node's own address into one that toxiproxy can dial.
	upstream func(node int, own string) string
	direct   func(node int) direct
}

func (w wiring) plan() plan {
	p := plan{api: w.api, nodes: map[int]NodePlan{}, direct: map[int]direct{}}
	add := func(e Edge, node int, own string) {
		p.proxies = append(p.proxies, proxyPlan{e, w.listen(e), w.upstream(node, own), w.dial(e), w.reach(e)})
	}
	for _, n := range Nodes() {
		np := w.own(n)
		np.ID, np.Rack = n, Rack(n)
		np.AdvertisedKafka, np.AdvertisedLocal = w.dial(ClientEdge(n)), w.dial(LocalEdge(n))
		np.Peers = map[int]string{}
		for _, peer := range Others(n) {
			np.Peers[peer] = w.dial(RaftEdge(n, peer))
			add(RaftEdge(peer, n), n, np.Raft)
		}
		add(ClientEdge(n), n, np.Kafka)
		add(LocalEdge(n), n, np.Local)
		p.nodes[n], p.direct[n] = np, w.direct(n)
	}
	return p
}

// unproxied is the plan of nodes 1 to size without toxiproxy: whoever dials an edge dials the node itself.
func unproxied(size int, own func(node int) NodePlan) plan {
	p := plan{nodes: map[int]NodePlan{}, direct: map[int]direct{}}
	add := func(e Edge, to string) { p.proxies = append(p.proxies, given(e, to)) }
	for n := 1; n <= size; n++ {
		np := own(n)
		np.ID, np.Rack = n, Rack(n)
		np.AdvertisedKafka, np.AdvertisedLocal = np.Kafka, np.Local
		np.Peers = map[int]string{}
		for peer := 1; peer <= size; peer++ {
			if peer != n {
				np.Peers[peer] = own(peer).Raft
				add(RaftEdge(peer, n), np.Raft)
			}
		}
		add(ClientEdge(n), np.Kafka)
		add(LocalEdge(n), np.Local)
		p.nodes[n], p.direct[n] = np, direct{kafka: np.Kafka, local: np.Local, http: np.HTTP}
	}
	return p
}
