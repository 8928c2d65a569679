package node

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/shard"
)

// handler serves:
//
//	GET  /health/live     200 while the process runs
//	GET  /health/ready    200 when clients can be served, else 503 and one line why
//	GET  /metrics         Prometheus
//	GET  /replicas        the state of every shard and replica, as JSON
//	POST /admin/transfer?shard=2&to=3  hand a shard's leadership over
func (n *Node) handler() http.Handler {
	n.metrics.Registry.MustRegister(collector{n})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /health/ready", func(w http.ResponseWriter, _ *http.Request) {
		if why := n.notReady(); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.metrics.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /replicas", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(n.view()); err != nil {
			n.log.Debug("answer /replicas", "error", err)
		}
	})
	mux.HandleFunc("POST /admin/transfer", n.transfer)
	return mux
}

func (n *Node) transfer(w http.ResponseWriter, r *http.Request) {
	id, err1 := strconv.Atoi(r.FormValue("shard"))
	to, err2 := strconv.Atoi(r.FormValue("to"))
	if err1 != nil || err2 != nil || id < 0 || id >= len(n.shards) {
		http.Error(w, fmt.Sprintf("use POST /admin/transfer?shard=0..%d&to=node", len(n.shards)-1), http.StatusBadRequest)
		return
	}
	if err := n.shards[id].Transfer(int32(to)); err != nil {
		http.Error(w, fmt.Sprintf("shard %d: %v", id, err), http.StatusConflict)
		return
	}
	fmt.Fprintln(w, "ok")
}

// notReady says why this node cannot serve; "" when it can: it is registered,
// every shard has a leader, and what this replica knows is not far behind.
func (n *Node) notReady() string {
	for _, s := range n.shards {
		st := s.Status()
		switch {
		case st.Leader < 0:
			return fmt.Sprintf("shard %d has no leader that this node hears", s.ID())
		case st.Role == shard.Leader && !st.Ready:
			return fmt.Sprintf("shard %d is taking over from its last leader", s.ID())
		case st.LagEntries > n.cfg.LagMaxEntries:
			return fmt.Sprintf("shard %d is %d entries behind its leader", s.ID(), st.LagEntries)
		}
	}
	if !n.control.Registered() {
		return "this node is not registered with the cluster yet"
	}
	return ""
}

type nodeView struct {
	Node               int32         `json:"node"`
	Rack               string        `json:"rack"`
	ClusterID          string        `json:"cluster_id"`
	Version            string        `json:"version"`
	FetchFromFollowers bool          `json:"fetch_from_followers"`
	Shards             []shardView   `json:"shards"`
	Replicas           []replicaView `json:"replicas"`
}

type shardView struct {
	Shard         uint32         `json:"shard"`
	Role          string         `json:"role"`
	Ready         bool           `json:"ready"`
	Leader        int32          `json:"leader"`
	Epoch         int32          `json:"epoch"`
	CommitIndex   uint64         `json:"commit_index"`
	AppliedIndex  uint64         `json:"applied_index"`
	LastIndex     uint64         `json:"last_index"`
	FirstIndex    uint64         `json:"first_index"` // oldest Raft entry kept
	SnapshotIndex uint64         `json:"snapshot_index"`
	Segments      int            `json:"segments"`
	LogBytes      int64          `json:"log_bytes"`  // of the entries kept
	DiskBytes     int64          `json:"disk_bytes"` // of the log's files, spares included
	LastContactMS int64          `json:"last_contact_ms"`
	Followers     []followerView `json:"followers,omitempty"`
}

type followerView struct {
	Node          int32  `json:"node"`
	MatchIndex    uint64 `json:"match_index"`
	LastContactMS int64  `json:"last_contact_ms"`
}

type replicaView struct {
	Topic         string  `json:"topic"`
	TopicID       string  `json:"topic_id"`
	Partition     int32   `json:"partition"`
	Shard         uint32  `json:"shard"`
	Role          string  `json:"role"`
	Leader        int32   `json:"leader"`
	Epoch         int32   `json:"epoch"`
	LogStart      int64   `json:"log_start"`
	HighWatermark int64   `json:"high_watermark"`
	LogEnd        int64   `json:"log_end"`
	LastContactMS int64   `json:"last_contact_ms"`
	LagSeconds    float64 `json:"lag_seconds"`
}

// millisSince is -1 for "never".
func millisSince(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return time.Since(t).Milliseconds()
}

func secondsSince(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return time.Since(t).Seconds()
}

func (n *Node) view() nodeView {
	v := nodeView{
		Node: n.cfg.NodeID, Rack: n.cfg.Rack, ClusterID: n.control.ClusterID(), Version: n.version,
		FetchFromFollowers: n.cfg.FetchFromFollower, Replicas: []replicaView{},
	}
	status := make([]shard.Status, len(n.shards))
	for i, s := range n.shards {
		st := s.Status()
		status[i] = st
		sv := shardView{
			Shard: s.ID(), Role: st.Role.String(), Ready: st.Ready, Leader: st.Leader, Epoch: st.Epoch,
			CommitIndex: st.Commit, AppliedIndex: st.Applied, LastIndex: st.Last, LastContactMS: millisSince(st.LastContact),
		}
		disk := s.Storage()
		sv.FirstIndex, sv.SnapshotIndex, sv.Segments = disk.FirstIndex, disk.SnapshotIndex, disk.Segments
		sv.LogBytes, sv.DiskBytes = disk.LogBytes, disk.DiskBytes
		for _, f := range s.Followers() {
			sv.Followers = append(sv.Followers, followerView{Node: f.Node, MatchIndex: f.Match, LastContactMS: millisSince(f.LastContact)})
		}
		v.Shards = append(v.Shards, sv)
	}
	for _, t := range n.control.Topics() {
		for p, id := range t.Shards {
			st := status[id]
			view := n.shards[id].Partition(partition.Key{Topic: t.ID, Partition: int32(p)})
			v.Replicas = append(v.Replicas, replicaView{
				Topic: t.Name, TopicID: t.ID.String(), Partition: int32(p), Shard: id,
				Role: st.Role.String(), Leader: st.Leader, Epoch: st.Epoch,
				LogStart: view.LogStart(), HighWatermark: view.HighWatermark(), LogEnd: view.HighWatermark(),
				LastContactMS: millisSince(st.LastContact), LagSeconds: secondsSince(st.LagSince),
			})
		}
	}
	return v
}
