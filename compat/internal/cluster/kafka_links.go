package cluster

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Every broker of Kafka tells all its peers the same address to fetch from, so that a proxy before it would cut it off from
// all of them or none. It is told as a name, though, and each JVM is given a hosts file of its own: the name of broker j
// leads broker i to 127.0.i.j, where a proxy of that pair listens, on the port on which j itself listens on 127.0.0.1.
// (All of 127.0.0.0/8 is the loopback interface on Linux; elsewhere the suite says that it cannot listen there.)

// peerWirer is a target whose peers need more proxies than every target has.
type peerWirer interface{ wirePeers(*plan) }

var _ peerWirer = Kafka{}

func hostsFile(n NodePlan) string { return filepath.Join(n.DataDir, "hosts") }

func peerName(node int) string { return fmt.Sprintf("broker-%d", node) }

// byName tells whether a node tells its peers a name: where there is no toxiproxy, there is no need.
func byName(n NodePlan) bool { return strings.HasPrefix(n.AdvertisedLocal, peerName(n.ID)+":") }

func pairIP(from, to int) string { return fmt.Sprintf("127.0.%d.%d", from, to) }

// hosts is all the names that a node knows.
func hosts(node int) []byte {
	text := fmt.Appendf(nil, "127.0.0.1 localhost\n127.0.0.1 %s\n", peerName(node))
	if name, err := os.Hostname(); err == nil { // for whatever in Java looks for it
		text = fmt.Appendf(text, "127.0.0.1 %s\n", name)
	}
	for _, peer := range Others(node) {
		text = fmt.Appendf(text, "%s %s\n", pairIP(node, peer), peerName(peer))
	}
	return text
}

// wirePeers adds the proxies over which brokers fetch from each other to those that every target has, and has brokers tell each
// other their names.
func (Kafka) wirePeers(p *plan) {
	for _, to := range Nodes() {
		n := p.nodes[to]
		_, port, _ := net.SplitHostPort(n.Local) // ours: it has one
		for _, from := range Others(to) {
			addr := net.JoinHostPort(pairIP(from, to), port)
			p.proxies = append(p.proxies, proxyPlan{RecordsEdge(from, to), addr, n.Local, addr, addr})
		}
		n.AdvertisedLocal = net.JoinHostPort(peerName(to), port)
		p.nodes[to] = n
	}
}
