package rafttransport

import (
	"strconv"
	"sync/atomic"
)

// peer is another node: the connections to it and what is known of it.
type peer struct {
	id      int32
	name    string // decimal id: raft's ServerID and ServerAddress
	address string
	links   [numLanes]*link
	// accepted are the connections it dialled; the newest of each lane counts.
	accepted [numLanes]atomic.Pointer[server]

	contact  atomic.Int64 // Mux.nanos when anything came from it; 0 never
	connects atomic.Uint64
	timeouts atomic.Uint64
	stats    [NumKinds]counters
	presence presence
}

func newPeer(m *Mux, id int32, address string) *peer {
	p := &peer{id: id, name: strconv.Itoa(int(id)), address: address}
	for l := range p.links {
		p.links[l] = newLink(m, p, lane(l))
	}
	return p
}
