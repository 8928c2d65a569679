package api

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/recordbatch"
	"lockstep/broker/internal/shard"
)

// produceOf carries records for partition 0, 1, … of topic "t".
func produceOf(n *node, version int16, records ...[]byte) *kmsg.ProduceRequest {
	r := kmsg.NewPtrProduceRequest()
	r.Version, r.Acks, r.TimeoutMillis = version, -1, 1000
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = n.topic.Name, n.topic.ID
	for i, b := range records {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = int32(i), b
		t.Partitions = append(t.Partitions, p)
	}
	r.Topics = append(r.Topics, t)
	return r
}

func (n *node) produce(l Listener, r *kmsg.ProduceRequest) []kmsg.ProduceResponseTopicPartition {
	n.t.Helper()
	var parts []kmsg.ProduceResponseTopicPartition
	for _, t := range askFor[*kmsg.ProduceResponse](n, l, r).Topics {
		parts = append(parts, t.Partitions...)
	}
	return parts
}

func TestProduceChecks(t *testing.T) {
	with := func(change func(b recordbatch.Batch) []byte) []byte { return change(batchOf(2)) }
	zstd := with(func(b recordbatch.Batch) []byte { b.SetAttributes(4); return b })
	for _, c := range []struct {
		name    string
		records []byte
		version int16
		want    *kerr.Error
	}{
		{"a batch", batchOf(2), 3, nil},
		{"no batch", []byte{}, 3, kerr.InvalidRecord},
		{"two batches", append(batchOf(2), batchOf(1)...), 3, kerr.InvalidRecord},
		{"a byte after the batch", append(batchOf(2), 0), 12, kerr.InvalidRecord},
		{"cut short", batchOf(2)[:90], 3, kerr.CorruptMessage},
		{"a few bytes", []byte{1, 2, 3}, 3, kerr.CorruptMessage},
		{"wrong CRC", with(func(b recordbatch.Batch) []byte { b[len(b)-1]++; return b }), 12, kerr.CorruptMessage},
		{"format 1", with(func(b recordbatch.Batch) []byte { b[16] = 1; return b }), 3, kerr.UnsupportedForMessageFormat},
		{"format 0", with(func(b recordbatch.Batch) []byte { b[16] = 0; return b }), 3, kerr.UnsupportedForMessageFormat},
		{"a control batch", with(func(b recordbatch.Batch) []byte { b.SetAttributes(0x20); return b }), 12, kerr.InvalidRecord},
		{"a transactional batch", with(func(b recordbatch.Batch) []byte { b.SetAttributes(0x10); return b }), 12, kerr.InvalidTxnState},
		{"the broker's timestamps", with(func(b recordbatch.Batch) []byte { b.SetAttributes(0x08); return b }), 12, kerr.InvalidTimestamp},
		{"zstd", zstd, 7, nil},
		{"zstd before v7", zstd, 6, kerr.UnsupportedCompressionType},
		{"a codec nobody knows", with(func(b recordbatch.Batch) []byte { b.SetAttributes(7); return b }), 12, kerr.UnsupportedCompressionType},
		{"an idempotent producer", with(func(b recordbatch.Batch) []byte { b.SetProducer(7, 0, 0); return b }), 12, nil},
		{"without a sequence number", with(func(b recordbatch.Batch) []byte { b.SetProducer(7, 0, -1); return b }), 12, kerr.InvalidRecord},
		{"at the limit", recordbatch.Make(recordbatch.Record{Value: make([]byte, 20000-recordbatch.HeaderLen-11)}), 12, nil},
		{"over the limit", batchOf(200), 12, kerr.MessageTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, asLeader)
			n.topic.Configs["max.message.bytes"] = "20000"
			got := n.produce(Normal, produceOf(n, c.version, c.records))[0]
			var want int16
			if c.want != nil {
				want = c.want.Code
			}
			if got.ErrorCode != want || (got.BaseOffset == 0) != (want == 0) || want != 0 && got.BaseOffset != -1 {
				t.Errorf("got error %d at offset %d (%v), want %d", got.ErrorCode, got.BaseOffset, got.ErrorMessage, want)
			}
			if c.version >= 8 && (got.ErrorMessage != nil) != (want != 0) {
				t.Errorf("message %v with error %d", got.ErrorMessage, want)
			}
			if hw := n.shard.Log(n.key(0)).HighWatermark(); (hw > 0) != (want == 0) {
				t.Errorf("high watermark %d after error %d", hw, want)
			}
		})
	}
}

func TestProduceLimitOfTheNode(t *testing.T) {
	n := newNode(t, asLeader)
	n.api.Config.MaxMessageBytes = int32(len(batchOf(3)))
	got := n.produce(Normal, produceOf(n, 12, batchOf(3), batchOf(4)))
	if got[0].ErrorCode != 0 || got[1].ErrorCode != kerr.MessageTooLarge.Code {
		t.Errorf("got %+v", got)
	}
}

func TestProduceErrors(t *testing.T) {
	good := func(n *node) *kmsg.ProduceRequest { return produceOf(n, 12, batchOf(1)) }
	for _, c := range []struct {
		name    string
		status  shard.Status
		request func(n *node) *kmsg.ProduceRequest
		want    int16
	}{
		{"unknown topic", asLeader, func(n *node) *kmsg.ProduceRequest { r := good(n); r.Topics[0].Topic = "nope"; return r }, 3},
		{"unknown partition", asLeader, func(n *node) *kmsg.ProduceRequest {
			r := good(n)
			r.Topics[0].Partitions[0].Partition = 99
			return r
		}, 3},
		{"unknown id", asLeader, func(n *node) *kmsg.ProduceRequest {
			r := good(n)
			r.Version, r.Topics[0].TopicID = 13, [16]byte{9}
			return r
		}, 100},
		{"known id", asLeader, func(n *node) *kmsg.ProduceRequest { r := good(n); r.Version = 13; return r }, 0},
		{"acks=1", asLeader, func(n *node) *kmsg.ProduceRequest { r := good(n); r.Acks = 1; return r }, 0},
		{"acks=2", asLeader, func(n *node) *kmsg.ProduceRequest { r := good(n); r.Acks = 2; return r }, 21},
		{"acks=-2", asLeader, func(n *node) *kmsg.ProduceRequest { r := good(n); r.Acks = -2; return r }, 21},
		{"a transaction", asLeader, func(n *node) *kmsg.ProduceRequest { r := good(n); r.TransactionID = kmsg.StringPtr("x"); return r }, 48},
		{"a follower", asFollower, good, 6},
		{"v0", asLeader, func(n *node) *kmsg.ProduceRequest { return produceOf(n, 0, batchOf(1)) }, 35},
		{"v2", asLeader, func(n *node) *kmsg.ProduceRequest { return produceOf(n, 2, batchOf(1)) }, 35},
		{"v3", asLeader, func(n *node) *kmsg.ProduceRequest { return produceOf(n, 3, batchOf(1)) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t, c.status)
			got := n.produce(Normal, c.request(n))[0]
			if got.ErrorCode != c.want || (got.BaseOffset != -1) != (c.want == 0) {
				t.Errorf("got %+v, want error %d", got, c.want)
			}
		})
	}
}

func TestProduceNamesLeader(t *testing.T) {
	for _, c := range []struct {
		version   int16
		leader    int32
		named     int32
		endpoints int
	}{{9, 2, -1, 0}, {10, 2, 2, 1}, {13, 2, 2, 1}, {13, -1, -1, 0}} {
		n := newNode(t, shard.Status{Leader: c.leader, Epoch: 5})
		resp := askFor[*kmsg.ProduceResponse](n, Normal, produceOf(n, c.version, batchOf(1)))
		if got := resp.Topics[0].Partitions[0].CurrentLeader; got.LeaderID != c.named || c.named >= 0 && got.LeaderEpoch != 5 {
			t.Errorf("v%d, leader %d: named %+v", c.version, c.leader, got)
		}
		if len(resp.Brokers) != c.endpoints {
			t.Errorf("v%d, leader %d: endpoints %+v", c.version, c.leader, resp.Brokers)
		}
	}
}

func TestProduceWithoutAcks(t *testing.T) {
	for _, c := range []struct {
		name   string
		status shard.Status
		hangUp bool
	}{{"appended", asLeader, false}, {"refused", asFollower, true}} {
		n := newNode(t, c.status)
		r := produceOf(n, 12, batchOf(1))
		r.Acks = 0
		resp, hangUp := n.ask(t.Context(), Normal, r)
		if resp != nil || hangUp != c.hangUp {
			t.Errorf("%s: answer %v, hang up %v", c.name, resp, hangUp)
		}
		if hw := n.shard.Log(n.key(0)).HighWatermark(); (hw == 1) == c.hangUp {
			t.Errorf("%s: high watermark %d", c.name, hw)
		}
	}
}

// appends lets a test answer appends when it wants to.
type appends struct {
	ctx  []context.Context
	keys []partition.Key
	done []func(shard.AppendResult)
}

func (n *node) holdAppends() *appends {
	h := &appends{}
	n.shard.onAppend = func(ctx context.Context, k partition.Key, _ recordbatch.Batch, done func(shard.AppendResult)) {
		h.ctx, h.keys, h.done = append(h.ctx, ctx), append(h.keys, k), append(h.done, done)
		if done != nil {
			context.AfterFunc(ctx, func() { done(shard.AppendResult{BaseOffset: -1, Err: kerr.RequestTimedOut}) })
		}
	}
	return h
}

// start begins a produce request without waiting for it.
func (n *node) start(ctx context.Context, l Listener, body kmsg.Request, gone <-chan struct{}) Wait {
	n.t.Helper()
	frame := kmsg.NewRequestFormatter().AppendRequest(nil, body, 1)
	req, err := ParseRequest(frame[4:])
	if err != nil {
		n.t.Fatal(err)
	}
	req.Listener, req.Gone = l, gone
	wait, err := n.api.Start(ctx, req)
	if err != nil {
		n.t.Fatal(err)
	}
	return wait
}

// TestProduceStartsInOrder: pipelined requests reach the shard before the first
// is answered, in their order.
func TestProduceStartsInOrder(t *testing.T) {
	n := newNode(t, asLeader)
	h := n.holdAppends()
	first := n.start(t.Context(), Normal, produceOf(n, 12, batchOf(1), batchOf(1)), nil)
	n.start(t.Context(), Normal, produceOf(n, 12, batchOf(1)), nil)
	if got := []int32{h.keys[0].Partition, h.keys[1].Partition, h.keys[2].Partition}; !slices.Equal(got, []int32{0, 1, 0}) {
		t.Fatalf("appended to %v", got)
	}
	h.done[1](shard.AppendResult{BaseOffset: 8})
	h.done[0](shard.AppendResult{BaseOffset: 7, LogStart: 3})
	resp := first().(*kmsg.ProduceResponse)
	if p := resp.Topics[0].Partitions; p[0].BaseOffset != 7 || p[0].LogStartOffset != 3 || p[1].BaseOffset != 8 {
		t.Errorf("got %+v", p)
	}
}

func TestProduceTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, asLeader)
		n.holdAppends()
		began := time.Now()
		got := n.produce(Normal, produceOf(n, 12, batchOf(1)))[0]
		if took := time.Since(began); took != time.Second || got.ErrorCode != 7 || got.BaseOffset != -1 {
			t.Errorf("after %v: %+v", took, got)
		}
	})
}

// TestProduceOutlivesContext: a node that stops still answers for what commits,
// until the client is gone.
func TestProduceOutlivesContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, asLeader)
		h := n.holdAppends()
		ctx, stop := context.WithCancel(t.Context())
		wait := n.start(ctx, Normal, produceOf(n, 12, batchOf(1)), nil)
		stop()
		go func() {
			time.Sleep(500 * time.Millisecond)
			h.done[0](shard.AppendResult{BaseOffset: 4})
		}()
		if p := wait().(*kmsg.ProduceResponse).Topics[0].Partitions[0]; p.BaseOffset != 4 || p.ErrorCode != 0 {
			t.Errorf("got %+v", p)
		}

		gone := make(chan struct{})
		wait = n.start(t.Context(), Normal, produceOf(n, 12, batchOf(1)), gone)
		close(gone)
		began := time.Now()
		if wait(); time.Since(began) != 0 {
			t.Errorf("waited %v for nobody", time.Since(began))
		}
	})
}

func TestInitProducerID(t *testing.T) {
	n := newNode(t, asLeader)
	for version := int16(0); version <= 5; version++ {
		r := kmsg.NewPtrInitProducerIDRequest()
		r.Version = version
		if got := askFor[*kmsg.InitProducerIDResponse](n, Normal, r); got.ErrorCode != 0 || got.ProducerID != int64(version)+1 || got.ProducerEpoch != 0 {
			t.Errorf("v%d: %+v", version, got)
		}
		r.TransactionalID = kmsg.StringPtr("x")
		if got := askFor[*kmsg.InitProducerIDResponse](n, Normal, r); got.ErrorCode != 35 || got.ProducerID != -1 {
			t.Errorf("v%d, transactional: %+v", version, got)
		}
	}
	n.cluster.idErr = fmt.Errorf("propose: %w", kerr.NotLeaderForPartition)
	if got := askFor[*kmsg.InitProducerIDResponse](n, Normal, kmsg.NewPtrInitProducerIDRequest()); got.ErrorCode != 14 {
		t.Errorf("without a controller: %+v", got)
	}
}
