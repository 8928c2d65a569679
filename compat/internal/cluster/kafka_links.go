package cluster

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
)

// Every node of Kafka tells all its peers the same addresses, at which its broker is to be asked for records and its controller
// for the quorum's business, so that a proxy before it would cut it off from all of them or none. (Whom controllers are told
// to find where when they start counts for the first contact only: from then on they go where a peer says it is.) They
// are told a name, though, and each JVM is given a hosts file of its own: the name of node j leads node i to 127.0.i.j,
// where the proxies of that pair listen, on the ports on which j itself listens on 127.0.0.1.
// (All of 127.0.0.0/8 is the loopback interface on Linux; elsewhere the suite says that it cannot listen there.)

// peerWirer is a target whose peers need more proxies than every target has, or reach them at other addresses.
type peerWirer interface{ wirePeers(*plan) }

var _ peerWirer = Kafka{}

func hostsFile(n NodePlan) string { return filepath.Join(n.DataDir, "hosts") }

// named is the address with a node's name in place of its IP.
func named(node int, addr string) string { return net.JoinHostPort(nodeName(node), port(addr)) }

// byName tells whether a node tells its peers a name: where there is no toxiproxy, there is no need.
func byName(n NodePlan) bool { return n.AdvertisedLocal == named(n.ID, n.Local) }

func pairIP(from, to int) string { return fmt.Sprintf("127.0.%d.%d", from, to) }

func port(addr string) string {
	_, port, _ := net.SplitHostPort(addr) // ours: it has one
	return port
}

// hosts is all the names that a node knows.
func hosts(node int) []byte {
	text := fmt.Appendf(nil, "127.0.0.1 localhost\n127.0.0.1 %s\n", nodeName(node))
	if name, err := os.Hostname(); err == nil { // for whatever in Java looks for it
		text = fmt.Appendf(text, "127.0.0.1 %s\n", name)
	}
	for _, peer := range Others(node) {
		text = fmt.Appendf(text, "%s %s\n", pairIP(node, peer), nodeName(peer))
	}
	return text
}

// wirePeers adds the proxies over which brokers fetch from each other to those that every target has, moves those of the
// controllers to where the nodes' names lead, and has nodes tell each other their names.
func (Kafka) wirePeers(p *plan) {
	p.proxies = slices.DeleteFunc(p.proxies, func(x proxyPlan) bool { return x.edge.Peer() })
	for _, to := range Nodes() {
		n := p.nodes[to]
		for _, from := range Others(to) {
			for edge, own := range map[Edge]string{RaftEdge(from, to): n.Raft, RecordsEdge(from, to): n.Local} {
				addr := net.JoinHostPort(pairIP(from, to), port(own))
				p.proxies = append(p.proxies, proxyPlan{edge, addr, own, addr, addr})
			}
			p.nodes[from].Peers[to] = named(to, n.Raft)
		}
		n.AdvertisedLocal = named(to, n.Local)
		p.nodes[to] = n
	}
}
