package api

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/shard"
)

// TestProduceForwards sends a request of the local-read listener where its
// partitions are led.
func TestProduceForwards(t *testing.T) {
	n := newNode(t, asFollower) // of node 2
	mine := newFakeShard(asLeader)
	lost := newFakeShard(shard.Status{Leader: -1})
	theirs := newFakeShard(shard.Status{Leader: 3, Epoch: 5})
	n.api.shards = append(n.api.shards, mine, lost, theirs)
	n.topic.Shards = []uint32{0, 1, 2, 3, 0}
	peers := map[int32]*node{}
	for _, id := range []int32{2, 3} {
		peers[id] = newNode(t, asLeader)
		peers[id].fill(0, int(id))
		peers[id].fill(4, 40)
	}
	n.api.Forward = func(ctx context.Context, to int32, frame []byte) ([]byte, error) {
		req, err := ParseRequest(frame)
		if err != nil {
			return nil, err
		}
		peer := peers[to]
		if peer == nil {
			return nil, fmt.Errorf("unreachable")
		}
		peer.topic.Shards = make([]uint32, 5)
		req.Listener = Peer
		wait, err := peer.api.Start(ctx, req)
		if err != nil {
			return nil, err
		}
		return AppendResponse(nil, req, wait()), nil
	}
	got := n.produce(Local, produceOf(n, 12, batchOf(1), batchOf(1), batchOf(1), batchOf(1), batchOf(1)))
	for i, want := range []struct {
		offset int64
		code   int16
	}{{2, 0}, {0, 0}, {-1, 6}, {0, 0}, {40, 0}} {
		if got[i].Partition != int32(i) || got[i].BaseOffset != want.offset || got[i].ErrorCode != want.code || got[i].CurrentLeader.LeaderID != -1 {
			t.Errorf("partition %d: %+v, want %+v", i, got[i], want)
		}
	}
	if hw := peers[3].shard.Log(n.key(3)).HighWatermark(); hw != 1 {
		t.Errorf("node 3 has %d records of partition 3", hw)
	}

	noAcks := produceOf(n, 12, batchOf(1))
	noAcks.Acks = 0
	resp, hangUp := n.ask(t.Context(), Local, noAcks)
	if hw := peers[2].shard.Log(n.key(0)).HighWatermark(); resp != nil || hangUp || hw != 4 {
		t.Errorf("acks=0: %v, %v, %d records", resp, hangUp, hw)
	}

	// A leader that does not answer, and one that has changed.
	delete(peers, 2)
	peers[3].shard.become(func(st *shard.Status) { st.Role, st.Leader = shard.Follower, 2 })
	got = n.produce(Local, produceOf(n, 12, batchOf(1), batchOf(1), batchOf(1), batchOf(1)))
	if got[0].ErrorCode != kerr.NetworkException.Code || got[1].ErrorCode != 0 || got[3].ErrorCode != 6 || got[3].CurrentLeader.LeaderID != -1 {
		t.Errorf("got %+v", got)
	}
	resp, hangUp = n.ask(t.Context(), Local, noAcks)
	if resp != nil || !hangUp {
		t.Errorf("acks=0 with an unreachable leader: %v, %v", resp, hangUp)
	}
}
