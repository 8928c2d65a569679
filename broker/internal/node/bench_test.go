package node

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"lockstep/broker/internal/config"
)

// BenchmarkFollowerFetch is a fetch of one small record from a follower, by 1
// and by 64 readers with a connection each: what it costs to confirm each.
func BenchmarkFollowerFetch(b *testing.B) {
	for _, c := range []struct {
		name, consistency string
		readers           int
	}{
		{"committed/1", config.Committed, 1}, {"linearizable/1", config.Linearizable, 1},
		{"committed/64", config.Committed, 64}, {"linearizable/64", config.Linearizable, 64},
	} {
		b.Run(c.name, func(b *testing.B) {
			three := startThree(b, func(cfg *config.Config) { cfg.ReadConsistency = c.consistency })
			writer, err := kgo.NewClient(kgo.SeedBrokers(three.cfgs[0].Listen), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("t"))
			if err != nil {
				b.Fatal(err)
			}
			defer writer.Close()
			if err := writer.ProduceSync(b.Context(), &kgo.Record{Value: []byte("x")}).FirstErr(); err != nil {
				b.Fatal(err)
			}
			three.until("the topic is known", func() bool { return len(three.nodes[0].view().Replicas) == 1 })
			follower := three.replica(0).Leader % 3
			three.until("the follower has the record", func() bool {
				return len(three.nodes[follower].view().Replicas) == 1 && three.replica(int(follower)).HighWatermark == 1
			})
			id := three.nodes[0].control.Topic("t").ID
			sessions := make(chan *session, c.readers)
			for range c.readers {
				s := newSession(b, "reader", three.cfgs[follower].LocalListen)
				s.highWatermark(id, 0)
				sessions <- s
			}
			b.SetParallelism(c.readers)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					s := <-sessions
					s.highWatermark(id, 0)
					sessions <- s
				}
			})
		})
	}
}
