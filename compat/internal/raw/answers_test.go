package raw

import (
	"context"
	"errors"
	"testing"
	"time"

	"lockstep/compat/internal/records"

	"github.com/twmb/franz-go/pkg/kerr"
)

func batch(t *testing.T, by Producer, n int) []byte {
	t.Helper()
	b, err := BuildAs(by, "none", records.Plain(1, n, 1e12))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What a broker says comes through: offsets, epochs, errors as answers, and how long it took to say it.
func TestAnswers(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, addr := dialFake(t, ctx)
	if _, err := c.Append(ctx, "t", 0, batch(t, Nobody, 3)); err != nil {
		t.Fatal(err)
	}
	now, err := c.Leader(ctx, "t", 0)
	if err != nil || now.Epoch < 0 || len(now.Replicas) == 0 {
		t.Fatalf("leader: %+v, %v", now, err)
	}
	a, err := c.Fetch(ctx, Fetch{Topic: "t", Offset: 0, MinBytes: 1, LeaderEpoch: &now.Epoch})
	if err != nil || a.Error != nil {
		t.Fatal(err, a)
	}
	if a.HighWatermark != 3 || len(a.Batches) != 1 || a.Preferred != -1 || a.Version < 4 {
		t.Errorf("%+v", a)
	}
	wrong := now.Epoch + 1
	if a, err := c.Fetch(ctx, Fetch{Topic: "t", LeaderEpoch: &wrong}); err != nil || !errors.Is(a.Error, kerr.UnknownLeaderEpoch) {
		t.Errorf("a fetch with a later epoch: %+v, %v", a, err)
	}
	a, err = c.Fetch(ctx, Fetch{Topic: "t", Offset: 3, MinBytes: 1, MaxWait: 200 * time.Millisecond})
	if err != nil || len(a.Batches) != 0 || a.Took < 150*time.Millisecond {
		t.Errorf("a fetch at the end: %+v, %v", a, err)
	}
	if a, err := c.Fetch(ctx, Fetch{Topic: "t", Offset: 99}); err != nil || !errors.Is(a.Error, kerr.OffsetOutOfRange) {
		t.Errorf("a fetch above the end: %+v, %v", a, err)
	}
	for at, want := range map[int64]int64{Latest: 3, Earliest: 0} {
		if l, err := c.ListOffsets(ctx, ListOffsets{Topic: "t", Timestamp: at}); err != nil || l.Error != nil || l.Offset != want {
			t.Errorf("offsets at %d: %+v, %v", at, l, err)
		}
	}
	p, err := Ping(ctx, addr, KafkaGreeting(), 10)
	if err != nil || p.Pieces == 0 || p.Bytes < 10*50 || p.Took <= 0 {
		t.Errorf("ping: %+v, %v", p, err)
	}
}

func TestProduceAsAnIdempotentProducer(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, _ := dialFake(t, ctx)
	by, err := c.InitProducer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	send := func(sequence int32) *Produced {
		by.Sequence = sequence
		p, err := c.Produce(ctx, Produce{Topic: "t", Acks: -1, Batches: batch(t, by, 2)})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := send(0); p.Error != nil || p.BaseOffset != 0 {
		t.Errorf("the first batch: %+v", p)
	}
	if p := send(9); !errors.Is(p.Error, kerr.OutOfOrderSequenceNumber) {
		t.Errorf("a batch after a gap: %+v", p)
	}
	if p, err := c.Produce(ctx, Produce{Topic: "t", Acks: 0, Batches: batch(t, Nobody, 2)}); err != nil || p.BaseOffset != -1 {
		t.Errorf("without acks: %+v, %v", p, err)
	}
	// The connection still pairs questions with answers.
	if end, err := c.EndOffset(ctx, "t", 0); err != nil || end != 4 {
		t.Errorf("the end: %d, %v", end, err)
	}
}
