package config

import (
	"fmt"
	"net"
)

// maxShards is the most Raft groups that a cluster can have.
const maxShards = 256

// Bounds of a segment's size: a smaller one is hardly more than a batch, a
// larger one frees disk too late. What a restart replays is of that size too.
const (
	minSegmentBytes = 64 << 10
	maxSegmentBytes = 1 << 30
)

// Validate returns what makes no sense, in words that name the setting.
func (c *Config) Validate() error {
	switch {
	case c.NodeID < 1:
		return fmt.Errorf("--node-id %d: use 1 or more", c.NodeID)
	case c.DataDir == "":
		return fmt.Errorf("--data-dir is empty: name a directory")
	case c.Shards < 1 || c.Shards > maxShards:
		return fmt.Errorf("--shards %d: use 1 to %d", c.Shards, maxShards)
	case c.Lease <= 0 || c.LagMaxTime <= 0:
		return fmt.Errorf("--lease and --replica-lag-max must be above zero")
	case c.SegmentBytes < minSegmentBytes || c.SegmentBytes > maxSegmentBytes:
		return fmt.Errorf("--segment-bytes %d: use %d (64 KiB) to %d (1 GiB)", c.SegmentBytes, minSegmentBytes, maxSegmentBytes)
	case c.RetentionMS < -1 || c.RetentionBytes < -1:
		return fmt.Errorf("--retention-ms %d and --retention-bytes %d: use -1 for no limit, or 0 or more", c.RetentionMS, c.RetentionBytes)
	case c.RetentionCheck <= 0:
		return fmt.Errorf("--retention-check %v: use a time above zero", c.RetentionCheck)
	case c.DefaultPartitions < 1:
		return fmt.Errorf("--default-partitions %d: use 1 or more", c.DefaultPartitions)
	case c.MaxMessageBytes < 1024 || c.MaxRequestBytes < c.MaxMessageBytes:
		return fmt.Errorf("--max-message-bytes %d and --max-request-bytes %d: a request must have room for a batch of at least 1024 bytes", c.MaxMessageBytes, c.MaxRequestBytes)
	}
	if err := c.validateConsistency(); err != nil {
		return err
	}
	if _, ok := c.Peers[c.NodeID]; len(c.Peers) > 0 && !ok {
		return fmt.Errorf("--peers does not name this node, %d: all nodes must be named alike on each", c.NodeID)
	}
	for id, addr := range c.Peers {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("--peers: address of node %d: use host:port: %w", id, err)
		}
	}
	for name, addr := range map[string]string{"listeners": c.Listen, "raft-addr": c.RaftListen} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("--%s: use host:port: %w", name, err)
		}
	}
	return nil
}

func (c *Config) validateConsistency() error {
	for listener, value := range c.ListenerConsistency {
		switch {
		case listener != "normal" && listener != "local":
			return fmt.Errorf("--read-consistency: there is no listener %q: use normal or local", listener)
		case listener == "local" && c.LocalListen == "":
			return fmt.Errorf("--read-consistency: local=%s, but there is no local-read listener: set --local-listeners", value)
		case value != Committed && value != Linearizable:
			return fmt.Errorf("--read-consistency: %s=%q: use committed or linearizable", listener, value)
		}
	}
	if c.ReadConsistency != Committed && c.ReadConsistency != Linearizable {
		return fmt.Errorf("--read-consistency %q: use committed or linearizable, and for one listener as in committed,local=linearizable", c.ReadConsistency)
	}
	return nil
}
