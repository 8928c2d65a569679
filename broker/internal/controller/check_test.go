package controller

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/config"
)

func TestCheck(t *testing.T) {
	c := &Controller{Options: Options{Config: config.Default(), Machine: NewMachine(), Nodes: 3}}
	c.Config.DefaultPartitions = 4
	do(t, c.Machine, create("there", 1, 1))
	for _, test := range []struct {
		name string
		spec TopicSpec
		err  error
	}{
		{"plain", TopicSpec{Name: "a.B_9-", Partitions: 1, ReplicationFactor: 3}, nil},
		{"defaults", TopicSpec{Name: "t", Partitions: -1, ReplicationFactor: -1}, nil},
		{"longest name", TopicSpec{Name: strings.Repeat("x", 249), Partitions: 1, ReplicationFactor: 1}, nil},
		{"name too long", TopicSpec{Name: strings.Repeat("x", 250), Partitions: 1, ReplicationFactor: 1}, kerr.InvalidTopicException},
		{"no name", TopicSpec{Partitions: 1, ReplicationFactor: 1}, kerr.InvalidTopicException},
		{"dot", TopicSpec{Name: ".", Partitions: 1, ReplicationFactor: 1}, kerr.InvalidTopicException},
		{"dots", TopicSpec{Name: "..", Partitions: 1, ReplicationFactor: 1}, kerr.InvalidTopicException},
		{"space", TopicSpec{Name: "a b", Partitions: 1, ReplicationFactor: 1}, kerr.InvalidTopicException},
		{"line", TopicSpec{Name: "a\n", Partitions: 1, ReplicationFactor: 1}, kerr.InvalidTopicException},
		{"no partitions", TopicSpec{Name: "t", Partitions: 0, ReplicationFactor: 1}, kerr.InvalidPartitions},
		{"too many partitions", TopicSpec{Name: "t", Partitions: maxPartitions + 1, ReplicationFactor: 1}, kerr.InvalidPartitions},
		{"no replicas", TopicSpec{Name: "t", Partitions: 1, ReplicationFactor: 0}, kerr.InvalidReplicationFactor},
		{"too many replicas", TopicSpec{Name: "t", Partitions: 1, ReplicationFactor: 4}, kerr.InvalidReplicationFactor},
		{"exists", TopicSpec{Name: "there", Partitions: 1, ReplicationFactor: 1}, kerr.TopicAlreadyExists},
	} {
		spec := test.spec
		err := c.check(&spec)
		if !errors.Is(err, test.err) {
			t.Errorf("%s: %v", test.name, err)
		}
		if err == nil && spec.Partitions != test.spec.Partitions && spec.Partitions != 4 {
			t.Errorf("%s: %d partitions", test.name, spec.Partitions)
		}
	}
}
