package controller

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"regexp"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/partition"
)

// TopicSpec asks for a topic.
type TopicSpec struct {
	Name              string
	Partitions        int32 // -1: the cluster's default
	ReplicationFactor int16 // -1: default; more than the nodes is refused with kerr.InvalidReplicationFactor
	Configs           map[string]string
	ValidateOnly      bool
}

// maxPartitions of one topic: a guard against a slip of the hand.
const maxPartitions = 100_000

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// check returns what is wrong with the request, and fills in defaults.
func (c *Controller) check(s *TopicSpec) error {
	if !topicName.MatchString(s.Name) || s.Name == "." || s.Name == ".." {
		return fmt.Errorf("topic name %q: use 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-': %w", s.Name, kerr.InvalidTopicException)
	}
	if s.Partitions == -1 {
		s.Partitions = c.Config.DefaultPartitions
	}
	if s.Partitions < 1 || s.Partitions > maxPartitions {
		return fmt.Errorf("%d partitions: use 1 to %d: %w", s.Partitions, maxPartitions, kerr.InvalidPartitions)
	}
	if f := int(s.ReplicationFactor); f != -1 && (f < 1 || f > c.Nodes) {
		return fmt.Errorf("replication factor %d: this cluster has %d nodes: %w", f, c.Nodes, kerr.InvalidReplicationFactor)
	}
	if c.Topic(s.Name) != nil {
		return fmt.Errorf("topic %q already exists: %w", s.Name, kerr.TopicAlreadyExists)
	}
	return nil
}

// CreateTopic errors: kerr.TopicAlreadyExists, InvalidTopicException,
// InvalidPartitions, InvalidReplicationFactor, RequestTimedOut. The topic may
// have more replicas than were asked for: a shard's are the same for all.
func (c *Controller) CreateTopic(ctx context.Context, s TopicSpec) (*Topic, error) {
	if err := c.check(&s); err != nil {
		return nil, err
	}
	cmd := createTopic{Name: s.Name, Partitions: s.Partitions, Shards: uint32(c.Config.Shards), Configs: s.Configs}
	if _, err := rand.Read(cmd.ID[:]); err != nil {
		return nil, fmt.Errorf("draw a topic id: %w", err)
	}
	// A UUID of version 4 and never all zeros, which means "none".
	cmd.ID[6], cmd.ID[8] = cmd.ID[6]&0x0f|0x40, cmd.ID[8]&0x3f|0x80
	if s.ValidateOnly {
		return &Topic{Name: s.Name, Shards: make([]uint32, s.Partitions), Configs: s.Configs}, nil
	}
	if _, err := c.propose(ctx, command{Create: &cmd}); err != nil {
		// A repeated proposal may have met its own first copy.
		if t := c.TopicByID(cmd.ID); t != nil {
			return t, nil
		}
		return nil, err
	}
	return c.Topic(s.Name), nil
}

// DeleteTopic removes a topic and, in the background, its data.
func (c *Controller) DeleteTopic(ctx context.Context, id partition.TopicID) error {
	_, err := c.propose(ctx, command{Delete: &deleteTopic{ID: id}})
	if err != nil && c.Deleted(id) {
		return nil // its own first copy did it
	}
	return err
}

// CreatePartitions raises the number of partitions to total.
func (c *Controller) CreatePartitions(ctx context.Context, topic string, total int32) error {
	if total > maxPartitions {
		return fmt.Errorf("%d partitions: use at most %d: %w", total, maxPartitions, kerr.InvalidPartitions)
	}
	_, err := c.propose(ctx, command{Partitions: &createPartitions{Topic: topic, Total: total, Shards: uint32(c.Config.Shards)}})
	return err
}

// AlterConfigs sets (value) or resets (nil) topic configs.
func (c *Controller) AlterConfigs(ctx context.Context, topic string, set map[string]*string) error {
	_, err := c.propose(ctx, command{Configs: &alterConfigs{Topic: topic, Set: set}})
	return err
}

// producerBlock is how many producer ids a node takes at a time.
const producerBlock = 1000

// AllocateProducerID returns an id never handed out before in this cluster.
func (c *Controller) AllocateProducerID(ctx context.Context) (int64, error) {
	c.producers.Lock()
	defer c.producers.Unlock()
	if c.producers.next == c.producers.end {
		out, err := c.propose(ctx, command{Producers: &allocateIDs{Count: producerBlock}})
		if err != nil {
			return -1, err
		}
		c.producers.next, c.producers.end = out.Value, out.Value+producerBlock
	}
	id := c.producers.next
	c.producers.next++
	return id, nil
}

// newClusterID is 16 random bytes in the form that Kafka's tools show.
func newClusterID() string {
	var id [16]byte
	rand.Read(id[:]) //nolint:errcheck // crypto/rand.Read never fails
	return base64.RawURLEncoding.EncodeToString(id[:])
}
