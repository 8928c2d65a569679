package rafttransport

import (
	"context"
	"net"
	"time"
)

// The transport's own pings notice a dead peer first. Keepalive and the user
// timeout are for what it does not see: a peer that vanished before its hello,
// data that was never acknowledged.
const (
	keepAliveIdle     = 5 * time.Second
	keepAliveInterval = 2 * time.Second
	keepAliveCount    = 3
	userTimeout       = 10 * time.Second
)

var keepAlive = net.KeepAliveConfig{Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount}

func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: keepAlive, Control: setUserTimeout}
	return d.DialContext(ctx, "tcp", address)
}

// tuneAccepted does for an accepted connection what dialTCP does for one that
// is dialled. Failure costs only the kernel's help, so it is ignored.
func tuneAccepted(nc net.Conn) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	_ = tcp.SetKeepAliveConfig(keepAlive)
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = setUserTimeout("", "", raw)
	}
}
