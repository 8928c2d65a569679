package group

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/mutant"
	"lockstep/broker/internal/partition"
)

// Kind names the Machine among a shard's state machines.
const Kind byte = 3

// TopicPartition names a partition as consumers do.
type TopicPartition struct {
	Topic     string
	Partition int32
}

func compareTopicPartition(a, b TopicPartition) int {
	return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// Offset is a committed offset.
type Offset struct {
	Offset      int64  // the next to be consumed
	LeaderEpoch int32  // of the last record consumed; -1 unknown
	Metadata    string // the consumer's own, up to MaxOffsetMetadata bytes
	CommitTime  int64  // milliseconds since 1970, by the coordinator's clock
	// TopicID is the id that the topic had: an offset of a topic that was
	// deleted, and perhaps created again under its name, means nothing.
	TopicID partition.TopicID
}

// Meta is a group as its last rebalance left it; never changed once it is in a
// Machine.
type Meta struct {
	ProtocolType string // "consumer" for consumers
	Generation   int32
	Protocol     string   // what all members agreed on, as "range"; "" without members
	Leader       string   // member id; "" without members
	Members      []Member // by id
}

// Member is a member of a group, with all that a new coordinator must know.
type Member struct {
	ID               string
	InstanceID       *string // static members only (KIP-345)
	ClientID         string
	ClientHost       string
	SessionTimeout   int32      // milliseconds
	RebalanceTimeout int32      // milliseconds
	Protocols        []Protocol // best liked first
	Assignment       []byte
}

// Protocol is a way to share out partitions that a member knows, and what it
// tells the leader for it: its subscription.
type Protocol struct {
	Name     string
	Metadata []byte
}

func equalProtocols(a, b []Protocol) bool {
	return slices.EqualFunc(a, b, func(x, y Protocol) bool {
		return x.Name == y.Name && string(x.Metadata) == string(y.Metadata)
	})
}

// Machine is the replicated state of a shard's groups: a shard.Machine. The
// shard calls Apply, Snapshot and Restore from one goroutine; all else may be
// called at any time.
type Machine struct {
	mu     sync.RWMutex // guards what follows
	epoch  int32        // of the newest office that has begun
	groups map[string]*stored
}

// stored is what is known of a group: its members, its offsets, or both.
// Consumers need not join to commit, and members need not have committed.
type stored struct {
	meta    *Meta // nil: never had members
	offsets map[TopicPartition]Offset
}

// NewMachine returns an empty Machine.
func NewMachine() *Machine { return &Machine{groups: map[string]*stored{}} }

// Apply executes a command. The result is nil or an error, and then nothing
// has changed: kerr.NotCoordinator for what an earlier office had decided,
// kerr.IllegalGeneration and kerr.UnknownMemberID for offsets that a rebalance
// has overtaken.
func (m *Machine) Apply(cmd []byte) any {
	c, err := decodeCommand(cmd)
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.epoch < m.epoch {
		return kerr.NotCoordinator
	}
	m.epoch = c.epoch
	if err := m.apply(c); err != nil {
		return err
	}
	return nil
}

func (m *Machine) apply(c command) error {
	if mutant.Is(mutant.OffsetsForgotten) && c.op == opFence {
		m.groups = map[string]*stored{}
	}
	switch c.op {
	case opCommit:
		return m.commit(c)
	case opStore:
		m.group(c.group).meta = c.meta
	case opDelete:
		delete(m.groups, c.group)
	case opForget:
		if g := m.groups[c.group]; g != nil {
			for _, tp := range c.forget {
				delete(g.offsets, tp)
			}
			m.dropIfUnused(c.group)
		}
	}
	return nil
}

// commit sets offsets. The coordinator has checked who commits, but a
// rebalance may have been committed since: its new owners may have read the
// offsets already, and must not have them moved by the old ones.
func (m *Machine) commit(c command) error {
	if g := m.groups[c.group]; g != nil && g.meta != nil {
		switch {
		case c.commitAs < 0 && len(g.meta.Members) > 0:
			return kerr.UnknownMemberID
		case c.commitAs >= 0 && c.commitAs < g.meta.Generation:
			return kerr.IllegalGeneration
		}
	}
	if len(c.commit) > 0 {
		maps.Copy(m.group(c.group).offsets, c.commit)
	}
	return nil
}

// group returns what is stored of a group, which is made if there is nothing.
func (m *Machine) group(id string) *stored {
	g := m.groups[id]
	if g == nil {
		g = &stored{offsets: map[TopicPartition]Offset{}}
		m.groups[id] = g
	}
	return g
}

// dropIfUnused forgets a group of which nothing is left.
func (m *Machine) dropIfUnused(id string) {
	if g := m.groups[id]; g.meta == nil && len(g.offsets) == 0 {
		delete(m.groups, id)
	}
}

// Snapshot returns the whole state, for Restore: equal states, equal bytes.
func (m *Machine) Snapshot() ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return encodeSnapshot(m.epoch, m.groups), nil
}

// Restore replaces the state; nil means empty. After an error the state is as
// it was.
func (m *Machine) Restore(state []byte) error {
	epoch, groups, err := decodeSnapshot(state)
	if err != nil {
		return fmt.Errorf("restore groups: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.epoch, m.groups = epoch, groups
	return nil
}

// exists reports whether anything is known of a group.
func (m *Machine) exists(id string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.groups[id] != nil
}

// ids lists all groups, in no order.
func (m *Machine) ids() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Collect(maps.Keys(m.groups))
}

// metas returns the groups that have or once had members.
func (m *Machine) metas() map[string]*Meta {
	m.mu.RLock()
	defer m.mu.RUnlock()
	metas := map[string]*Meta{}
	for id, g := range m.groups {
		if g.meta != nil {
			metas[id] = g.meta
		}
	}
	return metas
}

// offsets returns a copy of a group's committed offsets.
func (m *Machine) offsets(id string) map[TopicPartition]Offset {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if g := m.groups[id]; g != nil {
		return maps.Clone(g.offsets)
	}
	return nil
}
