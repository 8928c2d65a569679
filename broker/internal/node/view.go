package node

import (
	"time"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/shard"
)

// nodeView is what GET /replicas answers. Times that never were are -1, and so
// is a lag that this node cannot know.
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
	Rebuilding    bool           `json:"rebuilding,omitempty"` // emptied: gets what the others have, and does not vote yet
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
	LagEntries    uint64         `json:"lag_entries"`
	LagSeconds    float64        `json:"lag_seconds"`
	Followers     []followerView `json:"followers,omitempty"` // told by the leader
}

type followerView struct {
	Node          int32   `json:"node"`
	MatchIndex    uint64  `json:"match_index"`
	LastContactMS int64   `json:"last_contact_ms"`
	LagEntries    uint64  `json:"lag_entries"`
	LagSeconds    float64 `json:"lag_seconds"`
}

// lagView is how far a replica of a partition is behind. Seconds are since
// when something has been committed that it lacks.
type lagView struct {
	Records int64   `json:"lag_records"`
	Bytes   int64   `json:"lag_bytes"`
	Seconds float64 `json:"lag_seconds"`
}

type replicaView struct {
	Topic         string `json:"topic"`
	TopicID       string `json:"topic_id"`
	Partition     int32  `json:"partition"`
	Shard         uint32 `json:"shard"`
	Role          string `json:"role"`
	Leader        int32  `json:"leader"`
	Epoch         int32  `json:"epoch"`
	LogStart      int64  `json:"log_start"`
	HighWatermark int64  `json:"high_watermark"`
	LogEnd        int64  `json:"log_end"`
	LastContactMS int64  `json:"last_contact_ms"`
	lagView
	Followers []followerLagView `json:"followers,omitempty"` // told by the leader
}

type followerLagView struct {
	Node int32 `json:"node"`
	lagView
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

// ownLag is what this replica knows of its own lag: a leader has none; a
// follower that has applied all its leader has told it of has none that it
// knows of, and else knows since when, but not how much. One that has not heard
// its leader for a lease may lack whatever was committed since.
func ownLag(st shard.Status, lease time.Duration, now time.Time) lagView {
	since := st.LagSince
	if cutOff := now.Sub(st.LastContact) > lease && !st.LastContact.IsZero(); cutOff && (since.IsZero() || st.LastContact.Before(since)) {
		since = st.LastContact
	}
	if st.Role == shard.Leader || since.IsZero() && st.LagEntries == 0 {
		return lagView{}
	}
	v := lagView{Records: -1, Bytes: -1}
	if !since.IsZero() {
		v.Seconds = now.Sub(since).Seconds()
	}
	return v
}

// lagOf is how far a follower of this leader is behind in one partition.
func lagOf(s *shard.Shard, f shard.Progress, k partition.Key) lagView {
	records, bytes := s.FollowerLag(f.Node, k)
	if records == 0 {
		return lagView{}
	}
	return lagView{records, bytes, secondsSince(f.LagSince)}
}

// above is how many entries of commit a replica lacks that has match.
func above(commit, match uint64) uint64 {
	if match >= commit {
		return 0
	}
	return commit - match
}

func (n *Node) viewShard(s *shard.Shard, st shard.Status, followers []shard.Progress) shardView {
	disk := s.Storage()
	v := shardView{
		FirstIndex: disk.FirstIndex, SnapshotIndex: disk.SnapshotIndex, Segments: disk.Segments, LogBytes: disk.LogBytes, DiskBytes: disk.DiskBytes,
		Shard: s.ID(), Role: st.Role.String(), Ready: st.Ready, Rebuilding: st.Waiting || st.Rebuilding, Leader: st.Leader, Epoch: st.Epoch,
		CommitIndex: st.Commit, AppliedIndex: st.Applied, LastIndex: st.Last, LastContactMS: millisSince(st.LastContact),
		LagEntries: st.LagEntries, LagSeconds: ownLag(st, n.cfg.Lease, time.Now()).Seconds,
	}
	for _, f := range followers {
		v.Followers = append(v.Followers, followerView{
			Node: f.Node, MatchIndex: f.Match, LastContactMS: millisSince(f.LastContact),
			LagEntries: above(st.Commit, f.Match), LagSeconds: secondsSince(f.LagSince),
		})
	}
	return v
}

func (n *Node) view() nodeView {
	v := nodeView{
		Node: n.cfg.NodeID, Rack: n.cfg.Rack, ClusterID: n.control.ClusterID(), Version: n.version,
		FetchFromFollowers: n.cfg.FetchFromFollower, Replicas: []replicaView{},
	}
	status, followers := make([]shard.Status, len(n.shards)), make([][]shard.Progress, len(n.shards))
	for i, s := range n.shards {
		status[i], followers[i] = s.Status(), s.Followers()
		v.Shards = append(v.Shards, n.viewShard(s, status[i], followers[i]))
	}
	for _, t := range n.control.Topics() {
		for p, id := range t.Shards {
			st, k := status[id], partition.Key{Topic: t.ID, Partition: int32(p)}
			log := n.shards[id].Partition(k)
			r := replicaView{
				Topic: t.Name, TopicID: t.ID.String(), Partition: int32(p), Shard: id,
				Role: st.Role.String(), Leader: st.Leader, Epoch: st.Epoch,
				LogStart: log.LogStart(), HighWatermark: log.HighWatermark(), LogEnd: log.HighWatermark(),
				LastContactMS: millisSince(st.LastContact), lagView: ownLag(st, n.cfg.Lease, time.Now()),
			}
			for _, f := range followers[id] {
				r.Followers = append(r.Followers, followerLagView{f.Node, lagOf(n.shards[id], f, k)})
			}
			v.Replicas = append(v.Replicas, r)
		}
	}
	return v
}
