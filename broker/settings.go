package main

import (
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"lockstep/broker/internal/config"
)

// texts are settings that are written otherwise than they are kept.
type texts struct{ peers, fsync, consistency string }

const usage = `lockstep: a Kafka-protocol broker, replicated with Raft, whose followers serve reads

  lockstep [flags]    start a node; with no flags it is one complete broker
  lockstep health     ask the node on this machine whether it is ready; the exit status tells

Each flag is also an environment variable: --data-dir is LOCKSTEP_DATA_DIR.

`

// settings are all flags, which write into c and t. The variable of a flag has
// its name, in capitals, after LOCKSTEP_.
func settings(c *config.Config, t *texts) (flags *flag.FlagSet, version *bool) {
	fs := flag.NewFlagSet("lockstep", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // what is wrong is told in one line
	fs.Usage = func() {}
	fs.Var(int32Value{&c.NodeID}, "node-id", "this node's `id`, 1 or more")
	fs.StringVar(&c.DataDir, "data-dir", c.DataDir, "`directory` where the data lies; made when missing")
	fs.StringVar(&c.Rack, "rack", c.Rack, "where this node stands; consumers with the same client.rack read from it")
	fs.StringVar(&c.Listen, "listeners", c.Listen, "`address` of the Kafka listener")
	fs.StringVar(&c.Advertised, "advertised-listeners", c.Advertised, "`address` that clients are told (default: as --listeners, with localhost for all interfaces)")
	fs.StringVar(&c.LocalListen, "local-listeners", c.LocalListen, "`address` of the local-read listener, for clients without racks; empty for none")
	fs.StringVar(&c.AdvertisedLocal, "advertised-local-listeners", c.AdvertisedLocal, "`address` that its clients are told")
	fs.StringVar(&c.RaftListen, "raft-addr", c.RaftListen, "`address` that other nodes dial")
	fs.StringVar(&c.HTTPListen, "http-addr", c.HTTPListen, "`address` of health, metrics and replica state; empty for none")
	fs.BoolVar(&c.Pprof, "pprof", c.Pprof, "Go profiles at /debug/pprof/ of --http-addr")
	fs.StringVar(&t.peers, "peers", "", "all `nodes` as this one dials them: 1@host:19092,2@host:19093,3@host:19094; empty: a cluster of one")
	fs.IntVar(&c.Shards, "shards", c.Shards, "Raft groups in the cluster, 1 to 256; fixed when it forms")
	fs.StringVar(&t.fsync, "fsync", "always", "`always`: on disk before it is acknowledged; os: left to the page cache")
	fs.BoolVar(&c.FetchFromFollower, "fetch-from-followers", c.FetchFromFollower, "followers serve reads")
	fs.StringVar(&t.consistency, "read-consistency", c.ReadConsistency, "of reads: `committed` or linearizable; also by listener: committed,local=linearizable")
	fs.BoolVar(&c.CutOffEmpty, "cut-off-empty", c.CutOffEmpty, "a follower that is cut off answers readers who want more with nothing, instead of an error")
	fs.DurationVar(&c.Lease, "lease", c.Lease, "after how long unheard a leader, or a node, counts as gone")
	fs.DurationVar(&c.LagMaxTime, "replica-lag-max", c.LagMaxTime, "how long a follower may be behind before readers are sent away from it")
	fs.Uint64Var(&c.LagMaxEntries, "replica-lag-max-entries", c.LagMaxEntries, "and how many Raft entries")
	fs.Int64Var(&c.SegmentBytes, "segment-bytes", c.SegmentBytes, "`size` of the files of a shard's log, 65536 to 1073741824; a snapshot is taken as often, and disk is freed in such pieces")
	fs.Int64Var(&c.RetentionMS, "retention-ms", c.RetentionMS, "`age` in milliseconds from which records go, in topics without a retention.ms of their own; -1: never")
	fs.Int64Var(&c.RetentionBytes, "retention-bytes", c.RetentionBytes, "`bytes` of records that a partition keeps, in topics without a retention.bytes of their own; -1: all")
	fs.DurationVar(&c.RetentionCheck, "retention-check", c.RetentionCheck, "how often to look for records that may go, and disk that can be freed")
	fs.Var(int32Value{&c.DefaultPartitions}, "default-partitions", "`number` of partitions of topics that ask for none")
	fs.BoolVar(&c.AutoCreateTopics, "auto-create-topics", c.AutoCreateTopics, "make a topic when a client first asks for it")
	fs.Var(int32Value{&c.MaxMessageBytes}, "max-message-bytes", "largest record batch, in `bytes`")
	fs.Var(int32Value{&c.MaxRequestBytes}, "max-request-bytes", "largest request, in `bytes`")
	fs.StringVar(&c.Log, "log", c.Log, "`level`, also by component: info,shard=debug")
	return fs, fs.Bool("version", false, "print the version and exit")
}

// int32Value is a flag.Value.
type int32Value struct{ to *int32 }

func (v int32Value) String() string {
	if v.to == nil {
		return ""
	}
	return strconv.Itoa(int(*v.to))
}

func (v int32Value) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return fmt.Errorf("%q is not a number from -2147483648 to 2147483647", s)
	}
	*v.to = int32(n)
	return nil
}

// parse checks the settings and fills in those that are not kept as written.
func (t *texts) parse(c *config.Config) error {
	switch t.fsync {
	case "always":
		c.FsyncAlways = true
	case "os":
		c.FsyncAlways = false
	default:
		return fmt.Errorf("--fsync %q: use always or os", t.fsync)
	}
	peers, err := parsePeers(t.peers)
	if err != nil {
		return err
	}
	c.Peers = peers
	if err := parseConsistency(t.consistency, c); err != nil {
		return err
	}
	return c.Validate()
}

// parseConsistency reads "committed,local=linearizable": one default, and what
// holds on a listener.
func parseConsistency(s string, c *config.Config) error {
	defaults := 0
	for _, item := range strings.Split(s, ",") {
		listener, value, named := strings.Cut(strings.TrimSpace(item), "=")
		if !named {
			c.ReadConsistency = listener
			defaults++
			continue
		}
		if _, twice := c.ListenerConsistency[listener]; twice {
			return fmt.Errorf("--read-consistency %q: listener %s is named twice", s, listener)
		}
		if c.ListenerConsistency == nil {
			c.ListenerConsistency = map[string]string{}
		}
		c.ListenerConsistency[listener] = value
	}
	if defaults > 1 {
		return fmt.Errorf("--read-consistency %q: more than one default", s)
	}
	return nil
}

// parsePeers reads "1@host:port,2@host:port".
func parsePeers(s string) (map[int32]string, error) {
	peers := map[int32]string{}
	for _, item := range strings.Split(s, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		id, addr, ok := strings.Cut(item, "@")
		n, err := strconv.ParseInt(id, 10, 32)
		if !ok || err != nil || n < 1 || addr == "" {
			return nil, fmt.Errorf("--peers: %q is not of the form 1@host:19092", item)
		}
		if _, twice := peers[int32(n)]; twice {
			return nil, fmt.Errorf("--peers: node %d is named twice", n)
		}
		peers[int32(n)] = addr
	}
	return peers, nil
}
