package node

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/rafttransport"
	"lockstep/broker/internal/shard"
)

// collector reads what the parts know anyway when metrics are asked for, so
// that it costs nothing in between.
type collector struct{ n *Node }

var (
	lagRecords = prometheus.NewDesc("lockstep_replica_lag_records",
		"Committed records that a follower has not acknowledged to its leader yet; told by leaders.", []string{"topic", "partition", "node"}, nil)
	lagBytes = prometheus.NewDesc("lockstep_replica_lag_bytes",
		"Bytes of the record batches that a follower has not acknowledged to its leader yet; told by leaders.", []string{"topic", "partition", "node"}, nil)
	lagSeconds = prometheus.NewDesc("lockstep_replica_lag_seconds",
		"Since when records have been committed that a follower has not acknowledged to its leader yet; told by leaders.", []string{"topic", "partition", "node"}, nil)
	raftLagSeconds = prometheus.NewDesc("lockstep_raft_follower_lag_seconds",
		"Since when something has been committed that a replica of the shard lacks, 0 while there is nothing: told by leaders of their followers, and by a follower of itself, from what its leader has told it, or since it has heard its leader if that is a lease ago.", []string{"shard", "node"}, nil)
	raftLagEntries = prometheus.NewDesc("lockstep_raft_follower_lag_entries",
		"Committed Raft entries that a replica of the shard lacks; told likewise.", []string{"shard", "node"}, nil)
	highWatermark = prometheus.NewDesc("lockstep_high_watermark",
		"Offset after the newest record that this replica has applied.", []string{"topic", "partition"}, nil)
	epoch = prometheus.NewDesc("lockstep_leader_epoch",
		"Raft term, which is the leader epoch of all partitions of the shard.", []string{"shard"}, nil)
	leads = prometheus.NewDesc("lockstep_leader",
		"1 if this node leads the shard and accepts writes, else 0.", []string{"shard"}, nil)
	segments = prometheus.NewDesc("lockstep_log_segments",
		"Segments that the shard's log has on this node.", []string{"shard"}, nil)
	logBytes = prometheus.NewDesc("lockstep_log_bytes",
		"Bytes of the entries that the shard's log has on this node, headers included.", []string{"shard"}, nil)
	diskBytes = prometheus.NewDesc("lockstep_log_disk_bytes",
		"Bytes of the files of the shard's log on this node, which are made before they are filled.", []string{"shard"}, nil)
	firstIndex = prometheus.NewDesc("lockstep_log_first_index",
		"Oldest Raft entry that this node keeps of the shard.", []string{"shard"}, nil)
	snapshotIndex = prometheus.NewDesc("lockstep_snapshot_index",
		"Raft entry up to which the shard's newest snapshot on this node reaches.", []string{"shard"}, nil)
	peerBytes = prometheus.NewDesc("lockstep_peer_bytes_total",
		"Bytes exchanged with another node, by kind of message and direction.", []string{"peer", "kind", "direction"}, nil)
)

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{lagRecords, lagBytes, lagSeconds, raftLagSeconds, raftLagEntries, highWatermark, epoch, leads, segments, logBytes, diskBytes, firstIndex, snapshotIndex, peerBytes} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	followers := make([][]shard.Progress, len(c.n.shards))
	for i, s := range c.n.shards {
		st, id := s.Status(), strconv.Itoa(int(s.ID()))
		followers[i] = s.Followers()
		if st.Role != shard.Leader {
			own := strconv.Itoa(int(c.n.cfg.NodeID))
			gauge(raftLagSeconds, ownLag(st, c.n.cfg.Lease, time.Now()).Seconds, id, own)
			gauge(raftLagEntries, float64(st.LagEntries), id, own)
		}
		for _, f := range followers[i] {
			other := strconv.Itoa(int(f.Node))
			gauge(raftLagSeconds, secondsSince(f.LagSince), id, other)
			gauge(raftLagEntries, float64(above(st.Commit, f.Match)), id, other)
		}
		gauge(epoch, float64(st.Epoch), id)
		leading := 0.0
		if st.Ready {
			leading = 1
		}
		gauge(leads, leading, id)
		disk := s.Storage()
		gauge(segments, float64(disk.Segments), id)
		gauge(logBytes, float64(disk.LogBytes), id)
		gauge(diskBytes, float64(disk.DiskBytes), id)
		gauge(firstIndex, float64(disk.FirstIndex), id)
		gauge(snapshotIndex, float64(disk.SnapshotIndex), id)
	}
	for _, t := range c.n.control.Topics() {
		for p, id := range t.Shards {
			k, number := partition.Key{Topic: t.ID, Partition: int32(p)}, strconv.Itoa(p)
			gauge(highWatermark, float64(c.n.shards[id].Partition(k).HighWatermark()), t.Name, number)
			for _, f := range followers[id] {
				lag, other := lagOf(c.n.shards[id], f, k), strconv.Itoa(int(f.Node))
				gauge(lagRecords, float64(lag.Records), t.Name, number, other)
				gauge(lagBytes, float64(lag.Bytes), t.Name, number, other)
				gauge(lagSeconds, lag.Seconds, t.Name, number, other)
			}
		}
	}
	c.collectPeers(out)
}

func (c collector) collectPeers(out chan<- prometheus.Metric) {
	for _, p := range c.n.mux.Stats() {
		for kind, t := range p.Kinds {
			peer, name := strconv.Itoa(int(p.Peer)), rafttransport.Kind(kind).String()
			out <- prometheus.MustNewConstMetric(peerBytes, prometheus.CounterValue, float64(t.BytesIn), peer, name, "in")
			out <- prometheus.MustNewConstMetric(peerBytes, prometheus.CounterValue, float64(t.BytesOut), peer, name, "out")
		}
	}
}
