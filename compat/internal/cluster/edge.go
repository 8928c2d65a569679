package cluster

import (
	"fmt"
	"strings"
)

// Size is the number of nodes. Nodes are numbered from 1.
const Size = 3

// Edge names one proxied link in one direction of dialling.
type Edge string

// ClientEdge is what clients dial to reach a node's ordinary listener.
func ClientEdge(node int) Edge { return Edge(fmt.Sprintf("client-%d", node)) }

// LocalEdge is what clients dial to reach a node's local-read listener.
func LocalEdge(node int) Edge { return Edge(fmt.Sprintf("local-%d", node)) }

// RaftEdge is what node from dials to reach node to.
func RaftEdge(from, to int) Edge { return Edge(fmt.Sprintf("raft-%d-%d", from, to)) }

// RecordsEdge is what node from dials to fetch records from node to, of a target whose peers do not send them over the
// RaftEdge. See Cluster.Links.
func RecordsEdge(from, to int) Edge { return Edge(fmt.Sprintf("records-%d-%d", from, to)) }

// Ends are the nodes that dial and are dialled over a peers' edge; peers is false for clients' edges.
func (e Edge) Ends() (from, to int, peers bool) {
	_, ends, _ := strings.Cut(string(e), "-")
	n, err := fmt.Sscanf(ends, "%d-%d", &from, &to)
	return from, to, e.Peer() && n == 2 && err == nil
}

// to tells whether an edge leads to a node.
func (e Edge) to(node int) bool {
	if _, to, peers := e.Ends(); peers {
		return to == node
	}
	return e == ClientEdge(node) || e == LocalEdge(node)
}

// Peer tells whether nodes dial it (and not clients).
func (e Edge) Peer() bool {
	return strings.HasPrefix(string(e), "raft-") || strings.HasPrefix(string(e), "records-")
}

// Nodes are the node numbers, in order.
func Nodes() []int { return []int{1, 2, 3} }

// Others are the node numbers but one, in order.
func Others(node int) []int {
	var out []int
	for _, n := range Nodes() {
		if n != node {
			out = append(out, n)
		}
	}
	return out
}

// Edges are all edges: clients' first, then peers'.
func Edges() []Edge {
	var out []Edge
	for _, n := range Nodes() {
		out = append(out, ClientEdge(n), LocalEdge(n))
	}
	for _, from := range Nodes() {
		for _, to := range Others(from) {
			out = append(out, RaftEdge(from, to))
		}
	}
	return out
}

// Rack is the rack that a node of ours is put in. See Cluster.Rack.
func Rack(node int) string { return fmt.Sprintf("r%d", node) }
