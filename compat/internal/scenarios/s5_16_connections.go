package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lockstep/compat/internal/raw"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The traps of 5.16 that are about waiting and about connections.

// mostLate is how much later than the writer a waiting reader may hear of a record: what is needed is a thousandth of it,
// and a node that looks now and then, instead of being woken, needs more.
const mostLate = 100 * time.Millisecond

// woken looks a few times, and judges by the median: a busy machine is slow at times.
func (x *traps) woken(node int) func(context.Context) error {
	return func(ctx context.Context) error {
		var late []time.Duration
		for range 5 {
			d, err := x.wakes(ctx, node)
			if err != nil {
				return err
			}
			late = append(late, d)
		}
		slices.Sort(late)
		if late[len(late)/2] > mostLate {
			return fmt.Errorf("node %d answered %v after the record was acknowledged", node, late)
		}
		x.c.H.Logf("node %d answered %v after the record was acknowledged", node, late)
		return nil
	}
}

// wakes has a node hold a question, writes the record that answers it, and returns how long after its acknowledgement the
// answer came.
func (x *traps) wakes(ctx context.Context, node int) (time.Duration, error) {
	const wait = 5 * time.Second
	type answer struct {
		a   *raw.Answer
		err error
		at  time.Time
	}
	got := make(chan answer, 1)
	before := x.end
	go func() {
		a, err := x.ask(ctx, node, raw.Fetch{Offset: before, MinBytes: 1, MaxWait: wait})
		got <- answer{a, err, time.Now()}
	}()
	// Long enough for the question to be held. Were it not, the record would be there at once, which shows nothing wrong.
	if err := hold(ctx, 100*time.Millisecond); err != nil {
		return 0, err
	}
	if err := x.one(ctx); err != nil {
		return 0, err
	}
	acked := time.Now()
	woken := <-got
	return woken.at.Sub(acked), errors.Join(woken.err, expect(woken.a, nil, x.end, -1, true))
}

func (x *traps) manyListOffsets(ctx context.Context) error {
	conn, err := raw.Dial(ctx, x.c.Cluster.Direct(x.follower()))
	if err != nil {
		return err
	}
	defer conn.Close()
	for range 300 {
		got, err := conn.ListOffsets(ctx, raw.ListOffsets{Topic: x.t.Name, Partition: x.t.Partition, Timestamp: raw.Latest})
		if err != nil {
			return err
		}
		if !errors.Is(got.Error, kerr.NotLeaderForPartition) {
			return fmt.Errorf("error %v, offset %d", got.Error, got.Offset)
		}
	}
	_, err = conn.Metadata(ctx, x.t.Name)
	return err
}

// inOrder has a question that the broker holds for a while followed by one it can answer at once.
func (x *traps) inOrder(ctx context.Context) error {
	conn, err := raw.Dial(ctx, x.c.Cluster.Direct(x.follower()))
	if err != nil {
		return err
	}
	defer conn.Close()
	topic := kmsg.NewFetchRequestTopic()
	part := kmsg.NewFetchRequestTopicPartition()
	topic.Topic, part.Partition, part.FetchOffset, part.CurrentLeaderEpoch, part.PartitionMaxBytes = x.t.Name, x.t.Partition, x.end, -1, 1<<20
	topic.Partitions = append(topic.Partitions, part)
	held := kmsg.NewPtrFetchRequest()
	held.Version, held.ReplicaID, held.SessionEpoch, held.MaxWaitMillis, held.MinBytes, held.MaxBytes = 12, -1, -1, 300, 1, 1<<20
	held.Topics = append(held.Topics, topic)
	quick := kmsg.NewPtrMetadataRequest()
	quick.Version, quick.Topics = 9, []kmsg.MetadataRequestTopic{}
	got, err := conn.Pipeline(ctx, held, quick, held, quick)
	if err != nil {
		return err
	}
	for i, r := range got {
		_, isFetch := r.(*kmsg.FetchResponse)
		if isFetch != (i%2 == 0) {
			return fmt.Errorf("answer %d is a %T", i+1, r)
		}
	}
	return nil
}

func (x *traps) emptyRecords(ctx context.Context) error {
	conn, err := raw.Dial(ctx, x.c.Cluster.Direct(x.follower()))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, newest, _ := conn.Versions(int16(kmsg.Fetch))
	for v := int16(11); v <= newest; v++ {
		a, err := x.ask(ctx, x.follower(), raw.Fetch{Offset: x.end, MaxWait: raw.NoWait, Version: v})
		if err := errors.Join(err, expect(a, nil, x.end, -1, false)); err != nil {
			return fmt.Errorf("version %d: %w", v, err)
		}
		if a.Version != v || a.Body.RecordBatches == nil {
			return fmt.Errorf("version %d (asked for %d): records are null", a.Version, v)
		}
	}
	return nil
}
