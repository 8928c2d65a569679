//go:build !unix

package rafttransport

import "net"

// directly returns nil: everything is written by the writer.
func directly(net.Conn) func([]byte) int { return nil }
