// Package faults injects faults into a cluster, shows that they bite, takes them back, and shows that they are gone.
//
// A fault that nobody saw biting proves nothing, so a Fault is only built from three things together: how to
// inject it, how to take it back, and a probe that tells which of the two holds. Inject returns after the probe has
// seen the bite; Heal returns after the probe has seen that it is gone. Each step goes into the history.
//
// links.go has the faults of an edge (refused, black hole, latency, bandwidth), nodes.go those of a node.
package faults
