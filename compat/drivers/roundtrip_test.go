package drivers

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/compat/drivers/protocol"
)

// TestRoundTrip runs every driver that is set up against the broker at LOCKSTEP_TEST_BOOTSTRAP: nasty records in every
// codec, read back by the same client and by franz-go, then a seek, a reset, and a group that commits.
func TestRoundTrip(t *testing.T) {
	bootstrap := os.Getenv("LOCKSTEP_TEST_BOOTSTRAP")
	if bootstrap == "" {
		t.Skip("LOCKSTEP_TEST_BOOTSTRAP does not name a broker to run against")
	}
	for _, c := range Clients {
		t.Run(c.Name, func(t *testing.T) {
			ctx := deadline(t)
			r := &roundTrip{d: start(t, c), referee: start(t, Clients[0]), bootstrap: []string{bootstrap}}
			info, err := r.d.Info(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, codec := range info.Codecs {
				t.Run(codec, func(t *testing.T) {
					r.at(t, bootstrap)
					sent := nasty(info.Features)
					r.produce(ctx, codec, sent)
					r.consume(ctx, r.d, sent)
					r.consume(ctx, r.referee, sent)
					r.seek(ctx, sent)
				})
			}
			t.Run("reset", func(t *testing.T) { r.at(t, bootstrap); r.reset(ctx) })
			t.Run("group", func(t *testing.T) { r.at(t, bootstrap); r.commit(ctx) })
			for _, d := range []*started{r.d, r.referee} {
				if err := d.Close(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

type roundTrip struct {
	t          *testing.T
	d, referee *started
	bootstrap  []string
	topic      string
}

// at begins a part of the test, with a topic of its own.
func (r *roundTrip) at(t *testing.T, bootstrap string) {
	r.t, r.d.t, r.referee.t = t, t, t
	r.topic = createTopic(t, bootstrap)
}

// produce sends the records, the last of them in a second command, and checks that each got the offset of its number.
func (r *roundTrip) produce(ctx context.Context, codec string, records []protocol.Record) {
	r.t.Helper()
	p := "p-" + r.topic // no handle is used twice, so that no event is taken for another part's
	r.d.do(ctx, protocol.Command{Op: protocol.OpOpenProducer, Handle: p, Bootstrap: r.bootstrap, Topic: r.topic,
		ProducerConfig: protocol.ProducerConfig{Acks: "all", Codec: codec, Idempotent: true, LingerMS: 5,
			BatchBytes: 16384, DeliveryTimeoutMS: 60_000, MaxRequestBytes: 1 << 20}})
	last := len(records) - 1
	_ = r.d.Send(protocol.Command{Op: protocol.OpSend, Handle: p, Records: records[:last]})
	_ = r.d.Send(protocol.Command{Op: protocol.OpSend, Handle: p, First: int64(last), Records: records[last:]})
	r.d.do(ctx, protocol.Command{Op: protocol.OpFlush, Handle: p})
	fates := r.d.wait(ctx, "acks", len(records), func(e protocol.Event) bool {
		return e.Handle == p && (e.Event == protocol.EventAcked || e.Event == protocol.EventFailed)
	})
	for _, e := range fates {
		if e.Event != protocol.EventAcked || e.Offset != e.N || e.At == 0 {
			r.t.Fatalf("record %d: %s, offset %d, at %d, %s", e.N, e.Event, e.Offset, e.At, e.Error)
		}
	}
	if len(fates) != len(records) {
		r.t.Fatalf("%d fates of %d records", len(fates), len(records))
	}
	r.d.do(ctx, protocol.Command{Op: protocol.OpClose, Handle: p})
}

func (r *roundTrip) open(ctx context.Context, d *started, handle string, c protocol.ConsumerConfig) {
	r.t.Helper()
	d.do(ctx, protocol.Command{Op: protocol.OpOpenConsumer, Handle: handle, Bootstrap: r.bootstrap, Topic: r.topic,
		ConsumerConfig: c})
}

func (r *roundTrip) consume(ctx context.Context, d *started, sent []protocol.Record) {
	r.t.Helper()
	handle := "c-" + r.topic
	r.open(ctx, d, handle, protocol.ConsumerConfig{Partitions: []int32{0}, MaxWaitMS: 100})
	got := d.wait(ctx, "records", len(sent), of(protocol.EventRecord, handle))
	compare(r.t, sent, 0, got)
	d.do(ctx, protocol.Command{Op: protocol.OpClose, Handle: handle})
}

// seek opens at an offset in the middle, reads to the end, goes back, and reads on from there.
func (r *roundTrip) seek(ctx context.Context, sent []protocol.Record) {
	r.t.Helper()
	handle, middle, back := "s-"+r.topic, int64(len(sent)/2), int64(3)
	r.open(ctx, r.d, handle, protocol.ConsumerConfig{Partitions: []int32{0}, Offsets: []int64{middle}})
	first := len(sent) - int(middle)
	compare(r.t, sent[middle:], middle, r.d.wait(ctx, "from the middle", first, of(protocol.EventRecord, handle)))
	r.d.do(ctx, protocol.Command{Op: protocol.OpSeek, Handle: handle, Offset: back})
	got := r.d.wait(ctx, "after the seek", first+len(sent)-int(back), of(protocol.EventRecord, handle))
	compare(r.t, sent[back:], back, got[first:])
	r.d.do(ctx, protocol.Command{Op: protocol.OpClose, Handle: handle})
}

// reset starts beyond the end of the log, must be told so and get nothing, and goes on after a seek.
func (r *roundTrip) reset(ctx context.Context) {
	r.produce(ctx, "none", plain(3))
	r.open(ctx, r.d, "r", protocol.ConsumerConfig{Partitions: []int32{0}, Offsets: []int64{1000}})
	notices := r.d.wait(ctx, "the reset", 1, func(e protocol.Event) bool {
		return e.Handle == "r" && e.Event == protocol.EventNotice && e.Kind == protocol.NoticeReset
	})
	r.t.Logf("told as: %s", notices[0].Error)
	r.d.do(ctx, protocol.Command{Op: protocol.OpSeek, Handle: "r", Offset: 1})
	compare(r.t, plain(3)[1:], 1, r.d.wait(ctx, "after the reset", 2, of(protocol.EventRecord, "r")))
	r.d.do(ctx, protocol.Command{Op: protocol.OpClose, Handle: "r"})
}

// commit reads as a group, goes back, commits, and must go on behind the commit as a new member.
func (r *roundTrip) commit(ctx context.Context) {
	r.produce(ctx, "none", plain(5))
	group := protocol.ConsumerConfig{Group: "g-" + r.topic}
	r.open(ctx, r.d, "g1", group)
	compare(r.t, plain(5), 0, r.d.wait(ctx, "the group", 5, of(protocol.EventRecord, "g1")))
	r.d.do(ctx, protocol.Command{Op: protocol.OpSeek, Handle: "g1", Offset: 3})
	compare(r.t, plain(5)[3:], 3, r.d.wait(ctx, "the group's seek", 7, of(protocol.EventRecord, "g1"))[5:])
	r.d.do(ctx, protocol.Command{Op: protocol.OpCommit, Handle: "g1"})
	if r.d.count(of(protocol.EventNotice, "g1")) == 0 {
		r.t.Error("no notice of the assignment")
	}
	r.d.do(ctx, protocol.Command{Op: protocol.OpClose, Handle: "g1"})
	r.open(ctx, r.d, "g1", group)
	r.d.do(ctx, protocol.Command{Op: protocol.OpOpenProducer, Handle: "p", Bootstrap: r.bootstrap, Topic: r.topic})
	_ = r.d.Send(protocol.Command{Op: protocol.OpSend, Handle: "p", First: 5, Records: plain(6)[5:]})
	got := r.d.wait(ctx, "the group's next member", 8, of(protocol.EventRecord, "g1"))
	compare(r.t, plain(6)[5:], 5, got[7:])
	for _, handle := range []string{"p", "g1"} {
		r.d.do(ctx, protocol.Command{Op: protocol.OpClose, Handle: handle})
	}
}

// compare checks that got is exactly sent, from that offset on.
func compare(t *testing.T, sent []protocol.Record, offset int64, got []protocol.Event) {
	t.Helper()
	if len(got) != len(sent) {
		t.Errorf("%d records of %d", len(got), len(sent))
	}
	for i, e := range got[:min(len(got), len(sent))] {
		want := sent[i]
		if e.Offset != offset+int64(i) || e.Partition != 0 || e.At == 0 || e.TimestampType != "create" {
			t.Errorf("record %d: offset %d, partition %d, at %d, %q", offset+int64(i), e.Offset, e.Partition, e.At, e.TimestampType)
		}
		if want.Timestamp == 0 && time.Since(time.UnixMilli(e.Timestamp)).Abs() > time.Hour ||
			want.Timestamp != 0 && want.Timestamp != e.Timestamp {
			t.Errorf("offset %d: timestamp %d in place of %d", e.Offset, e.Timestamp, want.Timestamp)
		}
		same := func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }
		if !same(e.Key, want.Key) {
			t.Errorf("offset %d: key %.40q (null %v) in place of %.40q (null %v)", e.Offset, e.Key, e.Key == nil, want.Key, want.Key == nil)
		}
		if !same(e.Value, want.Value) {
			t.Errorf("offset %d: value %.40q (null %v) in place of %.40q (null %v)", e.Offset, e.Value, e.Value == nil, want.Value, want.Value == nil)
		}
		if !slices.EqualFunc(e.Headers, want.Headers, func(a, b protocol.Header) bool { return a.Name == b.Name && same(a.Value, b.Value) }) {
			t.Errorf("offset %d: headers %q in place of %q", e.Offset, e.Headers, want.Headers)
		}
	}
}

func plain(n int) (records []protocol.Record) {
	for i := range n {
		records = append(records, protocol.Record{Value: fmt.Appendf(nil, "%d", i)})
	}
	return records
}

// nasty makes the records that clients and brokers get wrong, as far as the client can carry them.
func nasty(features []string) []protocol.Record {
	can := func(f string) bool { return slices.Contains(features, f) }
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	big := make([]byte, 900<<10)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(big)
	headers := []protocol.Header{{Name: "twice", Value: []byte("1")}, {Name: "ünï☃", Value: all},
		{Name: "twice", Value: []byte("2")}, {Name: "", Value: []byte("nameless")}, {Name: "twice", Value: []byte("1")}}
	if can(protocol.FeatureNullHeaderValues) {
		headers = append(headers, protocol.Header{Name: "null"})
	}
	if can(protocol.FeatureEmptyHeaderValue) {
		headers = append(headers, protocol.Header{Name: "empty", Value: []byte{}})
	}
	records := []protocol.Record{
		{Key: []byte("k"), Value: []byte("v"), Timestamp: 1_700_000_000_123},
		{Value: []byte("null key"), Timestamp: 1},
		{Key: []byte{}, Value: []byte("empty key")},
		{Key: []byte("null value")},
		{Key: []byte("empty value"), Value: []byte{}},
		{Key: []byte{}, Value: []byte{}},
		{Key: all, Value: all, Headers: headers},
		{Key: []byte("long"), Value: bytes.Repeat([]byte("abc"), 100_000)},
		{Key: []byte("big"), Value: big},
	}
	if can(protocol.FeatureNullRecords) {
		records = append(records, protocol.Record{})
	}
	for i := range 300 {
		records = append(records, protocol.Record{Key: fmt.Appendf(nil, "%d", i), Value: all[:i%256], Timestamp: int64(1000 + i)})
	}
	return append(records, protocol.Record{Value: []byte("last")})
}

// createTopic makes a topic of one partition and returns its name once it has a leader.
func createTopic(t *testing.T, bootstrap string) string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(bootstrap, ",")...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	topic := fmt.Sprintf("roundtrip-%d", time.Now().UnixNano())
	create := kmsg.NewPtrCreateTopicsRequest()
	want := kmsg.NewCreateTopicsRequestTopic()
	want.Topic, want.NumPartitions, want.ReplicationFactor = topic, 1, -1
	create.Topics, create.TimeoutMillis = append(create.Topics, want), 10_000
	created, err := create.RequestWith(t.Context(), client)
	if err == nil {
		err = kerr.ErrorForCode(created.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("create topic %s: %v", topic, err)
	}
	return topic
}
