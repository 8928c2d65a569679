// Package faults injects faults into a cluster, shows that they bite, takes them back, and shows that they are gone.
//
// A fault that nobody saw biting proves nothing, so a Fault is only built from three things together: how to
// inject it, how to take it back, and a probe that tells which of the two holds. Inject returns after the probe has
// seen the bite; Heal returns after the probe has seen that it is gone. Each step goes into the history.
//
// fault.go is the frame and probe.go what probes are made of. cut.go has the faults that let nothing through an edge, or
// through all edges of a node; slow.go and bandwidth.go those that let everything through, later; nodes.go those of a node.
// toxic.go is what toxiproxy is told, whose word is never taken for it: probes go over the edges themselves, and contact.go
// asks the nodes whom they have heard.
package faults
