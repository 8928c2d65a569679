package node

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/rafttransport"
)

// collector reads what the parts know anyway when metrics are asked for, so
// that it costs nothing in between.
type collector struct{ n *Node }

var (
	lagRecords = prometheus.NewDesc("lockstep_replica_lag_records",
		"Committed records that a follower has not acknowledged to its leader yet; told by leaders.", []string{"topic", "partition", "node"}, nil)
	lagSeconds = prometheus.NewDesc("lockstep_raft_follower_lag_seconds",
		"How long this replica has been behind the commit index that its leader told it; 0 while it is not.", []string{"shard"}, nil)
	lagEntries = prometheus.NewDesc("lockstep_raft_follower_lag_entries",
		"Raft entries that this replica is behind the commit index that its leader told it.", []string{"shard"}, nil)
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
	for _, d := range []*prometheus.Desc{lagRecords, lagSeconds, lagEntries, highWatermark, epoch, leads, segments, logBytes, diskBytes, firstIndex, snapshotIndex, peerBytes} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, s := range c.n.shards {
		st, id := s.Status(), strconv.Itoa(int(s.ID()))
		gauge(lagSeconds, secondsSince(st.LagSince), id)
		gauge(lagEntries, float64(st.LagEntries), id)
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
			hw := c.n.shards[id].Partition(k).HighWatermark()
			gauge(highWatermark, float64(hw), t.Name, number)
			for _, f := range c.n.shards[id].Followers() {
				behind := hw - c.n.shards[id].FollowerEnd(f.Node, k)
				gauge(lagRecords, float64(max(0, behind)), t.Name, number, strconv.Itoa(int(f.Node)))
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
