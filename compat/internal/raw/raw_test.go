package raw

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"lockstep/compat/internal/records"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
)

func dialFake(t *testing.T, ctx context.Context) (*Conn, string) {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	addr := fake.ListenAddrs()[0]
	c, err := Dial(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, addr
}

// What Build makes is what a broker takes and gives back: every codec, every nasty record, CRC and body unchanged.
func TestBatchesSurviveABroker(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, addr := dialFake(t, ctx)
	var end int64
	sent := map[int64][]byte{}
	var all []records.Record
	for codec := range codecs {
		rs := records.Nasty(7, 40, 1_700_000_000_000, records.Limits{})
		b, err := Build(codec, rs)
		if err != nil {
			t.Fatal(codec, err)
		}
		at, err := c.Append(ctx, "t", 0, b)
		if err != nil || at != end {
			t.Fatalf("%s: acknowledged at %d, want %d: %v", codec, at, end, err)
		}
		sent[at] = b
		end = at + int64(len(rs))
		all = append(all, rs...)
	}
	got, err := FetchRange(ctx, addr, "t", 0, 0, end)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Batches) != len(sent) || len(got.Records) != len(all) {
		t.Fatalf("%d batches and %d records, want %d and %d", len(got.Batches), len(got.Records), len(sent), len(all))
	}
	for _, b := range got.Batches {
		want, err := Split(sent[b.BaseOffset])
		if err != nil || len(want) != 1 {
			t.Fatal(want, err)
		}
		if !b.Body.Equal(want[0].Body) || b.CRC != b.Computed || b.CRC != want[0].CRC {
			t.Errorf("batch at %d: body or crc changed", b.BaseOffset)
		}
	}
	for i, r := range got.Records {
		if r.Offset != int64(i) {
			t.Fatalf("record %d has offset %d", i, r.Offset)
		}
		if field := records.ForHistory(all[i]).Differs(r.Record); field != "" {
			t.Errorf("record %d differs in %s: %s / %s", i, field, records.ForHistory(all[i]), r.Record)
		}
	}
}

func TestAFlippedBitShows(t *testing.T) {
	b, err := Build("none", records.Plain(1, 3, 1e12))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	got, err := Split(b)
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	if got[0].CRC == got[0].Computed {
		t.Error("the CRC of a changed batch still fits")
	}
	if got, _ := Split(b[:len(b)-1]); len(got) != 0 {
		t.Error("a batch that ends early was taken for whole")
	}
}

func TestAdmin(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, _ := dialFake(t, ctx)
	if err := c.CreateTopic(ctx, "t", 1, nil); err != nil {
		t.Errorf("a topic that is there: %v", err)
	}
	if _, err := c.Leader(ctx, "t", 0); err != nil {
		t.Error(err)
	}
	if _, err := c.Leader(ctx, "absent", 0); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("leader of an absent topic: %v", err)
	}
	if end, err := c.EndOffset(ctx, "t", 0); err != nil || end != 0 {
		t.Errorf("end offset %d, %v", end, err)
	}
}

// A peer that takes the connection and never answers is what a black hole looks like: ctx ends the wait.
func TestSilenceEndsWithTheContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, l.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
