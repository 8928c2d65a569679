package config

import "time"

// Config is everything a node can be told. Default returns the values with
// which one node starts with no configuration at all; the zero value is not
// usable.
type Config struct {
	NodeID  int32  // 1 to 2^31-1
	DataDir string // created when missing; locked while the node runs
	Rack    string // "" for none; clients name theirs by client.rack

	Listen          string // host:port of the normal Kafka listener
	LocalListen     string // host:port of the local-read listener; "" for none
	Advertised      string // host:port clients are told; "" is derived from Listen
	AdvertisedLocal string // likewise for LocalListen
	RaftListen      string // host:port peers dial
	HTTPListen      string // host:port of health, metrics and replica state; "" for none
	Pprof           bool   // profiles on HTTPListen too: whoever reaches it can make the node work

	Peers map[int32]string // node id → Raft address as this node dials it; includes the node itself; empty: a cluster of one

	Shards            int           // Raft groups; fixed when the cluster forms
	FetchFromFollower bool          // false: only leaders serve
	FsyncAlways       bool          // fsync before acknowledging; false leaves it to the page cache
	Lease             time.Duration // a follower that has not heard its leader for longer is cut off; a node unheard for longer is dead
	CutOffEmpty       bool          // a follower that is cut off answers readers who want more with nothing instead of an error
	LagMaxTime        time.Duration // a follower behind for longer is lagging, and readers are sent away from it
	LagMaxEntries     uint64        // or behind by more Raft entries
	ReadConsistency   string        // Committed or Linearizable, where neither topic nor listener says which
	// ListenerConsistency is what reads on a listener ("normal", "local")
	// guarantee at least; absent: no more than their topics do.
	ListenerConsistency map[string]string

	SegmentBytes   int64         // size of the files of a shard's log, and how much is written between snapshots
	RetentionMS    int64         // of topics that do not say: how old records get, in milliseconds; -1: any age
	RetentionBytes int64         // likewise: how many bytes of records a partition keeps; -1: all
	RetentionCheck time.Duration // how often records that are too old or too many are looked for, and segments freed

	DefaultPartitions int32 // of topics that ask for none
	AutoCreateTopics  bool
	MaxMessageBytes   int32 // largest record batch
	MaxRequestBytes   int32 // largest request frame

	Log string // "info" or "info,shard=debug"
}

// What reads guarantee.
const (
	Committed    = "committed"    // everything read is committed, but it may not be the newest
	Linearizable = "linearizable" // a read sees every write that was acknowledged before it began
)

// Default returns the configuration of a single node.
func Default() *Config {
	return &Config{
		NodeID:            1,
		DataDir:           "lockstep-data",
		Listen:            ":9092",
		LocalListen:       ":9192",
		RaftListen:        ":19092",
		HTTPListen:        ":8092",
		Shards:            6,
		FetchFromFollower: true,
		FsyncAlways:       true,
		Lease:             3 * time.Second,
		LagMaxTime:        5 * time.Second,
		LagMaxEntries:     10_000,
		ReadConsistency:   Committed,
		SegmentBytes:      32 << 20,
		RetentionMS:       -1,
		RetentionBytes:    -1,
		RetentionCheck:    30 * time.Second,
		DefaultPartitions: 1,
		AutoCreateTopics:  true,
		MaxMessageBytes:   1<<20 + 12, // as Kafka: clients' default of 1 MiB counts without the first 12 bytes
		MaxRequestBytes:   100 << 20,
		Log:               "info",
	}
}
