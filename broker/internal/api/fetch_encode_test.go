package api

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/partition"
)

// TestEncodeStreamed: what is sent in pieces is what kmsg would have sent as a
// whole, in every version.
func TestEncodeStreamed(t *testing.T) {
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		return b
	}
	for version := int16(4); version <= 17; version++ {
		for round := range 20 {
			whole := kmsg.NewPtrFetchResponse()
			whole.Version, whole.ThrottleMillis, whole.SessionID, whole.ErrorCode = version, 3, 77, 0
			if version >= 16 && round%2 == 0 {
				whole.Brokers = []kmsg.FetchResponseBroker{{NodeID: 3, Host: "host", Port: 9, Rack: kmsg.StringPtr("r")}}
			}
			s := &streamed{records: map[partAt][]partition.Part{}}
			pieces := *whole
			for i := range 1 + round%4*60 {
				topic := kmsg.NewFetchResponseTopic()
				topic.Topic, topic.TopicID = "topic", [16]byte{1, 2, byte(i)}
				bare := topic
				for j := range rand.IntN(4) {
					p := kmsg.NewFetchResponseTopicPartition()
					p.Partition, p.HighWatermark, p.LastStableOffset, p.LogStartOffset = int32(j), 1<<40, 1<<40, 7
					p.RecordBatches = []byte{}
					empty := p
					switch rand.IntN(4) {
					case 0: // in two pieces
						one, two := random(100+rand.IntN(300)), random(1+rand.IntN(20000))
						p.RecordBatches = bytes.Join([][]byte{one, two}, nil)
						s.records[partAt{i, j}] = []partition.Part{{Data: one}, {Data: two}}
					case 1: // small or large, in memory
						p.RecordBatches = random(1 + rand.IntN(10000))
						empty = p
					case 2:
						p.ErrorCode, p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = 6, 2, 5
						p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
						empty = p
					}
					topic.Partitions, bare.Partitions = append(topic.Partitions, p), append(bare.Partitions, empty)
				}
				whole.Topics, pieces.Topics = append(whole.Topics, topic), append(pieces.Topics, bare)
			}
			s.FetchResponse = &pieces
			req := &Request{Version: version, CorrelationID: 42}
			chunks, _, length := Encode([]byte("len:"), req, s)
			var got []byte
			for _, c := range chunks {
				got = append(got, c.Bytes...)
			}
			if want := AppendResponse([]byte("len:"), req, whole); !bytes.Equal(got, want) || length != len(want) {
				t.Fatalf("version %d, round %d: %d bytes of %d announced differ from %d", version, round, len(got), length, len(want))
			}
		}
	}
}
