package group

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kbin"
)

// Commands and snapshots are written with the Kafka protocol's own primitives
// (big-endian integers; strings, bytes and lists with their length before
// them, the compact way). JSON would do for groups, but offsets are committed
// every few seconds by every consumer, and are nearly all of a snapshot. Maps
// are written sorted, so that equal states are equal bytes.
//
//	command   = version (1), op (1), epoch (4), group, and by op:
//	  fence     nothing (group is empty)
//	  commit    generation (4), offsets
//	  store     meta
//	  delete    nothing
//	  forget    count, {topic, partition (4)}
//	offsets   = count, {topic, partition (4), offset (8), leader epoch (4), metadata, time (8), topic id (16)}
//	meta      = protocol type, generation (4), protocol, leader, count, {member}
//	member    = id, instance (nullable), client id, client host, session ms (4), rebalance ms (4),
//	            count, {protocol, metadata}, assignment
//	snapshot  = version (1), epoch (4), count, {group, has meta (1), [meta], offsets}
const codecVersion = 1

type op byte

// The commands.
const (
	opFence  op = iota + 1 // an office begins
	opCommit               // offsets
	opStore                // a rebalance ended
	opDelete               // the group goes, with its offsets
	opForget               // some offsets go
)

// command is one change to a Machine.
type command struct {
	op       op
	epoch    int32 // of the office that decided it
	group    string
	commitAs int32 // opCommit: the generation of the member who commits; -1: it is none
	commit   map[TopicPartition]Offset
	meta     *Meta
	forget   []TopicPartition
}

// ShardOf returns the shard, 0 to shards less one, in which a group lives:
// FNV-1a (64 bits) of its id, modulo their number. It is fixed for the
// cluster's life, as the number of shards is.
func ShardOf(id string, shards int) int {
	h := fnv.New64a()
	h.Write([]byte(id))
	return int(h.Sum64() % uint64(shards))
}

func (c command) encode() []byte {
	b := []byte{codecVersion, byte(c.op)}
	b = kbin.AppendInt32(b, c.epoch)
	b = kbin.AppendCompactString(b, c.group)
	switch c.op {
	case opCommit:
		b = kbin.AppendInt32(b, c.commitAs)
		b = appendOffsets(b, c.commit)
	case opStore:
		b = appendMeta(b, c.meta)
	case opForget:
		b = kbin.AppendCompactArrayLen(b, len(c.forget))
		for _, tp := range c.forget {
			b = kbin.AppendInt32(kbin.AppendCompactString(b, tp.Topic), tp.Partition)
		}
	}
	return b
}

var errFormat = errors.New("malformed")

// decodeCommand is the inverse of encode; what it returns shares no memory
// with p.
func decodeCommand(p []byte) (command, error) {
	r := kbin.Reader{Src: p}
	if v := r.Int8(); v != codecVersion {
		return command{}, fmt.Errorf("group command of version %d, want %d: %w", v, codecVersion, errFormat)
	}
	c := command{op: op(r.Int8()), epoch: r.Int32(), group: r.CompactString()}
	switch c.op {
	case opFence, opDelete:
	case opCommit:
		c.commitAs = r.Int32()
		c.commit = readOffsets(&r)
	case opStore:
		c.meta = readMeta(&r)
	case opForget:
		for n := count(&r); n > 0; n-- {
			c.forget = append(c.forget, TopicPartition{r.CompactString(), r.Int32()})
		}
	default:
		return command{}, fmt.Errorf("group command %d: %w", c.op, errFormat)
	}
	if !r.Ok() || len(r.Src) > 0 {
		return command{}, fmt.Errorf("group command %d of %d bytes: %w", c.op, len(p), errFormat)
	}
	return c, nil
}

func appendOffsets(b []byte, offsets map[TopicPartition]Offset) []byte {
	b = kbin.AppendCompactArrayLen(b, len(offsets))
	for _, tp := range slices.SortedFunc(maps.Keys(offsets), compareTopicPartition) {
		o := offsets[tp]
		b = kbin.AppendInt32(kbin.AppendCompactString(b, tp.Topic), tp.Partition)
		b = kbin.AppendInt64(b, o.Offset)
		b = kbin.AppendInt32(b, o.LeaderEpoch)
		b = kbin.AppendCompactString(b, o.Metadata)
		b = kbin.AppendInt64(b, o.CommitTime)
		b = kbin.AppendUuid(b, o.TopicID)
	}
	return b
}

func readOffsets(r *kbin.Reader) map[TopicPartition]Offset {
	offsets := map[TopicPartition]Offset{}
	for n := count(r); n > 0; n-- {
		tp := TopicPartition{r.CompactString(), r.Int32()}
		offsets[tp] = Offset{
			Offset: r.Int64(), LeaderEpoch: r.Int32(), Metadata: r.CompactString(),
			CommitTime: r.Int64(), TopicID: r.Uuid(),
		}
	}
	return offsets
}

func appendMeta(b []byte, m *Meta) []byte {
	b = kbin.AppendCompactString(b, m.ProtocolType)
	b = kbin.AppendInt32(b, m.Generation)
	b = kbin.AppendCompactString(b, m.Protocol)
	b = kbin.AppendCompactString(b, m.Leader)
	b = kbin.AppendCompactArrayLen(b, len(m.Members))
	for _, x := range m.Members {
		b = kbin.AppendCompactString(b, x.ID)
		b = kbin.AppendCompactNullableString(b, x.InstanceID)
		b = kbin.AppendCompactString(b, x.ClientID)
		b = kbin.AppendCompactString(b, x.ClientHost)
		b = kbin.AppendInt32(b, x.SessionTimeout)
		b = kbin.AppendInt32(b, x.RebalanceTimeout)
		b = kbin.AppendCompactArrayLen(b, len(x.Protocols))
		for _, p := range x.Protocols {
			b = kbin.AppendCompactBytes(kbin.AppendCompactString(b, p.Name), p.Metadata)
		}
		b = kbin.AppendCompactBytes(b, x.Assignment)
	}
	return b
}

func readMeta(r *kbin.Reader) *Meta {
	m := &Meta{ProtocolType: r.CompactString(), Generation: r.Int32(), Protocol: r.CompactString(), Leader: r.CompactString()}
	for n := count(r); n > 0; n-- {
		x := Member{
			ID: r.CompactString(), InstanceID: r.CompactNullableString(), ClientID: r.CompactString(), ClientHost: r.CompactString(),
			SessionTimeout: r.Int32(), RebalanceTimeout: r.Int32(),
		}
		for k := count(r); k > 0; k-- {
			x.Protocols = append(x.Protocols, Protocol{r.CompactString(), slices.Clone(r.CompactBytes())})
		}
		x.Assignment = slices.Clone(r.CompactBytes())
		m.Members = append(m.Members, x)
	}
	return m
}

func encodeSnapshot(epoch int32, groups map[string]*stored) []byte {
	b := kbin.AppendInt32([]byte{codecVersion}, epoch)
	b = kbin.AppendCompactArrayLen(b, len(groups))
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		g := groups[id]
		b = kbin.AppendCompactString(b, id)
		b = kbin.AppendBool(b, g.meta != nil)
		if g.meta != nil {
			b = appendMeta(b, g.meta)
		}
		b = appendOffsets(b, g.offsets)
	}
	return b
}

func decodeSnapshot(p []byte) (epoch int32, groups map[string]*stored, err error) {
	groups = map[string]*stored{}
	if len(p) == 0 {
		return 0, groups, nil
	}
	r := kbin.Reader{Src: p}
	if v := r.Int8(); v != codecVersion {
		return 0, nil, fmt.Errorf("snapshot of version %d, want %d: %w", v, codecVersion, errFormat)
	}
	epoch = r.Int32()
	for n := count(&r); n > 0; n-- {
		id, g := r.CompactString(), &stored{}
		if r.Bool() {
			g.meta = readMeta(&r)
		}
		g.offsets = readOffsets(&r)
		groups[id] = g
	}
	if !r.Ok() || len(r.Src) > 0 {
		return 0, nil, fmt.Errorf("snapshot of %d bytes: %w", len(p), errFormat)
	}
	return epoch, groups, nil
}

// count reads how many elements follow: none when they cannot all be there,
// since each takes at least one byte.
func count(r *kbin.Reader) int32 {
	n := r.CompactArrayLen()
	if n < 0 || int(n) > len(r.Src) {
		r.Span(len(r.Src) + 1) // makes Ok false
		return 0
	}
	return n
}
