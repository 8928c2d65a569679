package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"lockstep/broker/internal/controller"
)

// CreateTopics (key 19), versions 2 to 7.
//
// Any node answers. Every partition is replicated on all nodes of its shard, so
// a smaller replication factor is granted and shown as what it is, a larger one
// than there are nodes is INVALID_REPLICATION_FACTOR; replicas can be assigned
// by hand only as they would be anyway. Partitions or replicas -1 are the
// defaults. Configs are checked (configs.go): INVALID_CONFIG.
//
// Version 5 brings the new topic's configs in the answer, 7 its id.
func init() { register(kmsg.CreateTopics, 2, 7, later((*API).createTopics)) }

func (a *API) createTopics(ctx context.Context, req *Request, body *kmsg.CreateTopicsRequest) kmsg.Response {
	ctx, cancel := adminTimeout(ctx, body.TimeoutMillis)
	defer cancel()
	resp := body.ResponseKind().(*kmsg.CreateTopicsResponse)
	times := map[string]int{}
	for _, t := range body.Topics {
		times[t.Topic]++
	}
	resp.Topics = make([]kmsg.CreateTopicsResponseTopic, len(body.Topics))
	var creating errgroup.Group
	creating.SetLimit(createAtOnce)
	for i, t := range body.Topics {
		creating.Go(func() error {
			var made *controller.Topic
			err := fmt.Errorf("topic %q is given %d times: %w", t.Topic, times[t.Topic], kerr.InvalidRequest)
			if times[t.Topic] == 1 {
				made, err = a.createTopic(ctx, t, body.ValidateOnly)
			}
			resp.Topics[i] = a.created(req, t.Topic, made, err)
			return nil
		})
	}
	_ = creating.Wait() // each topic has its own error
	return resp
}

// createAtOnce is how many topics of a request are created at the same time: each
// waits for a commit, and commits that wait together are one.
const createAtOnce = 64

// created is what came of one topic.
func (a *API) created(req *Request, name string, made *controller.Topic, err error) kmsg.CreateTopicsResponseTopic {
	rt := kmsg.NewCreateTopicsResponseTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, -1, -1
	rt.ErrorCode, rt.ErrorMessage = a.code(req, err), message(err)
	if made != nil {
		rt.TopicID, rt.NumPartitions, rt.ReplicationFactor = made.ID, int32(len(made.Shards)), int16(len(a.nodes()))
		rt.Configs = a.createdConfigs(made)
	}
	return rt
}

// adminTimeout bounds a change of metadata by the client's timeout, in
// milliseconds; one of none or less is the broker's own.
func adminTimeout(ctx context.Context, millis int32) (context.Context, context.CancelFunc) {
	timeout := time.Duration(millis) * time.Millisecond
	if timeout <= 0 {
		timeout = controller.ProposeTimeout
	}
	return context.WithTimeout(ctx, timeout)
}

func (a *API) createTopic(ctx context.Context, t kmsg.CreateTopicsRequestTopic, validateOnly bool) (*controller.Topic, error) {
	spec := controller.TopicSpec{
		Name: t.Topic, Partitions: t.NumPartitions, ReplicationFactor: t.ReplicationFactor,
		Configs: map[string]string{}, ValidateOnly: validateOnly,
	}
	if len(t.ReplicaAssignment) > 0 {
		if t.NumPartitions != -1 || t.ReplicationFactor != -1 {
			return nil, fmt.Errorf("topic %q: give partitions and replication factor as -1 where replicas are assigned: %w", t.Topic, kerr.InvalidRequest)
		}
		partitions := map[int32]bool{}
		for _, r := range t.ReplicaAssignment {
			partitions[r.Partition] = true
			if err := a.checkAssignment(r.Replicas); err != nil {
				return nil, err
			}
		}
		for p := range int32(len(t.ReplicaAssignment)) {
			if !partitions[p] {
				return nil, fmt.Errorf("topic %q: partition %d is not assigned: %w", t.Topic, p, kerr.InvalidReplicaAssignment)
			}
		}
		spec.Partitions = int32(len(t.ReplicaAssignment))
	}
	set := map[string]*string{}
	for _, c := range t.Configs {
		set[c.Name] = c.Value
		if c.Value != nil {
			spec.Configs[c.Name] = *c.Value
		}
	}
	if err := checkConfigs(set); err != nil {
		return nil, err
	}
	return a.cluster.CreateTopic(ctx, spec)
}

// nodes lists the nodes that have replicas.
func (a *API) nodes() []int32 { return a.shards[0].Replicas() }

// checkAssignment accepts replicas that are the ones a partition gets anyway,
// in any order: which of them leads is for the shard to decide.
func (a *API) checkAssignment(replicas []int32) error {
	sorted := slices.Sorted(slices.Values(replicas))
	if nodes := a.nodes(); !slices.Equal(sorted, nodes) {
		return fmt.Errorf("replicas %v: partitions cannot be placed by hand; each has a replica on every one of the nodes %v: %w", replicas, nodes, kerr.InvalidReplicaAssignment)
	}
	return nil
}

func (a *API) createdConfigs(t *controller.Topic) []kmsg.CreateTopicsResponseTopicConfig {
	var all []kmsg.CreateTopicsResponseTopicConfig
	for _, known := range topicConfigs {
		c := kmsg.NewCreateTopicsResponseTopicConfig()
		value, source := known.value(a.Config, t.Configs)
		c.Name, c.Value, c.Source = known.name, &value, int8(source)
		all = append(all, c)
	}
	return all
}
