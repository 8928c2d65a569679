package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below the range from which systems pick a connection's own port (32768 and up on Linux),
// else a node that restarts may find its port taken by somebody's outgoing connection.
const (
	lowestPort  = 12000
	highestPort = 31000
)

// freePorts finds n ports on the loopback address that nobody listens on. They are not held, so another program may
// take one in the meantime; starting at a random place makes two runs on one machine unlikely to meet.
func freePorts(n int) ([]int, error) {
	at := lowestPort + rand.IntN(highestPort-lowestPort)
	var out []int
	for tries := 0; len(out) < n; tries++ {
		if tries > highestPort-lowestPort {
			return nil, errors.New("no free ports on the loopback address")
		}
		at++
		if at >= highestPort {
			at = lowestPort
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", at))
		if err != nil {
			continue
		}
		l.Close()
		out = append(out, at)
	}
	return out, nil
}
