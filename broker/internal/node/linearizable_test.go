package node

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/config"
)

// session asks one node's local-read listener.
type session struct {
	t    testing.TB
	name string
	cl   *kgo.Client
}

func newSession(t testing.TB, name, address string) *session {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &session{t, name, cl}
}

// ask asks again as long as the answer is an error to be tried again, which is
// what a client does; the last code is returned when there was no other answer
// in time.
func (s *session) ask(req kmsg.Request, code func(kmsg.Response) int16) (kmsg.Response, int16) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 15*time.Second)
	defer cancel()
	last := int16(-1)
	for ctx.Err() == nil {
		resp, err := s.cl.SeedBrokers()[0].Request(ctx, req)
		if err != nil {
			continue
		}
		if last = code(resp); last == 0 {
			return resp, 0
		}
	}
	return nil, last
}

// latest is the log's end as this node tells it.
func (s *session) latest() int64 {
	s.t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = "t"
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Timestamp = -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, code := s.ask(req, func(r kmsg.Response) int16 { return r.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode })
	if code != 0 {
		s.t.Fatalf("%s: latest offset: error %d", s.name, code)
	}
	return resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].Offset
}

// fetchFrom asks for what there is from offset on, without waiting.
func fetchFrom(id [16]byte, offset int64) kmsg.Request {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.SessionEpoch = 1<<20, -1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = "t", id
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.FetchOffset, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = offset, 1<<20, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// highWatermark is what a fetch from offset tells, and how much comes with it.
func (s *session) highWatermark(id [16]byte, offset int64) (hw int64, bytes int) {
	s.t.Helper()
	resp, code := s.ask(fetchFrom(id, offset), func(r kmsg.Response) int16 { return r.(*kmsg.FetchResponse).Topics[0].Partitions[0].ErrorCode })
	if code != 0 {
		s.t.Fatalf("%s: fetch from %d: error %d", s.name, offset, code)
	}
	p := resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	return p.HighWatermark, len(p.RecordBatches)
}

// TestReadYourWrites writes through the leader, and reads what was acknowledged
// at once on every node's linearizable listener, while the leader changes.
func TestReadYourWrites(t *testing.T) {
	c := startThree(t, func(cfg *config.Config) { cfg.ListenerConsistency = map[string]string{"local": config.Linearizable} })
	writer, err := kgo.NewClient(kgo.SeedBrokers(c.cfgs[0].Listen), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	var sessions []*session
	for i, cfg := range c.cfgs {
		sessions = append(sessions, newSession(t, fmt.Sprintf("node %d", i+1), cfg.LocalListen))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const rounds, transferEvery = 120, 30
	var took time.Duration
	for n := int64(1); n <= rounds; n++ {
		if err := writer.ProduceSync(ctx, &kgo.Record{Value: []byte("x")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			for i := range c.nodes {
				c.until("every node knows the topic", func() bool { return len(c.nodes[i].view().Replicas) == 1 })
			}
		}
		var handing sync.WaitGroup
		if n%transferEvery == 0 { // while it is read
			first := c.replica(0)
			handing.Go(func() {
				if err := c.nodes[first.Leader-1].shards[first.Shard].Transfer(first.Leader%3 + 1); err != nil {
					t.Logf("transfer: %v", err)
				}
			})
		}
		began := time.Now()
		for _, s := range sessions {
			id := c.nodes[0].control.Topic("t").ID
			if got := s.latest(); got < n {
				t.Errorf("%s: latest is %d after %d writes", s.name, got, n)
			}
			if hw, bytes := s.highWatermark(id, n-1); hw < n || bytes == 0 {
				t.Errorf("%s: write %d is not there: high watermark %d, %d bytes", s.name, n, hw, bytes)
			}
		}
		took += time.Since(began)
		handing.Wait()
	}
	t.Logf("%v for a linearizable request, elections included", took/(rounds*6))
}

// TestNothingStaleWithoutAQuorum: with its peers gone, a node answers nothing
// on its linearizable listener, and goes on answering on the other.
func TestNothingStaleWithoutAQuorum(t *testing.T) {
	c := startThree(t, func(cfg *config.Config) {
		cfg.ListenerConsistency, cfg.Lease = map[string]string{"local": config.Linearizable}, time.Second
	})
	writer, err := kgo.NewClient(kgo.SeedBrokers(c.cfgs[0].Listen), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if err := writer.ProduceSync(t.Context(), &kgo.Record{Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c.until("node 1 has the record", func() bool { return len(c.nodes[0].view().Replicas) == 1 && c.replica(0).HighWatermark == 1 })
	id := c.nodes[0].control.Topic("t").ID
	c.stop(1)
	c.stop(2)
	fetch := func(address string) kmsg.FetchResponseTopicPartition {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		resp, err := newSession(t, address, address).cl.SeedBrokers()[0].Request(ctx, fetchFrom(id, 0))
		if err != nil {
			t.Fatal(err)
		}
		return resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	}
	if got := fetch(c.cfgs[0].LocalListen); got.ErrorCode != kerr.NotLeaderForPartition.Code || len(got.RecordBatches) != 0 {
		t.Errorf("linearizable: error %d, %d bytes", got.ErrorCode, len(got.RecordBatches))
	}
	if got := fetch(c.cfgs[0].Listen); got.ErrorCode != 0 || len(got.RecordBatches) == 0 {
		t.Errorf("committed: error %d, %d bytes", got.ErrorCode, len(got.RecordBatches))
	}
}
