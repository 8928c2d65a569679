package api

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/group"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/shard"
)

// groupShard is the node's shard as its coordinator sees it: what is proposed
// is committed at once.
type groupShard struct {
	*fakeShard
	machine *group.Machine
}

func (s groupShard) Propose(_ context.Context, _ byte, cmd []byte) (any, error) {
	if s.Status().Role != shard.Leader {
		return nil, kerr.NotLeaderForPartition
	}
	return s.machine.Apply(cmd), nil
}

// coordinate gives the node a coordinator, which runs.
func (n *node) coordinate() {
	m := group.NewMachine()
	c := group.NewCoordinator(m, groupShard{n.shard, m}, group.Options{InitialDelay: -1})
	n.api.Groups = []*group.Coordinator{c}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(context.Background())
	}()
	n.t.Cleanup(func() { c.Close(); <-ended })
	if n.shard.Status().Role != shard.Leader {
		return
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := c.List(); err == nil {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatal("the coordinator does not take office")
		}
	}
}

func TestFindCoordinator(t *testing.T) {
	for what, c := range map[string]struct {
		st       shard.Status
		listener Listener
		kind     int8
		key      string
		dead     bool
		node     int32
		port     int32
		want     int16
	}{
		"leader":                  {asLeader, Normal, 0, "g", false, 1, 9092, 0},
		"follower":                {asFollower, Normal, 0, "g", false, 2, 9093, 0},
		"follower, local":         {asFollower, Local, 0, "g", false, 1, 9192, 0},
		"leader unknown":          {shard.Status{Leader: -1}, Normal, 0, "g", false, -1, -1, kerr.CoordinatorNotAvailable.Code},
		"leader unknown, local":   {shard.Status{Leader: -1}, Local, 0, "g", false, 1, 9192, 0},
		"leader dead":             {asFollower, Normal, 0, "g", true, -1, -1, kerr.CoordinatorNotAvailable.Code},
		"of a transaction":        {asLeader, Normal, 1, "g", false, -1, -1, kerr.UnsupportedVersion.Code},
		"of a share group":        {asLeader, Normal, 2, "g", false, -1, -1, kerr.UnsupportedVersion.Code},
		"of a group with no name": {asLeader, Normal, 0, "", false, -1, -1, kerr.InvalidGroupID.Code},
	} {
		t.Run(what, func(t *testing.T) {
			n := newNode(t, c.st)
			n.cluster.brokers[1].Alive = !c.dead
			for _, version := range []int16{3, 6} {
				req := kmsg.NewPtrFindCoordinatorRequest()
				req.Version, req.CoordinatorType, req.CoordinatorKey, req.CoordinatorKeys = version, c.kind, c.key, []string{c.key}
				got := askFor[*kmsg.FindCoordinatorResponse](n, c.listener, req)
				if version >= 4 {
					one := got.Coordinators[0]
					got.NodeID, got.Port, got.ErrorCode, got.ErrorMessage = one.NodeID, one.Port, one.ErrorCode, one.ErrorMessage
				}
				if got.NodeID != c.node || got.Port != c.port || got.ErrorCode != c.want || (got.ErrorMessage != nil) != (c.want != 0) {
					t.Errorf("version %d: %+v", version, got)
				}
			}
		})
	}
}

func commitTo(topic string, p int32, offset int64, metadata string) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 9, "g", -1
	rp := kmsg.NewOffsetCommitRequestTopicPartition()
	rp.Partition, rp.Offset, rp.Metadata = p, offset, &metadata
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{rp}}}
	return req
}

func commitCode(resp *kmsg.OffsetCommitResponse) error {
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

// offsets asks for partition 0 of "t", or for everything, and returns what is
// found.
func offsets(n *node, l Listener, version int16, all bool) []int64 {
	n.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group = version, "g"
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = "g"
	if !all {
		req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}
		g.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", Partitions: []int32{0}}}
	}
	req.Groups = []kmsg.OffsetFetchRequestGroup{g}
	resp := askFor[*kmsg.OffsetFetchResponse](n, l, req)
	var found []int64
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			found = append(found, p.Offset)
		}
	}
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				found = append(found, p.Offset)
			}
		}
	}
	return found
}

func TestOffsets(t *testing.T) {
	n := newNode(t, asLeader)
	n.coordinate()
	for what, c := range map[string]struct {
		req  *kmsg.OffsetCommitRequest
		want error
	}{
		"good":          {commitTo("t", 0, 5, "m"), nil},
		"no topic":      {commitTo("u", 0, 5, "m"), kerr.UnknownTopicOrPartition},
		"no partition":  {commitTo("t", 9, 5, "m"), kerr.UnknownTopicOrPartition},
		"long metadata": {commitTo("t", 1, 5, string(make([]byte, 4097))), kerr.OffsetMetadataTooLarge},
	} {
		if err := commitCode(askFor[*kmsg.OffsetCommitResponse](n, Normal, c.req)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	check := func(all bool, want ...int64) {
		t.Helper()
		for _, version := range []int16{2, 9} {
			got := offsets(n, Normal, version, all)
			if len(got) != len(want) || len(want) > 0 && got[0] != want[0] {
				t.Errorf("version %d, all %v: offsets %v, want %v", version, all, got, want)
			}
		}
	}
	check(false, 5)
	check(true, 5)
	// Deleted, and created again under the same name.
	n.cluster.topics[0] = &controller.Topic{Name: "t", ID: partition.TopicID{9}, Shards: make([]uint32, 4)}
	check(false, -1)
	check(true)
}

// TestGroupsOnLocalListener: the node passes on what only the coordinator can
// do, and its clients do not notice.
func TestGroupsOnLocalListener(t *testing.T) {
	leader, follower := newNode(t, asLeader), newNode(t, asFollower)
	leader.coordinate()
	follower.coordinate()
	leader.api.Config.NodeID, follower.api.Config.NodeID = 2, 1
	forwarded := 0
	follower.api.Forward = func(ctx context.Context, to int32, frame []byte) ([]byte, error) {
		forwarded++
		if to != 2 {
			return nil, errors.New("unreachable")
		}
		req, err := ParseRequest(frame)
		if err != nil {
			return nil, err
		}
		req.Listener = Peer
		wait, err := leader.api.Start(ctx, req)
		if err != nil {
			return nil, err
		}
		return AppendResponse(nil, req, wait()), nil
	}
	if err := commitCode(askFor[*kmsg.OffsetCommitResponse](follower, Normal, commitTo("t", 0, 5, ""))); !errors.Is(err, kerr.NotCoordinator) || forwarded != 0 {
		t.Errorf("on the normal listener: %v, forwarded %d times", err, forwarded)
	}
	if err := commitCode(askFor[*kmsg.OffsetCommitResponse](follower, Local, commitTo("t", 0, 5, ""))); err != nil || forwarded != 1 {
		t.Errorf("on the local-read listener: %v, forwarded %d times", err, forwarded)
	}
	for _, version := range []int16{2, 9} {
		if got := offsets(follower, Local, version, false); len(got) != 1 || got[0] != 5 {
			t.Errorf("version %d: offsets %v", version, got)
		}
	}
	list := kmsg.NewPtrListGroupsRequest()
	list.Version, list.StatesFilter = 5, []string{"empty"}
	follower.cluster.brokers[2].Alive = false
	if got := askFor[*kmsg.ListGroupsResponse](follower, Local, list); got.ErrorCode != 0 || len(got.Groups) != 1 || got.Groups[0].Group != "g" || got.Groups[0].GroupState != "Empty" {
		t.Errorf("listed %+v", got)
	}
	list.StatesFilter = []string{"Stable"}
	if got := askFor[*kmsg.ListGroupsResponse](follower, Local, list); len(got.Groups) != 0 {
		t.Errorf("listed %+v", got)
	}
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Version, describe.Groups = 6, []string{"g", "nope"}
	if got := askFor[*kmsg.DescribeGroupsResponse](follower, Local, describe).Groups; got[0].State != "Empty" || got[1].ErrorCode != kerr.GroupIDNotFound.Code {
		t.Errorf("described %+v", got)
	}
	del := kmsg.NewPtrDeleteGroupsRequest()
	del.Version, del.Groups = 2, []string{"g"}
	if got := askFor[*kmsg.DeleteGroupsResponse](follower, Local, del).Groups[0]; got.ErrorCode != 0 {
		t.Errorf("deleted %+v", got)
	}
	follower.shard.become(func(st *shard.Status) { st.Leader = 3 })
	if err := commitCode(askFor[*kmsg.OffsetCommitResponse](follower, Local, commitTo("t", 0, 5, ""))); !errors.Is(err, kerr.CoordinatorNotAvailable) {
		t.Errorf("the coordinator cannot be reached: %v", err)
	}
}

// TestMembership takes one member through its life.
func TestMembership(t *testing.T) {
	n := newNode(t, asLeader)
	n.coordinate()
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.Group, join.ProtocolType = 9, "g", "consumer"
	join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = 10_000, 10_000
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{1}}}
	first := askFor[*kmsg.JoinGroupResponse](n, Normal, join)
	if first.ErrorCode != kerr.MemberIDRequired.Code || first.MemberID == "" {
		t.Fatalf("%+v", first)
	}
	join.MemberID = first.MemberID
	joined := askFor[*kmsg.JoinGroupResponse](n, Normal, join)
	if joined.ErrorCode != 0 || joined.Generation != 1 || *joined.Protocol != "range" || len(joined.Members) != 1 || joined.LeaderID != join.MemberID {
		t.Fatalf("%+v", joined)
	}
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Version, sync.Group, sync.Generation, sync.MemberID = 5, "g", 1, join.MemberID
	sync.ProtocolType, sync.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("roundrobin")
	sync.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: join.MemberID, MemberAssignment: []byte("all")}}
	if got := askFor[*kmsg.SyncGroupResponse](n, Normal, sync); got.ErrorCode != kerr.InconsistentGroupProtocol.Code {
		t.Errorf("%+v", got)
	}
	sync.Protocol = kmsg.StringPtr("range")
	if got := askFor[*kmsg.SyncGroupResponse](n, Normal, sync); got.ErrorCode != 0 || string(got.MemberAssignment) != "all" || *got.Protocol != "range" {
		t.Fatalf("%+v", got)
	}
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Version, beat.Group, beat.Generation, beat.MemberID = 4, "g", 1, join.MemberID
	if got := askFor[*kmsg.HeartbeatResponse](n, Normal, beat); got.ErrorCode != 0 {
		t.Errorf("%+v", got)
	}
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Version, describe.Groups = 6, []string{"g"}
	d := askFor[*kmsg.DescribeGroupsResponse](n, Normal, describe).Groups[0]
	if d.State != "Stable" || d.Protocol != "range" || len(d.Members) != 1 || d.Members[0].ClientID != "test" || string(d.Members[0].MemberAssignment) != "all" {
		t.Errorf("%+v", d)
	}
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Version, leave.Group = 5, "g"
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: join.MemberID}, {MemberID: "x"}}
	left := askFor[*kmsg.LeaveGroupResponse](n, Normal, leave)
	if left.ErrorCode != 0 || left.Members[0].ErrorCode != 0 || left.Members[1].ErrorCode != kerr.UnknownMemberID.Code {
		t.Errorf("%+v", left)
	}
	leave.Version, leave.MemberID = 2, "x"
	if got := askFor[*kmsg.LeaveGroupResponse](n, Normal, leave); got.ErrorCode != kerr.UnknownMemberID.Code {
		t.Errorf("%+v", got)
	}
}
