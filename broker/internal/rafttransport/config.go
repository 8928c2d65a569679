package rafttransport

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"
)

// Config says who this node is, whom it talks to and how patient it is. Zero
// durations and counts take the defaults named with them.
type Config struct {
	// LocalID is this node's id, at least 0.
	LocalID int32
	// Listener accepts the peers' connections. The Mux closes it.
	Listener net.Listener
	// Peers maps node ids to the addresses this node dials. An entry for
	// LocalID is ignored. Connections of nodes that are not here are refused.
	Peers map[int32]string
	// Logger takes connection events. nil discards them.
	Logger *slog.Logger

	// Dial opens a connection; nil means TCP with keepalive and, on Linux, a
	// user timeout.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Jitter returns a number in [0, 1) for back-off; nil means math/rand.
	Jitter func() float64

	// DialTimeout bounds connecting and the hello exchange, each. 1 s.
	DialTimeout time.Duration
	// RedialMin and RedialMax bound the back-off between attempts to connect,
	// which doubles and is spread by half either way. 20 ms, 500 ms.
	RedialMin, RedialMax time.Duration
	// PingInterval is the silence after which a ping is sent. 500 ms.
	PingInterval time.Duration
	// PeerTimeout is the silence after which a connection is given up. 1.5 s.
	PeerTimeout time.Duration
	// RequestTimeout bounds votes, heartbeats, commit pushes and TimeoutNow.
	// 1.5 s.
	RequestTimeout time.Duration
	// AppendTimeout is how long a follower may take to answer an AppendEntries
	// whose last byte it has received. 5 s.
	AppendTimeout time.Duration
	// LinkWait is how long an AppendEntries outside a pipeline waits for a
	// connection before it fails. hashicorp/raft answers each failure with a
	// longer pause, up to 10 s, so that failing at once would leave a healed
	// follower behind for that long. 5 s.
	LinkWait time.Duration
	// SnapshotStall is how long a snapshot's receiver may take for one chunk;
	// SnapshotFinish how long for restoring it once all is sent. 30 s, 10 min.
	SnapshotStall, SnapshotFinish time.Duration

	// PipelineDepth and PipelineBytes bound what one pipeline has in flight;
	// one request is always allowed. While it waits for room, raft gathers
	// more entries for the next request, so that deeper is not better (see
	// hashicorp/raft #541). 4, 16 MiB.
	PipelineDepth int
	PipelineBytes int
	// MaxHandlers bounds the calls of one connection that run at a time; more
	// are refused. 256.
	MaxHandlers int
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (c *Config) setDefaults() {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Dial == nil {
		c.Dial = dialTCP
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	orDefault(&c.DialTimeout, time.Second)
	orDefault(&c.RedialMin, 20*time.Millisecond)
	orDefault(&c.RedialMax, 500*time.Millisecond)
	orDefault(&c.PingInterval, 500*time.Millisecond)
	orDefault(&c.PeerTimeout, 1500*time.Millisecond)
	orDefault(&c.RequestTimeout, 1500*time.Millisecond)
	orDefault(&c.AppendTimeout, 5*time.Second)
	orDefault(&c.LinkWait, 5*time.Second)
	orDefault(&c.SnapshotStall, 30*time.Second)
	orDefault(&c.SnapshotFinish, 10*time.Minute)
	orDefault(&c.PipelineDepth, 4)
	orDefault(&c.PipelineBytes, 16<<20)
	orDefault(&c.MaxHandlers, 256)
}
