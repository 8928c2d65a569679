package api

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/shard"
)

func metadataOf(version int16, names ...string) *kmsg.MetadataRequest {
	r := kmsg.NewPtrMetadataRequest()
	r.Version, r.AllowAutoTopicCreation = version, true
	r.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		r.Topics = append(r.Topics, t)
	}
	return r
}

func (n *node) metadata(l Listener, r *kmsg.MetadataRequest) *kmsg.MetadataResponse {
	n.t.Helper()
	return askFor[*kmsg.MetadataResponse](n, l, r)
}

func TestMetadataPartitions(t *testing.T) {
	all := []int32{1, 2, 3}
	type partitionState struct {
		code          int16
		leader, epoch int32
		isr, offline  []int32
	}
	for _, c := range []struct {
		name     string
		status   shard.Status
		change   func(n *node)
		listener Listener
		want     partitionState
	}{
		{"leader", asLeader, nil, Normal, partitionState{0, 1, 5, all, nil}},
		{"follower", asFollower, nil, Normal, partitionState{0, 2, 5, all, nil}},
		{"leader unknown", shard.Status{Leader: -1, Heard: -1, Epoch: 5, LastContact: time.Now()}, nil, Normal, partitionState{5, -1, 5, all, nil}},
		{"leader dead", asFollower, func(n *node) { n.cluster.brokers[1].Alive = false }, Normal, partitionState{5, -1, 5, []int32{1, 3}, []int32{2}}},
		{"cut off", asFollower, func(n *node) {
			n.shard.st.Leader, n.shard.st.Heard = -1, 2
			n.shard.st.LastContact = time.Now().Add(-time.Hour)
		}, Normal, partitionState{0, 2, 5, []int32{2, 3}, nil}},
		{"cut off after it led", asFollower, func(n *node) {
			n.shard.st.Leader, n.shard.st.Heard = -1, -1
			n.shard.st.LastContact = time.Now().Add(-time.Hour)
		}, Normal, partitionState{0, 2, 5, []int32{2, 3}, nil}},
		{"no leader yet", asFollower, func(n *node) { n.shard.st.Leader, n.shard.st.Heard = -1, 2 }, Normal, partitionState{5, -1, 5, []int32{1, 2, 3}, nil}},
		{"another dead", asFollower, func(n *node) { n.cluster.brokers[2].Alive = false }, Normal, partitionState{0, 2, 5, []int32{1, 2}, []int32{3}}},
		{"another not registered", asFollower, func(n *node) { n.cluster.brokers = n.cluster.brokers[:2] }, Normal, partitionState{0, 2, 5, []int32{1, 2}, []int32{3}}},
		{"a follower lags", asLeader, func(n *node) { n.shard.followers[1].LagSince = time.Unix(1, 0) }, Normal, partitionState{0, 1, 5, []int32{1, 2}, nil}},
		{"this follower lags", asFollower, func(n *node) { n.shard.st.LagEntries = 1 << 20 }, Normal, partitionState{0, 2, 5, []int32{2, 3}, nil}},
		{"local: follower", asFollower, nil, Local, partitionState{0, 1, -1, []int32{1}, nil}},
		{"local: leader unknown", shard.Status{Leader: -1, Epoch: 5}, nil, Local, partitionState{0, 1, -1, []int32{1}, nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, c.status)
			if c.change != nil {
				c.change(n)
			}
			replicas := all
			if c.listener == Local {
				replicas = []int32{1} // this node is all there is
			}
			for _, version := range []int16{7, 8, 12, 13} {
				p := n.metadata(c.listener, metadataOf(version, "t")).Topics[0].Partitions[2]
				got := partitionState{p.ErrorCode, p.Leader, p.LeaderEpoch, p.ISR, p.OfflineReplicas}
				if got.code != c.want.code || got.leader != c.want.leader || got.epoch != c.want.epoch ||
					!slices.Equal(got.isr, c.want.isr) || !slices.Equal(got.offline, c.want.offline) ||
					p.Partition != 2 || !slices.Equal(p.Replicas, replicas) {
					t.Errorf("v%d: %+v, want %+v", version, p, c.want)
				}
			}
		})
	}
}

func TestMetadataBrokers(t *testing.T) {
	for _, c := range []struct {
		listener   Listener
		ports      []int32
		controller int32
	}{{Normal, []int32{9092, 9093, 9094}, 2}, {Local, []int32{9192}, 1}} {
		n := newNode(t, asFollower)
		n.cluster.brokers[2].Rack = ""
		resp := n.metadata(c.listener, metadataOf(12, "t"))
		var ports []int32
		for _, b := range resp.Brokers {
			ports = append(ports, b.Port)
			if (b.Rack == nil) != (b.NodeID == 3) {
				t.Errorf("%s: rack of broker %d: %v", c.listener, b.NodeID, b.Rack)
			}
		}
		if !slices.Equal(ports, c.ports) || resp.ControllerID != c.controller || *resp.ClusterID != "cluster" {
			t.Errorf("%s: %+v", c.listener, resp)
		}
	}
	n := newNode(t, asFollower)
	n.cluster.brokers[1].Alive = false // the controller
	if got := n.metadata(Normal, metadataOf(12, "t")); got.ControllerID != 1 || len(got.Brokers) != 2 {
		t.Errorf("with a dead controller: %+v", got)
	}
}

func TestMetadataWhichTopics(t *testing.T) {
	none := metadataOf(1)
	null := metadataOf(12)
	null.Topics = nil
	byID := metadataOf(12, "")
	byID.Topics[0].Topic, byID.Topics[0].TopicID = nil, partition.TopicID{15: 7}
	unknownID := metadataOf(12, "")
	unknownID.Topics[0].Topic, unknownID.Topics[0].TopicID = nil, partition.TopicID{1}
	early := metadataOf(10, "t")
	early.Topics[0].TopicID = partition.TopicID{15: 7}
	nameless := metadataOf(12, "")
	nameless.Topics[0].Topic = nil
	refused := metadataOf(4, "nope")
	refused.AllowAutoTopicCreation = false

	for _, c := range []struct {
		name  string
		r     *kmsg.MetadataRequest
		codes []int16
	}{
		{"v0: empty is all", metadataOf(0), []int16{0, 0}},
		{"v1: empty is none", none, nil},
		{"null is all", null, []int16{0, 0}},
		{"by name", metadataOf(12, "t"), []int16{0}},
		{"by id", byID, []int16{0}},
		{"unknown id", unknownID, []int16{100}},
		{"an id before v12", early, []int16{42}},
		{"neither", nameless, []int16{42}},
		{"unknown, not to be created", refused, []int16{3}},
		{"known and unknown", metadataOf(12, "t", "created"), []int16{0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, asFollower)
			n.cluster.topics = append(n.cluster.topics, &controller.Topic{Name: "other", ID: partition.TopicID{8}, Shards: []uint32{0}})
			n.cluster.create = func(s controller.TopicSpec) (*controller.Topic, error) {
				return &controller.Topic{Name: s.Name, ID: partition.TopicID{9}, Shards: []uint32{0}}, nil
			}
			resp := n.metadata(Normal, c.r)
			var codes []int16
			for _, topic := range resp.Topics {
				codes = append(codes, topic.ErrorCode)
			}
			if !slices.Equal(codes, c.codes) {
				t.Errorf("got %+v, want codes %v", resp.Topics, c.codes)
			}
			if c.name == "by id" && *resp.Topics[0].Topic != "t" || c.name == "by name" && resp.Topics[0].TopicID != (partition.TopicID{15: 7}) {
				t.Errorf("got %+v", resp.Topics)
			}
		})
	}
}

func TestMetadataCreates(t *testing.T) {
	made := &controller.Topic{Name: "new", ID: partition.TopicID{9}, Shards: []uint32{0, 0}}
	for _, c := range []struct {
		name    string
		version int16
		off     bool
		err     error
		want    int16
		parts   int
	}{
		{"created", 4, false, nil, 0, 2},
		{"created before the client had a choice", 3, false, nil, 0, 2},
		{"not configured", 4, true, nil, 3, 0},
		{"a bad name", 4, false, kerr.InvalidTopicException, 17, 0},
		{"no leader for the metadata", 4, false, kerr.NotLeaderForPartition, 5, 0},
		{"too slow", 4, false, kerr.RequestTimedOut, 5, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, asFollower)
				n.api.Config.AutoCreateTopics = !c.off
				n.cluster.create = func(s controller.TopicSpec) (*controller.Topic, error) {
					if s.Name != "new" || s.Partitions != -1 || s.ReplicationFactor != -1 {
						t.Errorf("asked for %+v", s)
					}
					return made, c.err
				}
				got := n.metadata(Normal, metadataOf(c.version, "new")).Topics[0]
				if got.ErrorCode != c.want || len(got.Partitions) != c.parts || *got.Topic != "new" {
					t.Errorf("got %+v", got)
				}
			})
		})
	}
	n := newNode(t, asFollower)
	n.cluster.create = func(controller.TopicSpec) (*controller.Topic, error) {
		n.cluster.mu.Lock()
		defer n.cluster.mu.Unlock()
		n.cluster.topics = append(n.cluster.topics, made)
		return nil, kerr.TopicAlreadyExists
	}
	if got := n.metadata(Normal, metadataOf(12, "new")).Topics[0]; got.ErrorCode != 0 || len(got.Partitions) != 2 {
		t.Errorf("created by another meanwhile: %+v", got)
	}
}

func TestDescribeCluster(t *testing.T) {
	n := newNode(t, asFollower)
	n.cluster.brokers[2].Alive = false
	ask := func(l Listener, version int16, endpoints int8, fenced bool) *kmsg.DescribeClusterResponse {
		r := kmsg.NewPtrDescribeClusterRequest()
		r.Version, r.EndpointType, r.IncludeFencedBrokers = version, endpoints, fenced
		return askFor[*kmsg.DescribeClusterResponse](n, l, r)
	}
	if got := ask(Normal, 0, 1, false); got.ErrorCode != 0 || len(got.Brokers) != 2 || got.ControllerID != 2 || got.Brokers[0].Port != 9092 || got.ClusterID != "cluster" {
		t.Errorf("v0: %+v", got)
	}
	if got := ask(Local, 1, 1, false); got.ErrorCode != 0 || got.ControllerID != 1 || got.Brokers[1].Port != 9193 {
		t.Errorf("local: %+v", got)
	}
	if got := ask(Normal, 1, 2, false); got.ErrorCode != 114 || len(got.Brokers) != 0 {
		t.Errorf("controllers: %+v", got)
	}
	if got := ask(Normal, 1, 9, false); got.ErrorCode != 115 {
		t.Errorf("no such endpoints: %+v", got)
	}
	if got := ask(Normal, 2, 1, true); len(got.Brokers) != 3 || !got.Brokers[2].IsFenced || got.Brokers[1].IsFenced {
		t.Errorf("dead ones too: %+v", got)
	}
}

func TestApiVersions(t *testing.T) {
	n := newNode(t, asLeader)
	want := map[int16][2]int16{0: {0, 13}, 1: {4, 17}, 2: {1, 10}, 3: {0, 13}, 18: {0, 4}, 22: {0, 5}, 23: {2, 4}, 60: {0, 2}}
	for version := int16(0); version <= 4; version++ {
		r := kmsg.NewPtrApiVersionsRequest()
		r.Version, r.ClientSoftwareName, r.ClientSoftwareVersion = version, "c", "1"
		resp := askFor[*kmsg.ApiVersionsResponse](n, Normal, r)
		got := map[int16][2]int16{}
		for _, k := range resp.ApiKeys {
			got[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
		}
		for key, versions := range want {
			if got[key] != versions {
				t.Errorf("v%d: key %d has versions %v, want %v", version, key, got[key], versions)
			}
		}
		if resp.ErrorCode != 0 || len(got) != len(registry) {
			t.Errorf("v%d: error %d, %d keys", version, resp.ErrorCode, len(got))
		}
	}
}

// TestApiVersionsUnknown sends versions nobody knows: the answer has the format
// of version 0, and tells what to ask with instead.
func TestApiVersionsUnknown(t *testing.T) {
	n := newNode(t, asLeader)
	for _, version := range []int16{5, 6, 99, -1} {
		frame := []byte{0, 18, byte(version >> 8), byte(version), 0, 0, 0, 9, 0, 1, 'c', 0, 1, 2, 3, 0xff}
		if version == 5 {
			r := kmsg.NewPtrApiVersionsRequest()
			r.Version = 5
			frame = kmsg.NewRequestFormatter().AppendRequest(nil, r, 9)[4:]
		}
		req, err := ParseRequest(frame)
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		wait, err := n.api.Start(t.Context(), req)
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		want := []byte{0, 0, 0, 9, 0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4}
		if got := AppendResponse(nil, req, wait()); !slices.Equal(got, want) {
			t.Errorf("version %d: % x, want % x", version, got, want)
		}
	}
}

// Between two leaders an answer would name one that is dead, or none.
func TestMetadataWaitsForTheNextLeader(t *testing.T) {
	n := newNode(t, asFollower)
	n.shard.awaitLeader = func() {
		n.shard.become(func(st *shard.Status) { st.Leader, st.Heard, st.Epoch = 3, 3, 6 })
	}
	p := n.metadata(Normal, metadataOf(12, "t")).Topics[0].Partitions[2]
	if p.ErrorCode != 0 || p.Leader != 3 || p.LeaderEpoch != 6 {
		t.Errorf("%+v; the leader of epoch 6 is node 3", p)
	}
}

// A node that was just started may lack topics that are there: it waits until it knows, and does not say that there is none. What
// it knows it tells at once.
func TestMetadataOnANodeThatCatchesUp(t *testing.T) {
	topic := &controller.Topic{Name: "late", ID: partition.TopicID{9}, Shards: []uint32{0}}
	for _, c := range []struct {
		name  string
		after time.Duration // 0: never
		found bool          // by then
		want  *kerr.Error
		took  time.Duration
	}{
		{"it is there", time.Second, true, nil, time.Second},
		{"there is none", time.Second, false, kerr.UnknownTopicOrPartition, time.Second},
		{"cut off", 0, false, kerr.LeaderNotAvailable, currentTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNode(t, asFollower)
				n.cluster.behind = make(chan struct{})
				if c.after > 0 {
					time.AfterFunc(c.after, func() {
						if c.found {
							n.cluster.mu.Lock()
							n.cluster.topics = append(n.cluster.topics, topic)
							n.cluster.mu.Unlock()
						}
						close(n.cluster.behind)
					})
				}
				start := time.Now()
				if known := n.metadata(Normal, metadataOf(12, "t")).Topics[0]; known.ErrorCode != 0 || time.Since(start) != 0 {
					t.Errorf("a topic that is known: error %d after %v", known.ErrorCode, time.Since(start))
				}
				n.api.Config.AutoCreateTopics = false
				got := n.metadata(Normal, metadataOf(12, "late")).Topics[0]
				if err := kerr.ErrorForCode(got.ErrorCode); (c.want == nil) != (err == nil) || c.want != nil && err != c.want || time.Since(start) != c.took {
					t.Errorf("got %v after %v, want %v after %v", err, time.Since(start), c.want, c.took)
				}
			})
		})
	}
}
