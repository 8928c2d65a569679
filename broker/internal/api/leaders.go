package api

import "lockstep/broker/internal/controller"

// leaderSet collects the leaders that an answer names, for their endpoints go
// with it once (KIP-951).
type leaderSet map[int32]struct{}

func (s leaderSet) add(node int32) { s[node] = struct{}{} }

// endpointsOf returns the alive brokers of the set; none on the local-read
// listener, whose clients know of no other node.
func (a *API) endpointsOf(s leaderSet, l Listener) []controller.Broker {
	if len(s) == 0 || l == Local {
		return nil
	}
	var named []controller.Broker
	for _, b := range a.cluster.Brokers() {
		if _, ok := s[b.ID]; ok && b.Alive && b.Client.Port != 0 {
			named = append(named, b)
		}
	}
	return named
}
