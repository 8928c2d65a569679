package api

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/shard"
)

// On the local-read listener a client sends everything to this node. What
// other nodes lead is forwarded, one request for each leader, all at a time.
// Each connection has one request under way: two forwarded to the same leader
// could overtake each other.

// local answers a Produce request of the local-read listener.
func (p *produce) local(ctx context.Context) kmsg.Response {
	p.collect()
	ctx, cancel := p.bounded(ctx)
	defer cancel()

	for leader, parts := range p.splitByLeader() {
		p.unknown.Add(1)
		go func() {
			defer p.countDown()
			p.forward(ctx, leader, parts)
		}()
	}
	p.append(ctx)
	p.countDown()
	p.wait(cancel)
	resp := p.response()
	if r, ok := resp.(*kmsg.ProduceResponse); ok {
		hideLeaders(r)
	}
	return resp
}

// splitByLeader returns what other nodes lead. What this node leads, and what
// nobody does, is left to append.
func (p *produce) splitByLeader() map[int32][]*produced {
	split := map[int32][]*produced{}
	for _, part := range p.parts {
		if part.result.Err != nil {
			continue
		}
		leader := part.where.shard.Status().Leader
		if leader < 0 || leader == p.a.Config.NodeID {
			continue
		}
		part.forwarded, part.result.Err = true, errNoAnswer
		split[leader] = append(split[leader], part)
	}
	return split
}

// errNoAnswer is the result of a part that the other node's answer left out.
var errNoAnswer = fmt.Errorf("forwarded, and no answer came: %w", kerr.NetworkException)

// forward has leader append parts, whose results it sets.
func (p *produce) forward(ctx context.Context, leader int32, parts []*produced) {
	body := kmsg.NewPtrProduceRequest()
	body.Version, body.TimeoutMillis = p.body.Version, p.body.TimeoutMillis
	body.Acks = -1 // also for acks=0: the answer tells whether it went well
	index := map[int]int{}
	for _, part := range parts {
		i, ok := index[part.topic]
		if !ok {
			i = len(body.Topics)
			index[part.topic] = i
			t := kmsg.NewProduceRequestTopic()
			t.Topic, t.TopicID = p.body.Topics[part.topic].Topic, p.body.Topics[part.topic].TopicID
			body.Topics = append(body.Topics, t)
		}
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = part.partition, part.batch
		body.Topics[i].Partitions = append(body.Topics[i].Partitions, rp)
	}
	resp, err := p.a.forwardTo(ctx, leader, p.req, body)
	if err != nil {
		for _, part := range parts {
			part.result.Err = fmt.Errorf("%w: %w", kerr.NetworkException, err)
		}
		return
	}
	results := map[int]map[int32]shard.AppendResult{}
	for i, rt := range resp.(*kmsg.ProduceResponse).Topics {
		results[i] = map[int32]shard.AppendResult{}
		for _, rp := range rt.Partitions {
			results[i][rp.Partition] = shard.AppendResult{
				BaseOffset: rp.BaseOffset, LogStart: rp.LogStartOffset, Err: kerr.ErrorForCode(rp.ErrorCode),
			}
		}
	}
	for _, part := range parts {
		if r, ok := results[index[part.topic]][part.partition]; ok {
			part.result = r
		}
	}
}

// hideLeaders takes out who leads: to this client, this node does, and there
// is nobody else to turn to.
func hideLeaders(resp *kmsg.ProduceResponse) {
	resp.Brokers = nil
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			resp.Topics[i].Partitions[j].CurrentLeader = kmsg.NewProduceResponseTopicPartitionCurrentLeader()
		}
	}
}
