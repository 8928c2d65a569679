// Package netlab gives nodes networks of their own on one machine, so that what leaves each of them can be held to a
// pace: a network namespace for each node, joined to this machine by a pair of virtual interfaces and a bridge, and a
// token bucket (tc tbf) where packets leave the namespace. Clients stay where they are, outside.
//
// It needs root and iproute2; Open's error says what is missing. What a killed run leaves behind is removed by the next Open.
package netlab
