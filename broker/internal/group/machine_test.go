package group

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

var instance = "i"

func sample(generation int32, members ...string) *Meta {
	m := &Meta{ProtocolType: "consumer", Generation: generation}
	for _, id := range members {
		m.Protocol, m.Leader = "range", members[0]
		m.Members = append(m.Members, Member{
			ID: id, InstanceID: &instance, ClientID: "c", ClientHost: "/h", SessionTimeout: 10_000, RebalanceTimeout: 60_000,
			Protocols: []Protocol{{"range", []byte{1, 2}}, {"sticky", []byte{3}}}, Assignment: []byte(id),
		})
	}
	return m
}

func at(offset int64) Offset {
	return Offset{Offset: offset, LeaderEpoch: 3, Metadata: "note", CommitTime: 1_700_000_000_000, TopicID: [16]byte{15: 9}}
}

func TestMachine(t *testing.T) {
	t0, t1 := TopicPartition{"t", 0}, TopicPartition{"t", 1}
	commit := func(epoch, generation int32, offset int64) command {
		return command{op: opCommit, epoch: epoch, group: "g", commitAs: generation, commit: map[TopicPartition]Offset{t0: at(offset), t1: at(offset)}}
	}
	store := func(epoch, generation int32, members ...string) command {
		return command{op: opStore, epoch: epoch, group: "g", meta: sample(generation, members...)}
	}
	type step struct {
		cmd  command
		want error
	}
	for name, c := range map[string]struct {
		steps   []step
		offsets map[TopicPartition]Offset
		meta    *Meta
	}{
		"offsets alone":             {[]step{{commit(1, -1, 5), nil}, {commit(1, -1, 6), nil}}, map[TopicPartition]Offset{t0: at(6), t1: at(6)}, nil},
		"members alone":             {[]step{{store(1, 1, "a", "b"), nil}}, map[TopicPartition]Offset{}, sample(1, "a", "b")},
		"both":                      {[]step{{store(1, 1, "a"), nil}, {commit(1, 1, 5), nil}}, map[TopicPartition]Offset{t0: at(5), t1: at(5)}, sample(1, "a")},
		"empty again":               {[]step{{store(1, 1, "a"), nil}, {store(1, 2), nil}, {commit(1, -1, 5), nil}}, map[TopicPartition]Offset{t0: at(5), t1: at(5)}, sample(2)},
		"commit that is overtaken":  {[]step{{store(1, 2, "a"), nil}, {commit(1, 1, 5), kerr.IllegalGeneration}}, map[TopicPartition]Offset{}, sample(2, "a")},
		"commit of nobody":          {[]step{{store(1, 2, "a"), nil}, {commit(1, -1, 5), kerr.UnknownMemberID}}, map[TopicPartition]Offset{}, sample(2, "a")},
		"commit before it's stored": {[]step{{store(1, 2, "a"), nil}, {commit(1, 3, 5), nil}}, map[TopicPartition]Offset{t0: at(5), t1: at(5)}, sample(2, "a")},
		"fenced office": {[]step{
			{store(1, 1, "a"), nil},
			{command{op: opFence, epoch: 3}, nil},
			{commit(2, 1, 5), kerr.NotCoordinator}, {store(2, 2, "b"), kerr.NotCoordinator}, {command{op: opDelete, epoch: 2, group: "g"}, kerr.NotCoordinator},
			{commit(3, 1, 7), nil},
		}, map[TopicPartition]Offset{t0: at(7), t1: at(7)}, sample(1, "a")},
		"deleted":      {[]step{{store(1, 1, "a"), nil}, {commit(1, 1, 5), nil}, {command{op: opDelete, epoch: 1, group: "g"}, nil}}, nil, nil},
		"forgotten":    {[]step{{commit(1, -1, 5), nil}, {command{op: opForget, epoch: 1, group: "g", forget: []TopicPartition{t0, {"u", 0}}}, nil}}, map[TopicPartition]Offset{t1: at(5)}, nil},
		"all of it":    {[]step{{commit(1, -1, 5), nil}, {command{op: opForget, epoch: 1, group: "g", forget: []TopicPartition{t0, t1}}, nil}}, nil, nil},
		"nothing to":   {[]step{{command{op: opForget, epoch: 1, group: "g", forget: []TopicPartition{t0}}, nil}, {command{op: opDelete, epoch: 1, group: "g"}, nil}}, nil, nil},
		"empty commit": {[]step{{command{op: opCommit, epoch: 1, group: "g", commitAs: -1}, nil}}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMachine()
			for i, s := range c.steps {
				got, _ := m.Apply(s.cmd.encode()).(error)
				if !errors.Is(got, s.want) {
					t.Fatalf("step %d: %v, want %v", i, got, s.want)
				}
			}
			snapshot, err := m.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			restored := NewMachine()
			if err := restored.Restore(snapshot); err != nil {
				t.Fatal(err)
			}
			for who, m := range map[string]*Machine{"machine": m, "restored": restored} {
				if got := m.offsets("g"); !reflect.DeepEqual(got, c.offsets) {
					t.Errorf("%s: offsets %v, want %v", who, got, c.offsets)
				}
				if got := m.metas()["g"]; !reflect.DeepEqual(got, c.meta) {
					t.Errorf("%s: meta %+v, want %+v", who, got, c.meta)
				}
				if got, want := m.exists("g"), c.offsets != nil || c.meta != nil; got != want {
					t.Errorf("%s: exists is %v", who, got)
				}
				if m.epoch != c.steps[len(c.steps)-1].cmd.epoch {
					t.Errorf("%s: epoch %d", who, m.epoch)
				}
			}
			if again, _ := restored.Snapshot(); !bytes.Equal(again, snapshot) {
				t.Error("equal states have different snapshots")
			}
		})
	}
}

func TestRestoreRefuses(t *testing.T) {
	m := NewMachine()
	m.Apply(command{op: opStore, epoch: 1, group: "g", meta: sample(1, "a")}.encode())
	snapshot, _ := m.Snapshot()
	for cut := 1; cut < len(snapshot); cut++ {
		if err := m.Restore(snapshot[:cut]); err == nil {
			t.Fatalf("%d bytes of %d are taken for a snapshot", cut, len(snapshot))
		}
	}
	if !m.exists("g") {
		t.Error("a failed Restore has changed the state")
	}
	if err := m.Restore(nil); err != nil || m.exists("g") {
		t.Errorf("nil does not empty the state: %v", err)
	}
	if err, _ := m.Apply([]byte{9}).(error); err == nil {
		t.Error("a command of an unknown version is applied")
	}
}

// FuzzMachine: whatever bytes come, nothing panics, and what can be read is
// written the same.
func FuzzMachine(f *testing.F) {
	m := NewMachine()
	for _, c := range []command{
		{op: opFence, epoch: 1},
		{op: opStore, epoch: 1, group: "g", meta: sample(1, "a", "b")},
		{op: opCommit, epoch: 1, group: "g", commitAs: 1, commit: map[TopicPartition]Offset{{"t", 0}: at(1)}},
		{op: opForget, epoch: 1, group: "h", forget: []TopicPartition{{"t", 0}}},
		{op: opDelete, epoch: 1, group: "h"},
	} {
		f.Add(c.encode())
		m.Apply(c.encode())
	}
	snapshot, _ := m.Snapshot()
	f.Add(snapshot)
	f.Fuzz(func(t *testing.T, p []byte) {
		if c, err := decodeCommand(p); err == nil {
			again, err := decodeCommand(c.encode())
			if err != nil || !reflect.DeepEqual(again, c) {
				t.Errorf("%+v is read back as %+v, %v", c, again, err)
			}
		}
		NewMachine().Apply(p)
		m := NewMachine()
		if m.Restore(p) == nil {
			first, _ := m.Snapshot()
			if err := m.Restore(first); err != nil {
				t.Fatal(err)
			}
			if second, _ := m.Snapshot(); !bytes.Equal(first, second) {
				t.Error("a snapshot changes when it is restored")
			}
		}
	})
}

func TestShardOf(t *testing.T) {
	// Fixed for ever: groups would lose their offsets.
	for id, want := range map[string]int{"": 5, "g": 2, "orders": 4} {
		if got := ShardOf(id, 6); got != want {
			t.Errorf("%q is in shard %d, want %d", id, got, want)
		}
	}
}
