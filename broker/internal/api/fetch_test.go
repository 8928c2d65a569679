package api

import (
	"bytes"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/recordbatch"
	"lockstep/broker/internal/shard"
)

// fetchOf asks for partitions 0, 1, … of topic "t" from the offsets on, with
// limits that do not matter, without waiting.
func fetchOf(n *node, version int16, offsets ...int64) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.Version, r.MinBytes, r.MaxBytes = version, 1, 1<<20
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = n.topic.Name, n.topic.ID
	for i, o := range offsets {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = int32(i), o, 1<<20
		p.CurrentLeaderEpoch, p.LastFetchedEpoch = -1, -1
		t.Partitions = append(t.Partitions, p)
	}
	r.Topics = append(r.Topics, t)
	return r
}

func waiting(r *kmsg.FetchRequest, d time.Duration) *kmsg.FetchRequest {
	r.MaxWaitMillis = int32(d.Milliseconds())
	return r
}

func inRackOf(r *kmsg.FetchRequest, rack string) *kmsg.FetchRequest {
	r.Rack = rack
	return r
}

// fetch sends r and returns the answers by partition.
func (n *node) fetch(l Listener, r *kmsg.FetchRequest) []kmsg.FetchResponseTopicPartition {
	n.t.Helper()
	resp := askFor[*kmsg.FetchResponse](n, l, r)
	if resp.ErrorCode != 0 {
		n.t.Fatalf("fetch failed: %v", kerr.ErrorForCode(resp.ErrorCode))
	}
	var parts []kmsg.FetchResponseTopicPartition
	for _, t := range resp.Topics {
		parts = append(parts, t.Partitions...)
	}
	return parts
}

// offsetsIn lists the base offsets of the batches in records.
func offsetsIn(t testing.TB, records []byte) []int64 {
	t.Helper()
	var offsets []int64
	for len(records) > 0 {
		b, rest, err := recordbatch.Next(records)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Validate(); err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, b.BaseOffset())
		records = rest
	}
	return offsets
}

func sameOffsets(a []int64, b ...int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// TestFetchShape checks what holds for every answer of every version: records
// are not null, and beside an error stand no offsets and no other replica.
func TestFetchShape(t *testing.T) {
	for version := int16(4); version <= 17; version++ {
		for _, c := range []struct {
			name     string
			status   shard.Status
			offset   int64
			listener Listener
			code     int16 // for a version that knows redirects
			hw, lso  int64
		}{
			{"records", asLeader, 0, Normal, 0, 3, 3},
			{"nothing new", asLeader, 3, Normal, 0, 3, 3},
			{"out of range", asLeader, 4, Normal, 1, -1, -1},
			{"follower, old client", asFollower, 0, Normal, 6, -1, -1},
			{"local-read listener", asFollower, 0, Local, 0, 3, 3},
			{"local-read listener above the high watermark", asFollower, 9, Local, 0, 3, 3},
		} {
			if c.name == "follower, old client" && version >= 11 {
				continue
			}
			n := newNode(t, c.status)
			n.fill(0, 3)
			got := n.fetch(c.listener, fetchOf(n, version, c.offset))[0]
			if got.RecordBatches == nil {
				t.Errorf("v%d %s: records are null", version, c.name)
			}
			if got.ErrorCode != c.code || got.HighWatermark != c.hw || got.LastStableOffset != c.lso || got.PreferredReadReplica != -1 {
				t.Errorf("v%d %s: %+v", version, c.name, got)
			}
			if version >= 5 && got.LogStartOffset != 0 {
				t.Errorf("v%d %s: log start %d", version, c.name, got.LogStartOffset)
			}
		}
	}
}

func TestFetchUnknown(t *testing.T) {
	n := newNode(t, asLeader)
	byName := fetchOf(n, 12, 0)
	byName.Topics[0].Topic = "nope"
	if got := n.fetch(Normal, byName)[0]; got.ErrorCode != 3 || got.HighWatermark != -1 || got.RecordBatches == nil {
		t.Errorf("unknown name: %+v", got)
	}
	byID := fetchOf(n, 13, 0)
	byID.Topics[0].TopicID = [16]byte{1}
	if got := n.fetch(Normal, byID)[0]; got.ErrorCode != 100 || got.HighWatermark != -1 || got.RecordBatches == nil {
		t.Errorf("unknown id: %+v", got)
	}
	if got := n.fetch(Normal, fetchOf(n, 13, 0, 0, 0, 0, 0))[4]; got.ErrorCode != 3 {
		t.Errorf("unknown partition: %+v", got)
	}
}

// TestFetchNamesLeader checks CurrentLeader and the leaders' endpoints.
func TestFetchNamesLeader(t *testing.T) {
	for _, c := range []struct {
		name      string
		version   int16
		leader    int32
		named     bool
		endpoints int
	}{
		{"v11 has no room", 11, 2, false, 0},
		{"v12", 12, 2, true, 0},
		{"v15", 15, 2, true, 0},
		{"v16", 16, 2, true, 1},
		{"unknown leader is never named", 17, -1, false, 0},
	} {
		n := newNode(t, shard.Status{Leader: c.leader, Epoch: 5})
		n.api.Config.FetchFromFollower = false
		resp := askFor[*kmsg.FetchResponse](n, Normal, fetchOf(n, c.version, 0))
		got := resp.Topics[0].Partitions[0]
		want := kmsg.NewFetchResponseTopicPartitionCurrentLeader()
		if c.named {
			want.LeaderID, want.LeaderEpoch = c.leader, 5
		}
		if got.ErrorCode != 6 || got.CurrentLeader.LeaderID != want.LeaderID || got.CurrentLeader.LeaderEpoch != want.LeaderEpoch {
			t.Errorf("%s: %+v", c.name, got)
		}
		if len(resp.Brokers) != c.endpoints || c.endpoints == 1 && (resp.Brokers[0].NodeID != 2 || resp.Brokers[0].Port != 9093) {
			t.Errorf("%s: endpoints %+v", c.name, resp.Brokers)
		}
	}
}

func TestFetchBytes(t *testing.T) {
	n := newNode(t, asFollower)
	n.fill(0, 3, 2, 1)
	n.fill(1, 1, 1)
	one := len(batchOf(1))
	three := len(batchOf(3))

	type limits struct{ max, first, second int32 }
	for _, c := range []struct {
		name          string
		offset        int64
		limits        limits
		first, second []int64
	}{
		{"everything", 0, limits{1 << 20, 1 << 20, 1 << 20}, []int64{0, 3, 5}, []int64{0, 1}},
		{"an offset inside a batch gets the batch", 4, limits{1 << 20, 1 << 20, 1 << 20}, []int64{3, 5}, []int64{0, 1}},
		{"never a batch wholly below the offset", 3, limits{1 << 20, 1 << 20, 1 << 20}, []int64{3, 5}, []int64{0, 1}},
		{"whole batches only", 0, limits{1 << 20, int32(three) + 1, 1 << 20}, []int64{0}, []int64{0, 1}},
		{"the first batch comes above both limits", 0, limits{1, 1, 1}, []int64{0}, nil},
		{"above the partition's limit; then the rest fits", 0, limits{int32(three + one), 1, 1 << 20}, []int64{0}, []int64{0}},
		{"only the first of all", 0, limits{1 << 20, 1, 1}, []int64{0}, nil},
		{"the first non-empty partition is the second", 6, limits{1, 1, 1}, nil, []int64{0}},
		{"limits of zero", 0, limits{0, 0, 0}, []int64{0}, nil},
		{"negative limits", 0, limits{-1, -1, -1}, []int64{0}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := fetchOf(n, 12, c.offset, 0)
			r.MaxBytes = c.limits.max
			r.Topics[0].Partitions[0].PartitionMaxBytes = c.limits.first
			r.Topics[0].Partitions[1].PartitionMaxBytes = c.limits.second
			got := n.fetch(Normal, r)
			if a, b := offsetsIn(t, got[0].RecordBatches), offsetsIn(t, got[1].RecordBatches); !sameOffsets(a, c.first...) || !sameOffsets(b, c.second...) {
				t.Errorf("got batches %v and %v, want %v and %v", a, b, c.first, c.second)
			}
			for _, p := range got {
				if p.ErrorCode != 0 || p.RecordBatches == nil {
					t.Errorf("answer %+v", p)
				}
			}
		})
	}
}

// TestFetchBytesUnchanged compares what is served with what was produced, from
// byte 16 on.
func TestFetchBytesUnchanged(t *testing.T) {
	n := newNode(t, asFollower)
	b := batchOf(3)
	n.shard.commit(n.key(0), b)
	got := n.fetch(Normal, fetchOf(n, 17, 0))[0].RecordBatches
	if !bytes.Equal(got[16:], b[16:]) {
		t.Error("bytes differ")
	}
}

func TestFetchZstdBeforeVersion10(t *testing.T) {
	n := newNode(t, asLeader)
	n.fill(0, 1)
	z := batchOf(1)
	z.SetAttributes(int16(recordbatch.Zstd))
	n.shard.commit(n.key(0), z)
	if got := n.fetch(Normal, fetchOf(n, 9, 0))[0]; got.ErrorCode != 0 || !sameOffsets(offsetsIn(t, got.RecordBatches), 0) {
		t.Errorf("before zstd: %+v", got)
	}
	if got := n.fetch(Normal, fetchOf(n, 9, 1))[0]; got.ErrorCode != 76 || got.HighWatermark != -1 {
		t.Errorf("zstd: %+v", got)
	}
	if got := n.fetch(Normal, fetchOf(n, 10, 0))[0]; !sameOffsets(offsetsIn(t, got.RecordBatches), 0, 1) {
		t.Errorf("v10: %+v", got)
	}
}

func TestFetchDiskError(t *testing.T) {
	n := newNode(t, asLeader)
	n.fill(0, 1)
	n.shard.log.broken = true
	if got := n.fetch(Normal, fetchOf(n, 12, 0))[0]; got.ErrorCode != kerr.KafkaStorageError.Code || got.HighWatermark != -1 || len(got.RecordBatches) != 0 {
		t.Errorf("got %+v", got)
	}
}

// TestFetchWhileSteppingDown: the log end of a node that has just stopped
// leading is only its high watermark, and no reason for a reset.
func TestFetchWhileSteppingDown(t *testing.T) {
	n := newNode(t, asLeader)
	n.fill(0, 3)
	n.shard.onLogEnd = func() {
		n.shard.become(func(st *shard.Status) { st.Role, st.Leader = shard.Follower, 2 })
	}
	if got := n.fetch(Normal, fetchOf(n, 12, 4))[0]; got.ErrorCode != 0 || got.HighWatermark != 3 {
		t.Errorf("got %+v", got)
	}
}

func TestFetchDivergingEpoch(t *testing.T) {
	n := newNode(t, asLeader)
	n.fill(0, 3) // epoch 5
	n.shard.become(func(st *shard.Status) { st.Epoch = 8 })
	n.fill(0, 1)
	for _, c := range []struct {
		last   int32
		offset int64
		epoch  int32
		end    int64
	}{
		{-1, 3, -1, -1}, // consumers do not say
		{5, 3, -1, -1},
		{8, 4, -1, -1},
		{5, 4, 5, 3}, // epoch 5 ended before
		{7, 3, 5, 3}, // no such epoch here
	} {
		r := fetchOf(n, 12, c.offset)
		r.Topics[0].Partitions[0].LastFetchedEpoch = c.last
		if d := n.fetch(Normal, r)[0].DivergingEpoch; d.Epoch != c.epoch || d.EndOffset != c.end {
			t.Errorf("last fetched epoch %d, offset %d: %+v", c.last, c.offset, d)
		}
	}
}

func TestFetchRefusesOldVersions(t *testing.T) {
	n := newNode(t, asLeader)
	for version := int16(0); version < 4; version++ {
		got := n.fetch(Normal, fetchOf(n, version, 0))[0]
		if got.ErrorCode != kerr.UnsupportedVersion.Code || got.RecordBatches == nil {
			t.Errorf("v%d: %+v", version, got)
		}
	}
}

// TestFetchManyPartitions wakes a fetch over many partitions once for each
// commit, and loses none.
func TestFetchManyPartitions(t *testing.T) {
	n := newNode(t, asFollower)
	n.topic.Shards = make([]uint32, 1000)
	offsets := make([]int64, 1000)
	for i := range 50 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			n.shard.commit(partition.Key{Topic: n.topic.ID, Partition: int32(i * 20)}, batchOf(1))
		}()
		got := 0
		for got == 0 {
			for p, a := range n.fetch(Normal, waiting(fetchOf(n, 12, offsets...), 10*time.Second)) {
				if len(a.RecordBatches) > 0 {
					got++
					offsets[p]++
				}
			}
		}
		<-done
	}
}
