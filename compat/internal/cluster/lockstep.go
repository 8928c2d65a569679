package cluster

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lockstep/compat/internal/raw"
)

// Lockstep is the target that this repository is about.
type Lockstep struct {
	Root string // of the repository
	Bin  string // the broker to run as processes; "": bin/lockstep below Root
}

// Name implements Target.
func (Lockstep) Name() string { return "lockstep" }

// Features implements Target.
func (Lockstep) Features() Features {
	return Features{LocalListener: true, Counters: true, Linearizable: true, Replicas: true, Transfer: true, HandsBack: true, Reconfigure: true, Wipe: true, PeerLinks: true}
}

// Binary implements Target.
func (l Lockstep) Binary() (string, error) {
	path := cmp.Or(l.Bin, filepath.Join(l.Root, "bin", "lockstep"))
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no broker to test: %w (make build makes it)", err)
	}
	return path, nil
}

// Prepare implements Target.
func (Lockstep) Prepare(NodePlan) error { return nil }

// Image implements Target.
func (Lockstep) Image() string { return "lockstep:dev" }

// Args implements Target.
func (Lockstep) Args(NodePlan) []string { return nil }

// Env implements Target.
func (Lockstep) Env(n NodePlan) []string {
	var peers []string
	dialled := n.addresses()
	for _, id := range n.members() {
		addr := dialled[id]
		peers = append(peers, fmt.Sprintf("%d@%s", id, addr))
	}
	env := []string{
		fmt.Sprintf("LOCKSTEP_NODE_ID=%d", n.ID),
		"LOCKSTEP_DATA_DIR=" + n.DataDir,
		"LOCKSTEP_LISTENERS=" + n.Kafka,
		"LOCKSTEP_LOCAL_LISTENERS=" + n.Local,
		"LOCKSTEP_ADVERTISED_LISTENERS=" + n.AdvertisedKafka,
		"LOCKSTEP_ADVERTISED_LOCAL_LISTENERS=" + n.AdvertisedLocal,
		"LOCKSTEP_RAFT_ADDR=" + n.Raft,
		"LOCKSTEP_HTTP_ADDR=" + n.HTTP,
		"LOCKSTEP_PEERS=" + strings.Join(peers, ","),
		"LOCKSTEP_RACK=" + n.Rack,
	}
	for _, name := range slices.Sorted(maps.Keys(n.Extra)) {
		env = append(env, name+"="+n.Extra[name]) // of two the last one counts
	}
	return env
}

// Settings implements Target.
func (Lockstep) Settings(env map[string]string) (map[string]string, error) { return env, nil }

// Transfer implements Target: a partition's shard is handed over.
func (Lockstep) Transfer(ctx context.Context, c *Cluster, topic string, partition int32, to int) error {
	shard, err := c.ShardOf(ctx, topic, partition)
	if err != nil {
		return err
	}
	return c.Transfer(ctx, shard, to)
}

// Beyond implements Target: by the shard's log.
func (Lockstep) Beyond(ctx context.Context, c *Cluster, node int, topic string, partition int32) (bool, string, error) {
	shard, err := c.ShardOf(ctx, topic, partition)
	if err != nil {
		return false, "", err
	}
	s, err := c.Status(ctx, node)
	if err != nil {
		return false, "", err
	}
	for _, sh := range s.Shards {
		if sh.Shard == shard {
			return sh.LastIndex > sh.CommitIndex, fmt.Sprintf("node %d: the log ends at index %d, of which %d are committed", node, sh.LastIndex, sh.CommitIndex), nil
		}
	}
	return false, "", fmt.Errorf("node %d does not tell of shard %d", node, shard)
}

// PeerGreeting implements Target: a hello as peers begin with, from a node that there is not. It is answered with a
// hello, of the same size, that says so, and the connection ends; the peers' own are not disturbed.
func (Lockstep) PeerGreeting(_, to int) raw.Greeting {
	const (
		size    = 32
		version = 1
		nobody  = 0
	)
	b := make([]byte, size)
	copy(b, "LOCKSTEP")
	binary.LittleEndian.PutUint16(b[8:], version)
	binary.LittleEndian.PutUint32(b[12:], nobody)
	binary.LittleEndian.PutUint32(b[16:], uint32(to))
	binary.LittleEndian.PutUint32(b[28:], crc32.Checksum(b[:28], crc32.MakeTable(crc32.Castagnoli)))
	return raw.Greeting{Ask: b, Answer: size}
}

// Ready implements Target: every node says that it is ready, every shard has one leader that all agree on, and
// both followers were heard of a moment ago and hold what was committed.
func (Lockstep) Ready(ctx context.Context, c *Cluster) error {
	if !c.Features().Replicas {
		return allKnown(ctx, c)
	}
	leaders := map[int]int{}
	for _, n := range c.Members() {
		if err := c.httpOK(ctx, n, "/health/ready"); err != nil {
			return fmt.Errorf("node %d is not ready: %w", n, err)
		}
		s, err := c.Status(ctx, n)
		if err != nil {
			return err
		}
		if len(s.Shards) == 0 {
			return fmt.Errorf("node %d has no shards", n)
		}
		for _, sh := range s.Shards {
			if sh.Leader < 1 {
				return fmt.Errorf("shard %d has no leader on node %d", sh.Shard, n)
			}
			if at, seen := leaders[sh.Shard]; seen && at != sh.Leader {
				return fmt.Errorf("shard %d: nodes disagree about its leader (%d, %d)", sh.Shard, at, sh.Leader)
			}
			leaders[sh.Shard] = sh.Leader
			if sh.Role == "leader" {
				if err := followed(sh, len(c.Members())-1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Settled implements Target: shards hand their leadership over some seconds after a node is back, until every node leads
// its share.
func (Lockstep) Settled(ctx context.Context, c *Cluster) error {
	if !c.Features().Replicas {
		return nil
	}
	s, err := c.Status(ctx, c.Members()[0])
	if err != nil {
		return err
	}
	leads := map[int]int{}
	for _, sh := range s.Shards {
		leads[sh.Leader]++
	}
	size := len(c.Members())
	share := (len(s.Shards) + size - 1) / size
	for node, n := range leads {
		if n > share {
			return fmt.Errorf("node %d leads %d of %d shards", node, n, len(s.Shards))
		}
	}
	return nil
}

// heardWithin is how recently a healthy follower has been heard of: a few heartbeats.
const heardWithin = 2 * time.Second

func followed(sh ShardStatus, by int) error {
	if len(sh.Followers) != by {
		return fmt.Errorf("shard %d has %d followers", sh.Shard, len(sh.Followers))
	}
	for _, f := range sh.Followers {
		if f.LastContactMS < 0 || f.LastContactMS > heardWithin.Milliseconds() {
			return fmt.Errorf("shard %d: follower %d was last heard %d ms ago", sh.Shard, f.Node, f.LastContactMS)
		}
		if f.MatchIndex < sh.CommitIndex {
			return fmt.Errorf("shard %d: follower %d holds %d of %d", sh.Shard, f.Node, f.MatchIndex, sh.CommitIndex)
		}
	}
	return nil
}
