package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"lockstep/broker/internal/api"
	"lockstep/broker/internal/server"
)

// trio is three nodes that serve on loopback.
type trio struct {
	*api.Trio
	servers       [3]*server.Server
	normal, local [3]string // addresses
}

func serve(t *testing.T) *trio {
	t.Helper()
	c := &trio{Trio: api.NewTrio(t)}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{}, 3)
	for i, a := range c.Nodes {
		a.Config.Listen, a.Config.LocalListen = "127.0.0.1:0", "127.0.0.1:0"
		s := server.New(server.Options{API: a, Config: a.Config, Metrics: a.Metrics, Log: slog.New(slog.DiscardHandler)})
		if err := s.Listen(); err != nil {
			t.Fatal(err)
		}
		c.servers[i] = s
		c.normal[i], c.local[i] = s.Addr(api.Normal).String(), s.Addr(api.Local).String()
		c.Advertise(int32(i+1), s.Addr(api.Normal), s.Addr(api.Local))
	}
	c.SetForward(func(ctx context.Context, to int32, request []byte) ([]byte, error) {
		return c.servers[to-1].Dispatch(ctx, request)
	})
	for _, s := range c.servers {
		go func() {
			s.Run(ctx)
			ended <- struct{}{}
		}()
	}
	t.Cleanup(func() {
		stop()
		for range c.servers {
			<-ended
		}
	})
	return c
}

// served is how many records a node has served in a role.
func (c *trio) served(t *testing.T, id int, role string) int {
	t.Helper()
	var m dto.Metric
	if err := c.Nodes[id-1].Metrics.FetchRecords.WithLabelValues(role).Write(&m); err != nil {
		t.Fatal(err)
	}
	return int(m.GetCounter().GetValue())
}

func newClient(t *testing.T, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func record(p, i int) *kgo.Record {
	return &kgo.Record{Topic: "t", Partition: int32(p), Value: fmt.Appendf(nil, "record %d of %d", i, p)}
}

// produce writes n records to each partition, the first numbered from.
func produce(t *testing.T, cl *kgo.Client, from, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var records []*kgo.Record
	for i := range n {
		for p := range 4 {
			records = append(records, record(p, from+i))
		}
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func producer(t *testing.T, address string) *kgo.Client {
	return newClient(t, kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.SnappyCompression()))
}

// fromStart consumes all partitions from the beginning.
func fromStart(address string, options ...kgo.Opt) []kgo.Opt {
	start := map[int32]kgo.Offset{}
	for p := range int32(4) {
		start[p] = kgo.NewOffset().AtStart()
	}
	return append([]kgo.Opt{kgo.SeedBrokers(address), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": start})}, options...)
}

// reader checks that every partition's records come in order and complete.
type reader struct {
	t    *testing.T
	cl   *kgo.Client
	next [4]int
}

// until reads on until each partition has n records.
func (r *reader) until(n int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	for r.next != [4]int{n, n, n, n} {
		fetches := r.cl.PollFetches(ctx)
		if ctx.Err() != nil {
			r.t.Fatalf("got %v records of %d", r.next, n)
		}
		fetches.EachError(func(_ string, p int32, err error) { r.t.Errorf("partition %d: %v", p, err) })
		fetches.EachRecord(func(got *kgo.Record) {
			want := record(int(got.Partition), r.next[got.Partition])
			if got.Offset != int64(r.next[got.Partition]) || string(got.Value) != string(want.Value) {
				r.t.Fatalf("partition %d: offset %d is %q, want %q", got.Partition, got.Offset, got.Value, want.Value)
			}
			r.next[got.Partition]++
		})
	}
}

// TestClientReadsFromFollower: with a rack, everything comes from the follower
// there.
func TestClientReadsFromFollower(t *testing.T) {
	c := serve(t)
	p := producer(t, c.normal[1])
	produce(t, p, 0, 500)
	r := &reader{t: t, cl: newClient(t, fromStart(c.normal[0], kgo.Rack("r3"))...)}
	r.until(500)
	produce(t, p, 500, 500)
	r.until(1000)
	if got := c.served(t, 3, "follower"); got != 4000 {
		t.Errorf("the follower served %d records, the leader %d", got, c.served(t, 1, "leader"))
	}
}

// TestClientIsSentBack: a follower that lags sends its readers to the leader,
// who does not believe it, and they get on there.
func TestClientIsSentBack(t *testing.T) {
	c := serve(t)
	p := producer(t, c.normal[0])
	produce(t, p, 0, 100)
	r := &reader{t: t, cl: newClient(t, fromStart(c.normal[0], kgo.Rack("r3"))...)}
	r.until(100)
	c.Lag(3, true)
	produce(t, p, 100, 100)
	r.until(200)
	if got := c.served(t, 1, "leader"); got != 400 {
		t.Errorf("the leader served %d records, the follower %d", got, c.served(t, 3, "follower"))
	}
}

// TestClientFollowsLeader: a change of leader is seen through by a consumer
// and a producer.
func TestClientFollowsLeader(t *testing.T) {
	for _, rack := range []string{"", "r3"} {
		t.Run("rack "+rack, func(t *testing.T) {
			c := serve(t)
			p := producer(t, c.normal[0])
			produce(t, p, 0, 50)
			r := &reader{t: t, cl: newClient(t, fromStart(c.normal[0], kgo.Rack(rack))...)}
			r.until(50)
			for i, leader := range []int32{2, 3, 1} {
				c.Lead(leader)
				produce(t, p, 50+50*i, 50)
				r.until(100 + 50*i)
			}
		})
	}
}

// TestClientOfLocalListener knows one follower only, and reads and writes.
func TestClientOfLocalListener(t *testing.T) {
	c := serve(t)
	p := producer(t, c.local[1])
	produce(t, p, 0, 100)
	r := &reader{t: t, cl: newClient(t, fromStart(c.local[1])...)}
	r.until(100)
	c.Lead(3)
	produce(t, p, 100, 100)
	r.until(200)
	if got := c.served(t, 2, "follower"); got != 800 {
		t.Errorf("the follower served %d records", got)
	}
}

// TestClientSeesErrors: a producer is told what is wrong with its records.
func TestClientSeesErrors(t *testing.T) {
	c := serve(t)
	for _, a := range c.Nodes {
		a.Config.MaxMessageBytes = 1000
	}
	p := producer(t, c.normal[0])
	big := &kgo.Record{Topic: "t", Value: make([]byte, 5000), Headers: []kgo.RecordHeader{{Key: "x", Value: []byte("y")}}}
	for i := range big.Value {
		big.Value[i] = byte(i * i >> 3) // not to be compressed away
	}
	if err := p.ProduceSync(t.Context(), big).FirstErr(); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("a large record: %v", err)
	}
	tx := newClient(t, kgo.SeedBrokers(c.normal[0]), kgo.TransactionalID("x"))
	if err := tx.BeginTransaction(); err == nil {
		if err = tx.ProduceSync(t.Context(), record(0, 0)).FirstErr(); err == nil {
			t.Error("a transaction was begun")
		}
	}
}
