//go:build unix

package rafttransport

import (
	"net"
	"syscall"
)

// directly returns a function that writes what nc takes at once; nil when nc is
// no socket. What it returns takes no part in deciding whether nc is dead: who
// writes the rest finds out.
func directly(nc net.Conn) func([]byte) int {
	c, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return func(frame []byte) (n int) {
		_ = raw.Write(func(fd uintptr) bool {
			n, _ = syscall.Write(int(fd), frame)
			return true // also when it would have to wait
		})
		return max(n, 0)
	}
}
