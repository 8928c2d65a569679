package scale

import (
	"context"
	"fmt"
	"strings"

	"lockstep/compat/internal/raw"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Part is a partition of a topic and the node that leads it; -1: none.
type Part struct {
	Topic     string
	Partition int32
	Leader    int32
	InSync    []int32 // replicas, as whoever was asked knows them
}

// Find asks the node at addr for all partitions of topics whose names begin with prefix.
func Find(ctx context.Context, addr, prefix string) ([]Part, error) {
	conn, err := raw.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	m, err := conn.MetadataAll(ctx)
	if err != nil {
		return nil, err
	}
	var out []Part
	for _, t := range m.Topics {
		if t.Topic == nil || !strings.HasPrefix(*t.Topic, prefix) {
			continue
		}
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return nil, fmt.Errorf("metadata of %s: %w", *t.Topic, err)
		}
		for _, p := range t.Partitions {
			out = append(out, Part{*t.Topic, p.Partition, p.Leader, p.ISR})
		}
	}
	return out, nil
}
