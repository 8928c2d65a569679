package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseMetrics(t *testing.T) {
	text := `# HELP x y
lockstep_fetch_records_total{role="leader"} 12
lockstep_fetch_records_total{role="follower"} 3e2
toxiproxy_proxy_received_bytes_total{direction="downstream",listener="127.0.0.1:1",proxy="client-1",upstream="a, \"b\" }c"} 7
go_goroutines 9 1700000000000
broken{
nothing
`
	s := parseMetrics(text)
	if len(s) != 4 {
		t.Fatalf("%d samples: %v", len(s), s)
	}
	if got := s.sum("lockstep_fetch_records_total", "role", "follower"); got != 300 {
		t.Errorf("follower: %v", got)
	}
	if got := s[2].labels["upstream"]; got != `a, "b" }c` {
		t.Errorf("label: %q", got)
	}
	if s[3].value != 9 {
		t.Errorf("gauge with a time: %v", s[3].value)
	}
}

func TestSinceForgivesRestarts(t *testing.T) {
	before := map[int]Counts{1: {Leader: 10, Follower: 100}, 2: {Follower: 50}}
	after := map[int]Counts{1: {Leader: 10, Follower: 130}, 2: {Follower: 5}, 3: {Leader: 1}}
	if got := Since(before, after); got.Follower != 35 || got.Leader != 1 {
		t.Errorf("got %+v", got)
	}
}

// Each node dials each peer through an edge of that direction, and edges lead where their names say.
func TestWiring(t *testing.T) {
	w := wiring{
		api: "api",
		own: func(n int) NodePlan {
			return NodePlan{Kafka: nodeName(n) + ":k", Local: nodeName(n) + ":l", Raft: nodeName(n) + ":r"}
		},
		listen:   func(e Edge) string { return "in-" + string(e) },
		dial:     func(e Edge) string { return "to-" + string(e) },
		reach:    func(e Edge) string { return "suite-to-" + string(e) },
		upstream: func(_ int, own string) string { return own },
		direct:   func(n int) direct { return direct{kafka: nodeName(n)} },
	}
	p := w.plan()
	if len(p.proxies) != len(Edges()) {
		t.Fatalf("%d proxies for %d edges", len(p.proxies), len(Edges()))
	}
	want := map[Edge]string{"client-2": "node-2:k", "local-3": "node-3:l", "raft-1-2": "node-2:r", "raft-2-1": "node-1:r"}
	for _, x := range p.proxies {
		if up, ok := want[x.edge]; ok && (x.upstream != up || x.listen != "in-"+string(x.edge)) {
			t.Errorf("%s: %+v", x.edge, x)
		}
	}
	if got := p.nodes[1].Peers[2]; got != "to-raft-1-2" {
		t.Errorf("node 1 dials node 2 at %s", got)
	}
	if got := p.nodes[3]; got.AdvertisedKafka != "to-client-3" || got.AdvertisedLocal != "to-local-3" || got.Rack != "r3" {
		t.Errorf("node 3: %+v", got)
	}
	env := Lockstep{}.Env(p.nodes[2])
	if !slices.Contains(env, "LOCKSTEP_PEERS=1@to-raft-2-1,2@node-2:r,3@to-raft-2-3") {
		t.Errorf("peers of node 2: %s", strings.Join(env, " "))
	}
}

func TestFreePorts(t *testing.T) {
	ports, err := freePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ports)
	if len(slices.Compact(slices.Clone(ports))) != 20 || ports[0] < lowestPort || ports[19] >= highestPort {
		t.Errorf("%v", ports)
	}
}

// Without toxiproxy everybody is dialled directly, and a cluster of one has itself for its only peer.
func TestUnproxied(t *testing.T) {
	own := func(n int) NodePlan {
		return NodePlan{Kafka: nodeName(n) + ":k", Local: nodeName(n) + ":l", Raft: nodeName(n) + ":r", HTTP: nodeName(n) + ":h"}
	}
	p := unproxied(3, own)
	dials := map[Edge]string{}
	for _, x := range p.proxies {
		dials[x.edge] = x.dial
	}
	if len(dials) != len(Edges()) || dials[RaftEdge(1, 3)] != "node-3:r" || dials[ClientEdge(2)] != "node-2:k" || dials[LocalEdge(1)] != "node-1:l" {
		t.Errorf("edges: %v", dials)
	}
	if env := (Lockstep{}).Env(p.nodes[2]); !slices.Contains(env, "LOCKSTEP_PEERS=1@node-1:r,2@node-2:r,3@node-3:r") || p.api != "" {
		t.Errorf("node 2: %v", env)
	}
	one := unproxied(1, own)
	if env := (Lockstep{}).Env(one.nodes[1]); len(one.nodes) != 1 || !slices.Contains(env, "LOCKSTEP_PEERS=1@node-1:r") {
		t.Errorf("alone: %v", env)
	}
	if config := (Kafka{}).config(one.nodes[1]); !strings.Contains(config, "default.replication.factor=1\n") {
		t.Errorf("alone: %s", config)
	}
}

// Each node of Kafka finds each peer's broker and controller where the proxies of that pair listen, and behind them the peer
// itself; all are told the same voters.
func TestKafkaPeersHaveLinksOfTheirOwn(t *testing.T) {
	p := plan{nodes: map[int]NodePlan{}}
	for _, n := range Nodes() {
		p.nodes[n] = NodePlan{ID: n, Local: fmt.Sprintf("127.0.0.1:1200%d", n), Raft: fmt.Sprintf("127.0.0.1:1300%d", n), Peers: map[int]string{}}
	}
	for _, e := range Edges() { // where every target has them
		p.proxies = append(p.proxies, proxyPlan{edge: e, listen: "127.0.0.1:1"})
	}
	Kafka{}.wirePeers(&p)
	at := map[Edge]proxyPlan{}
	for _, x := range p.proxies {
		if _, twice := at[x.edge]; twice && x.edge.Peer() {
			t.Errorf("%s is there twice", x.edge)
		}
		at[x.edge] = x
	}
	for _, from := range Nodes() {
		leads := map[string]string{}
		for line := range strings.Lines(string(hosts(from))) {
			ip, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			leads[name] = ip
		}
		for _, to := range Others(from) {
			n := p.nodes[to]
			config := Kafka{}.config(n)
			for edge, own := range map[Edge]string{RecordsEdge(from, to): n.Local, RaftEdge(from, to): n.Raft} {
				name, port := nodeName(to), port(own)
				if !strings.Contains(config, "://"+name+":"+port) {
					t.Errorf("node %d does not say that it is at %s:%s: %s", to, name, port, config)
				}
				if x, dialled := at[edge], leads[name]+":"+port; x.listen != dialled || x.upstream != own {
					t.Errorf("%d dials %d at %q; the proxy listens at %s and leads to %s", from, to, dialled, x.listen, x.upstream)
				}
			}
		}
		if config := (Kafka{}).config(p.nodes[from]); !strings.Contains(config, "voters=1@node-1:13001,2@node-2:13002,3@node-3:13003\n") {
			t.Errorf("node %d: %s", from, config)
		}
	}
	c := &Cluster{dials: map[Edge]string{RecordsEdge(1, 2): "x"}}
	if got := c.Links(RaftEdge(1, 2), RaftEdge(2, 1), ClientEdge(1)); len(got) != 4 || got[3] != RecordsEdge(1, 2) {
		t.Errorf("links: %v", got)
	}
}
