package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"lockstep/broker/internal/config"
)

// texts are settings that are written otherwise than they are kept.
type texts struct{ peers, fsync string }

// settings are all flags, which write into c and t. The variable of a flag has
// its name, in capitals, after LOCKSTEP_.
func settings(c *config.Config, t *texts) []cli.Flag {
	env := func(name string) cli.ValueSourceChain {
		return cli.EnvVars("LOCKSTEP_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
	}
	text := func(name string, to *string, usage string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage, Value: *to, Destination: to, Sources: env(name)}
	}
	number := func(name string, to *int32, usage string) cli.Flag {
		return &cli.Int32Flag{Name: name, Usage: usage, Value: *to, Destination: to, Sources: env(name)}
	}
	truth := func(name string, to *bool, usage string) cli.Flag {
		return &cli.BoolFlag{Name: name, Usage: usage, Value: *to, Destination: to, Sources: env(name)}
	}
	t.fsync = "always"
	return []cli.Flag{
		number("node-id", &c.NodeID, "this node's id, 1 or more"),
		text("data-dir", &c.DataDir, "where the data lies; made when missing"),
		text("rack", &c.Rack, "where this node stands; consumers with the same client.rack read from it"),
		text("listeners", &c.Listen, "address of the Kafka listener"),
		text("advertised-listeners", &c.Advertised, "the address clients are told (default: as --listeners, with localhost for all interfaces)"),
		text("local-listeners", &c.LocalListen, `address of the local-read listener, for clients without racks; "" for none`),
		text("advertised-local-listeners", &c.AdvertisedLocal, "the address its clients are told"),
		text("raft-addr", &c.RaftListen, "address that other nodes dial"),
		text("http-addr", &c.HTTPListen, `address of health, metrics and replica state; "" for none`),
		text("peers", &t.peers, "all nodes as this one dials them: 1@host:19092,2@host:19093,3@host:19094; empty: a cluster of one"),
		&cli.IntFlag{Name: "shards", Usage: "Raft groups in the cluster, 1 to 256; fixed when it forms", Value: c.Shards, Destination: &c.Shards, Sources: env("shards")},
		text("fsync", &t.fsync, "always: on disk before it is acknowledged; os: left to the page cache"),
		truth("fetch-from-followers", &c.FetchFromFollower, "followers serve reads"),
		text("read-consistency", &c.ReadConsistency, "of reads from followers: committed or linearizable"),
		truth("cut-off-empty", &c.CutOffEmpty, "a follower that is cut off answers readers who want more with nothing, instead of an error"),
		&cli.DurationFlag{Name: "lease", Usage: "after how long unheard a leader, or a node, counts as gone", Value: c.Lease, Destination: &c.Lease, Sources: env("lease")},
		&cli.DurationFlag{Name: "replica-lag-max", Usage: "how long a follower may be behind before readers are sent away from it", Value: c.LagMaxTime, Destination: &c.LagMaxTime, Sources: env("replica-lag-max")},
		&cli.Uint64Flag{Name: "replica-lag-max-entries", Usage: "and how many Raft entries", Value: c.LagMaxEntries, Destination: &c.LagMaxEntries, Sources: env("replica-lag-max-entries")},
		number("default-partitions", &c.DefaultPartitions, "of topics that ask for no number"),
		truth("auto-create-topics", &c.AutoCreateTopics, "make a topic when a client first asks for it"),
		number("max-message-bytes", &c.MaxMessageBytes, "largest record batch"),
		number("max-request-bytes", &c.MaxRequestBytes, "largest request"),
		text("log", &c.Log, "level, also by component: info,shard=debug"),
	}
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
	return c.Validate()
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
