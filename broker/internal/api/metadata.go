package api

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/shard"
)

// Metadata (key 3), versions 0 to 13.
//
// Brokers are those this node believes alive; replicas on others are listed as
// offline. A partition's leader is the one this node knows of: while it knows
// none, or knows it to be dead, the partition has LEADER_NOT_AVAILABLE and
// leader -1. Between two leaders the answer waits for the next one. A topic that
// does not exist is created if the client and the configuration allow it, and the
// answer waits until it has leaders. A node that was just started may not know all
// topics yet: what it lacks is waited for, and has LEADER_NOT_AVAILABLE if that
// takes long, for a client that is told UNKNOWN_TOPIC_OR_PARTITION may give the
// topic up for good (librdkafka does).
//
// On the local-read listener this node is all there is: the only broker, the
// controller, and the only replica and leader of every partition, in epoch -1,
// so that clients neither look for another nor fence this one. Were others
// named, a client would sooner or later ask one of them for metadata, take its
// word for who leads, and read from there.
//
// Version 1 brings controller and racks, and tells null (all topics) from
// empty (none); 4 auto-creation as the client's choice (before, it always
// wants it); 5 offline replicas; 7 leader epochs; 10 topic ids in the answer,
// 12 in the question; 13 an error for the whole answer, not used here.
func init() { register(kmsg.Metadata, 0, 13, later((*API).metadata)) }

// autoCreateTimeout bounds how long the answer waits for a topic's creation.
const autoCreateTimeout = 5 * time.Second

// currentTimeout bounds how long it waits for a topic that this node may have to
// hear of yet.
const currentTimeout = 5 * time.Second

// allCurrentTimeout bounds it where all topics are asked for: clients that begin
// with that question should not have to wait long on a node that is cut off.
const allCurrentTimeout = time.Second

func (a *API) metadata(ctx context.Context, req *Request, body *kmsg.MetadataRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.MetadataResponse)
	resp.ClusterID = optional(a.cluster.ClusterID())

	topics := a.wantedTopics(ctx, body)
	if req.Listener != Local {
		a.awaitLeaders(ctx, topics)
	}
	view := a.viewFor(req) // after creating and waiting
	for _, t := range topics {
		resp.Topics = append(resp.Topics, view.topic(t))
	}

	// After the topics: a topic's creation may have made brokers known.
	resp.ControllerID = a.controllerFor(req)
	for _, b := range a.cluster.Brokers() {
		e, ok := endpoint(b, req.Listener)
		if !b.Alive || !ok || req.Listener == Local && b.ID != a.Config.NodeID {
			continue
		}
		rb := kmsg.NewMetadataResponseBroker()
		rb.NodeID, rb.Host, rb.Port, rb.Rack = b.ID, e.Host, e.Port, optional(b.Rack)
		resp.Brokers = append(resp.Brokers, rb)
	}
	return resp
}

// controllerFor is the broker to which the client sends what only a controller
// does; every broker passes it on, so an unknown one is no reason for a client
// to wait.
func (a *API) controllerFor(req *Request) int32 {
	if id := a.cluster.ControllerID(); id >= 0 && req.Listener != Local && a.aliveBroker(id) {
		return id
	}
	return a.Config.NodeID
}

func (a *API) aliveBroker(id int32) bool {
	for _, b := range a.cluster.Brokers() {
		if b.ID == id {
			return b.Alive
		}
	}
	return false
}

// wantedTopic is a topic that a request is about, or why it is not to be had.
type wantedTopic struct {
	topic *controller.Topic
	asked kmsg.MetadataRequestTopic // when there is an error
	err   error
}

func (a *API) wantedTopics(ctx context.Context, body *kmsg.MetadataRequest) []wantedTopic {
	everything := body.Topics == nil || body.Version == 0 && len(body.Topics) == 0
	if everything {
		a.awaitCurrent(ctx, allCurrentTimeout)
		all := a.cluster.Topics()
		out := make([]wantedTopic, len(all))
		for i, t := range all {
			out[i].topic = t
		}
		return out
	}
	if !a.cluster.Current() && !a.knows(body.Topics) {
		a.awaitCurrent(ctx, currentTimeout)
	}
	out := make([]wantedTopic, len(body.Topics))
	for i, want := range body.Topics {
		t, err := a.findTopic(ctx, body, want)
		out[i] = wantedTopic{topic: t, asked: want, err: err}
	}
	return out
}

func (a *API) awaitCurrent(ctx context.Context, within time.Duration) {
	if a.cluster.Current() {
		return // nearly always
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	a.cluster.AwaitCurrent(ctx)
}

// knows tells whether all these topics are known here.
func (a *API) knows(wanted []kmsg.MetadataRequestTopic) bool {
	for _, w := range wanted {
		_, err := a.topicWithID(w.TopicID)
		if w.Topic != nil {
			_, err = a.topicNamed(*w.Topic)
		}
		if err != nil {
			return false
		}
	}
	return true
}

// awaitLeaders waits until none of the topics' shards is between two leaders.
func (a *API) awaitLeaders(ctx context.Context, topics []wantedTopic) {
	seen := make([]bool, len(a.shards))
	for _, t := range topics {
		if t.err != nil {
			continue
		}
		for _, s := range t.topic.Shards {
			if int(s) < len(seen) && !seen[s] {
				seen[s] = true
				a.shards[s].AwaitLeader(ctx)
			}
		}
	}
}

// findTopic finds the topic by id (if the client gives one) or name, or
// creates it.
func (a *API) findTopic(ctx context.Context, body *kmsg.MetadataRequest, want kmsg.MetadataRequestTopic) (*controller.Topic, error) {
	var none partition.TopicID
	if want.TopicID != none {
		if body.Version < 12 {
			return nil, kerr.InvalidRequest
		}
		return a.orNotYet(a.topicWithID(want.TopicID))
	}
	if want.Topic == nil {
		return nil, kerr.InvalidRequest
	}
	t, err := a.topicNamed(*want.Topic)
	if err == nil || !a.Config.AutoCreateTopics || body.Version >= 4 && !body.AllowAutoTopicCreation {
		return a.orNotYet(t, err)
	}
	return a.autoCreate(ctx, *want.Topic)
}

// orNotYet puts it off where this node cannot say that there is no such topic.
func (a *API) orNotYet(t *controller.Topic, err error) (*controller.Topic, error) {
	if err != nil && !a.cluster.Current() {
		return nil, kerr.LeaderNotAvailable
	}
	return t, err
}

// autoCreate creates a topic as the cluster's defaults have it. Whatever keeps
// it from that, except the name, is something to try again for the client:
// LEADER_NOT_AVAILABLE is what makes clients do so.
func (a *API) autoCreate(ctx context.Context, name string) (*controller.Topic, error) {
	ctx, cancel := context.WithTimeout(ctx, autoCreateTimeout)
	defer cancel()
	t, err := a.cluster.CreateTopic(ctx, controller.TopicSpec{Name: name, Partitions: -1, ReplicationFactor: -1})
	switch {
	case err == nil:
		return t, nil
	case errors.Is(err, kerr.TopicAlreadyExists): // by another client, meanwhile
		if t, err = a.topicNamed(name); err == nil {
			return t, nil
		}
	case errors.Is(err, kerr.InvalidTopicException):
		return nil, err
	default:
		a.Log.Warn("auto-creation failed", "topic", name, "client", ClientOf(ctx).ID, "err", err)
	}
	return nil, kerr.LeaderNotAvailable
}

// clusterView is who leads and follows, as one Metadata request is told. What
// there is to say of a partition is the same for all of its shard, so it is found
// out once for each shard that is asked for, however many partitions it has.
type clusterView struct {
	a      *API
	req    *Request
	alive  map[int32]bool                                 // and has a listener of the client's kind
	shards map[uint32]kmsg.MetadataResponseTopicPartition // all but the partition's number
}

func (a *API) viewFor(req *Request) *clusterView {
	v := &clusterView{a: a, req: req, alive: map[int32]bool{}, shards: map[uint32]kmsg.MetadataResponseTopicPartition{}}
	for _, b := range a.cluster.Brokers() {
		_, reachable := endpoint(b, req.Listener)
		v.alive[b.ID] = b.Alive && reachable
	}
	return v
}

// topic describes a topic.
func (v *clusterView) topic(want wantedTopic) kmsg.MetadataResponseTopic {
	rt := kmsg.NewMetadataResponseTopic()
	if want.err != nil {
		rt.Topic, rt.TopicID, rt.ErrorCode = want.asked.Topic, want.asked.TopicID, v.a.code(v.req, want.err)
		return rt
	}
	t := want.topic
	rt.Topic, rt.TopicID = kmsg.StringPtr(t.Name), t.ID
	rt.Partitions = make([]kmsg.MetadataResponseTopicPartition, 0, len(t.Shards))
	for i := range t.Shards {
		p := int32(i)
		where, err := v.a.placeOf(t, p)
		if err != nil {
			rp := kmsg.NewMetadataResponseTopicPartition()
			rp.Partition, rp.Leader, rp.ErrorCode = p, -1, v.a.code(v.req, err)
			rt.Partitions = append(rt.Partitions, rp)
			continue
		}
		rp := v.shard(where.shard)
		rp.Partition = p
		rt.Partitions = append(rt.Partitions, rp)
	}
	return rt
}

// shard describes any partition of a shard.
func (v *clusterView) shard(s replica) kmsg.MetadataResponseTopicPartition {
	rp, known := v.shards[s.ID()]
	if !known {
		rp = v.a.shardMetadata(v.req, s, v.alive)
		v.shards[s.ID()] = rp
	}
	return rp
}

// shardMetadata is what a client is told of each of the shard's partitions.
func (a *API) shardMetadata(req *Request, s replica, alive map[int32]bool) kmsg.MetadataResponseTopicPartition {
	rp := kmsg.NewMetadataResponseTopicPartition()
	if req.Listener == Local {
		self := []int32{a.Config.NodeID}
		rp.Replicas, rp.ISR, rp.Leader, rp.LeaderEpoch = self, self, a.Config.NodeID, -1
		return rp
	}
	rp.Replicas = s.Replicas()
	st := s.Status()
	behind := a.behind(s, st)
	for _, id := range rp.Replicas {
		switch {
		case !alive[id]:
			rp.OfflineReplicas = append(rp.OfflineReplicas, id)
		case !slices.Contains(behind, id):
			rp.ISR = append(rp.ISR, id)
		}
	}
	leader := st.Leader
	if leader < 0 && a.cutOff(st, time.Now()) {
		leader = a.guess(rp.Replicas, st)
	}
	switch {
	case leader >= 0 && alive[leader]:
		rp.Leader, rp.LeaderEpoch = leader, st.Epoch
	default:
		rp.Leader, rp.LeaderEpoch = -1, st.Epoch
		rp.ErrorCode = a.code(req, kerr.LeaderNotAvailable)
	}
	return rp
}

// guess names a leader on a node that is cut off and knows none: who led last, or
// any other replica. It may be wrong, and is then corrected there; librdkafka, told
// of no leader, goes on asking here, where nobody will ever know better.
func (a *API) guess(replicas []int32, st shard.Status) int32 {
	if st.Heard >= 0 {
		return st.Heard
	}
	for _, id := range replicas {
		if id != a.Config.NodeID {
			return id
		}
	}
	return -1
}

// behind lists the replicas that are not in sync, as far as this node knows:
// a leader knows of all, a follower only of itself.
func (a *API) behind(s replica, st shard.Status) []int32 {
	now := time.Now()
	if st.Role != shard.Leader {
		if a.lagging(s, st, now) || a.cutOff(st, now) {
			return []int32{a.Config.NodeID}
		}
		return nil
	}
	var ids []int32
	for _, f := range s.Followers() {
		if a.followerLags(f, st, now, 1) {
			ids = append(ids, f.Node)
		}
	}
	return ids
}
