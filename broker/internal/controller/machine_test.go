package controller

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/partition"
)

func id(n byte) partition.TopicID { return partition.TopicID{15: n} }

func text(s string) *string { return &s }

// do has a machine apply a command as it comes from the log.
func do(t *testing.T, m *Machine, c command) outcome {
	t.Helper()
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	out, ok := m.Apply(data).(outcome)
	if !ok {
		t.Fatal("the result is no outcome")
	}
	return out
}

func create(name string, topic byte, partitions int32) command {
	return command{Create: &createTopic{Name: name, ID: id(topic), Partitions: partitions, Shards: 3, Configs: map[string]string{"a": "1"}}}
}

func TestMachine(t *testing.T) {
	type topics map[string][]uint32
	for _, c := range []struct {
		name     string
		commands []command
		code     *kerr.Error // of the last
		value    int64
		want     topics
	}{
		{"create", []command{create("t", 1, 2)}, nil, 0, topics{"t": {0, 1}}},
		{"round the shards", []command{create("t", 1, 2), create("u", 2, 5), create("v", 3, 1)}, nil, 0,
			topics{"t": {0, 1}, "u": {2, 0, 1, 2, 0}, "v": {1}}},
		{"create what exists", []command{create("t", 1, 2), create("t", 2, 7)}, kerr.TopicAlreadyExists, 0, topics{"t": {0, 1}}},
		{"delete", []command{create("t", 1, 2), {Delete: &deleteTopic{ID: id(1)}}}, nil, 0, topics{}},
		{"delete twice", []command{create("t", 1, 2), {Delete: &deleteTopic{ID: id(1)}}, {Delete: &deleteTopic{ID: id(1)}}}, kerr.UnknownTopicID, 0, topics{}},
		{"delete another", []command{create("t", 1, 2), {Delete: &deleteTopic{ID: id(9)}}}, kerr.UnknownTopicID, 0, topics{"t": {0, 1}}},
		{"create again", []command{create("t", 1, 2), {Delete: &deleteTopic{ID: id(1)}}, create("t", 2, 1)}, nil, 0, topics{"t": {2}}},
		{"more partitions", []command{create("t", 1, 2), create("u", 2, 1), {Partitions: &createPartitions{Topic: "t", Total: 4, Shards: 3}}}, nil, 0,
			topics{"t": {0, 1, 0, 1}, "u": {2}}},
		{"as many partitions", []command{create("t", 1, 2), {Partitions: &createPartitions{Topic: "t", Total: 2, Shards: 3}}}, kerr.InvalidPartitions, 0, topics{"t": {0, 1}}},
		{"fewer partitions", []command{create("t", 1, 2), {Partitions: &createPartitions{Topic: "t", Total: 1, Shards: 3}}}, kerr.InvalidPartitions, 0, topics{"t": {0, 1}}},
		{"partitions of nothing", []command{{Partitions: &createPartitions{Topic: "t", Total: 1, Shards: 3}}}, kerr.UnknownTopicOrPartition, 0, topics{}},
		{"configs of nothing", []command{{Configs: &alterConfigs{Topic: "t"}}}, kerr.UnknownTopicOrPartition, 0, topics{}},
		{"first ids", []command{{Producers: &allocateIDs{Count: 1000}}}, nil, 0, topics{}},
		{"next ids", []command{{Producers: &allocateIDs{Count: 1000}}, {Producers: &allocateIDs{Count: 10}}, {Producers: &allocateIDs{Count: 1}}}, nil, 1010, topics{}},
		{"nothing", []command{{}}, kerr.UnknownServerError, 0, topics{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := NewMachine()
			var out outcome
			for _, cmd := range c.commands {
				out = do(t, m, cmd)
			}
			code := int16(0)
			if c.code != nil {
				code = c.code.Code
			}
			if out.Code != code || out.Value != c.value || (out.Message == "") != (code == 0) || out.Version != uint64(len(c.commands)) {
				t.Errorf("outcome %+v", out)
			}
			s, got := m.now.Load(), topics{}
			for name, topic := range s.topics.all() {
				got[name] = topic.Shards
				if topic.Name != name || s.byID.get(topic.ID) != topic || s.deleted.get(topic.ID) {
					t.Errorf("%s is %+v, by id %+v", name, topic, s.byID.get(topic.ID))
				}
			}
			if !reflect.DeepEqual(got, c.want) || entries(s.byID) != entries(s.topics) {
				t.Errorf("topics %v, want %v", got, c.want)
			}
		})
	}
}

func TestMachineConfigs(t *testing.T) {
	m := NewMachine()
	do(t, m, create("t", 1, 1))
	do(t, m, command{Create: &createTopic{Name: "bare", ID: id(2), Partitions: 1, Shards: 3}})
	old := m.now.Load().topics.get("t")
	do(t, m, command{Configs: &alterConfigs{Topic: "t", Set: map[string]*string{"a": nil, "b": text("2"), "none": nil}}})
	do(t, m, command{Configs: &alterConfigs{Topic: "bare", Set: map[string]*string{"c": text("")}}})
	now := m.now.Load()
	if got := now.topics.get("t").Configs; !maps.Equal(got, map[string]string{"b": "2"}) {
		t.Errorf("configs %v", got)
	}
	if got := now.topics.get("bare").Configs; !maps.Equal(got, map[string]string{"c": ""}) {
		t.Errorf("configs %v", got)
	}
	if !maps.Equal(old.Configs, map[string]string{"a": "1"}) {
		t.Errorf("a published topic was changed: %v", old.Configs)
	}
}

func TestMachineCluster(t *testing.T) {
	m := NewMachine()
	do(t, m, command{Form: &formCluster{ID: "first"}})
	do(t, m, command{Form: &formCluster{ID: "second"}})
	do(t, m, command{Register: &Broker{ID: 2, Rack: "r", Client: Endpoint{"h", 1}, Local: Endpoint{"h", 2}}})
	do(t, m, command{Register: &Broker{ID: 2, Client: Endpoint{"moved", 1}}})
	s := m.now.Load()
	if s.ClusterID != "first" || len(s.Brokers) != 1 || s.Brokers[2] != (Broker{ID: 2, Client: Endpoint{"moved", 1}}) {
		t.Errorf("cluster %q, brokers %+v", s.ClusterID, s.Brokers)
	}
}

// TestMachinePublishesCopies: who holds an older state must not see it change.
func TestMachinePublishesCopies(t *testing.T) {
	m := NewMachine()
	commands := []command{
		create("t", 1, 2), {Register: &Broker{ID: 1}}, create("u", 2, 2), {Partitions: &createPartitions{Topic: "t", Total: 9, Shards: 3}},
		{Configs: &alterConfigs{Topic: "t", Set: map[string]*string{"x": text("y")}}}, {Delete: &deleteTopic{ID: id(2)}}, {Register: &Broker{ID: 3}},
	}
	var held []*Machine
	var saved []string
	for _, c := range commands {
		old := NewMachine()
		old.now.Store(m.now.Load())
		held, saved = append(held, old), append(saved, view(old))
		do(t, m, c)
	}
	for i, old := range held {
		if view(old) != saved[i] {
			t.Errorf("the state before command %d has changed", i)
		}
	}
}

// view is everything that a machine holds, in one order.
func view(m *Machine) string {
	s := m.now.Load()
	topics := slices.SortedFunc(values(s.topics), func(a, b *Topic) int { return slices.Compare(a.ID[:], b.ID[:]) })
	deleted := slices.SortedFunc(keys(s.deleted), func(a, b partition.TopicID) int { return slices.Compare(a[:], b[:]) })
	data, err := json.Marshal([]any{s.Version, s.ClusterID, s.Brokers, topics, deleted, s.NextProducer, s.NextShard, entries(s.byID)})
	if err != nil {
		panic(err)
	}
	return string(data)
}

func TestMachineRestore(t *testing.T) {
	m := NewMachine()
	for _, c := range []command{
		{Form: &formCluster{ID: "c"}}, {Register: &Broker{ID: 1, Rack: "r", Client: Endpoint{"h", 9092}}}, {Register: &Broker{ID: 2}},
		create("t", 1, 4), create("u", 2, 3), {Delete: &deleteTopic{ID: id(2)}}, {Producers: &allocateIDs{Count: 1000}},
		{Create: &createTopic{Name: "bare", ID: id(3), Partitions: 1, Shards: 3}},
	} {
		do(t, m, c)
	}
	data, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	again := NewMachine()
	do(t, again, create("gone", 9, 1)) // what was there goes
	if err := again.Restore(data); err != nil {
		t.Fatal(err)
	}
	if view(again) != view(m) {
		t.Errorf("restored:\n%s\nwant:\n%s", view(again), view(m))
	}
	select {
	case <-again.changed:
	default:
		t.Error("nobody was told")
	}
	// Both go on alike.
	for _, c := range []command{create("t", 5, 1), create("v", 6, 2), {Producers: &allocateIDs{Count: 5}}, {Register: &Broker{ID: 3}}, {Delete: &deleteTopic{ID: id(1)}}} {
		if a, b := do(t, m, c), do(t, again, c); a != b {
			t.Errorf("%+v and %+v", a, b)
		}
	}
	if view(again) != view(m) {
		t.Error("they differ later")
	}
	if err := again.Restore(nil); err != nil || view(again) != view(NewMachine()) {
		t.Errorf("restoring nothing: %v, %s", err, view(again))
	}
	do(t, again, create("t", 1, 1)) // and it works
	before := view(again)
	if err := again.Restore([]byte("{")); err == nil || view(again) != before {
		t.Errorf("damaged state was taken: %v", err)
	}
}

func TestMachineDamagedCommand(t *testing.T) {
	m := NewMachine()
	out, ok := m.Apply([]byte("{")).(outcome)
	if !ok || out.Code == 0 || m.now.Load().Version != 1 {
		t.Errorf("%+v", out)
	}
}
