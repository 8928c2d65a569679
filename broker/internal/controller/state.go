package controller

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/partition"
)

// Kind is the kind of the controller's commands in shard 0's log.
const Kind = 2

// Endpoint is an advertised address.
type Endpoint struct {
	Host string
	Port int32
}

// Broker is a registered node.
type Broker struct {
	ID     int32
	Rack   string   // "" when none
	Client Endpoint // the normal listener
	Local  Endpoint // the local-read listener
	Alive  bool     `json:"-"` // heard of by this node within the lease (itself always)
}

// Topic is immutable; a change makes a new one.
type Topic struct {
	Name    string
	ID      partition.TopicID
	Shards  []uint32          // shard of each partition
	Configs map[string]string // overrides only
}

// state is everything; never changed once published.
type state struct {
	Version      uint64 // counts commands
	ClusterID    string
	Brokers      map[int32]Broker
	NextProducer int64
	NextShard    uint32 // where the next new partition goes, modulo the number of shards

	topics  table[string, *Topic]
	byID    table[partition.TopicID, *Topic]
	deleted table[partition.TopicID, bool]
}

func newState() *state { return &state{Brokers: map[int32]Broker{}} }

// Machine is the replicated state machine.
type Machine struct {
	now     atomic.Pointer[state]
	changed chan struct{} // holds a value after a change
}

// NewMachine returns one without topics or brokers.
func NewMachine() *Machine {
	m := &Machine{changed: make(chan struct{}, 1)}
	m.now.Store(newState())
	return m
}

// outcome is what a command answers its proposer, as JSON.
type outcome struct {
	Version uint64 // state version that shows the change
	Code    int16  // Kafka error code; 0: done
	Message string `json:",omitempty"`
	Value   int64  `json:",omitempty"` // first id of an allocated block
}

func refuse(err *kerr.Error, format string, args ...any) outcome {
	return outcome{Code: err.Code, Message: fmt.Sprintf(format, args...)}
}

// Apply implements shard.Machine; the result is an outcome.
func (m *Machine) Apply(cmd []byte) any {
	var c command
	old := m.now.Load()
	next := *old
	next.Version++
	var out outcome
	if err := json.Unmarshal(cmd, &c); err != nil {
		out = refuse(kerr.UnknownServerError, "command cannot be read: %v", err)
	} else {
		out = c.apply(&next)
	}
	m.now.Store(&next)
	out.Version = next.Version
	select {
	case m.changed <- struct{}{}:
	default:
	}
	return out
}

// Snapshot implements shard.Machine.
func (m *Machine) Snapshot() ([]byte, error) {
	s := m.now.Load()
	return json.Marshal(struct {
		*state
		Topics  []*Topic
		Deleted []partition.TopicID
	}{s, slices.Collect(values(s.topics)), slices.Collect(keys(s.deleted))})
}

// Restore implements shard.Machine.
func (m *Machine) Restore(data []byte) error {
	next := newState()
	if len(data) > 0 {
		saved := struct {
			*state
			Topics  []*Topic
			Deleted []partition.TopicID
		}{state: next}
		if err := json.Unmarshal(data, &saved); err != nil {
			return fmt.Errorf("restore the cluster's metadata: %w", err)
		}
		byName, byID, deleted := map[string]*Topic{}, map[partition.TopicID]*Topic{}, map[partition.TopicID]bool{}
		for _, t := range saved.Topics {
			byName[t.Name], byID[t.ID] = t, t
		}
		for _, id := range saved.Deleted {
			deleted[id] = true
		}
		next.topics, next.byID, next.deleted = tableOf(byName), tableOf(byID), tableOf(deleted)
	}
	m.now.Store(next)
	select {
	case m.changed <- struct{}{}:
	default:
	}
	return nil
}

// withTopic sets t; s must not be published yet.
func (s *state) withTopic(t *Topic) {
	s.topics, s.byID = s.topics.with(t.Name, t), s.byID.with(t.ID, t)
}

func (s *state) withoutTopic(t *Topic) {
	s.topics, s.byID, s.deleted = s.topics.without(t.Name), s.byID.without(t.ID), s.deleted.with(t.ID, true)
}
