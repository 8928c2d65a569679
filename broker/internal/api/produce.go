package api

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/recordbatch"
	"lockstep/broker/internal/shard"
)

// Produce (key 0), versions 3 to 13; advertised from 0, since older librdkafka
// takes a minimum of 3 for a broker without compression. Versions 0 to 2 carry
// message formats that are not stored here: every partition is answered with
// UNSUPPORTED_VERSION.
//
// Each partition carries exactly one record batch, which is checked
// (produce_check.go) and handed to the shard that leads the partition as the
// request arrives, so that pipelined requests keep their order. acks=1 is
// answered like acks=all, once the batch is committed; acks=0 is not answered,
// but a failure that is known at once closes the connection, as Apache Kafka
// does to make the client look for new metadata. A batch that is not committed
// within the request's timeout is REQUEST_TIMED_OUT, and may be committed
// nevertheless.
//
// On the local-read listener, whatever another node leads is forwarded to it
// (produce_local.go).
//
// Version 5 adds the log start offset to the answer; 8 a message beside the
// error; 9 is flexible; 10 names the current leader beside
// NOT_LEADER_OR_FOLLOWER (KIP-951); 13 has topic ids instead of names.
func init() {
	register(kmsg.Produce, 3, 13, (*API).startProduce, advertiseFrom(0), refuseWith((*API).refuseProduce))
}

// maxProduceTimeout bounds the timeout that a client may ask for.
const maxProduceTimeout = 5 * time.Minute

// produced is one partition of a Produce request.
type produced struct {
	topic     int // position in the request
	partition int32
	batch     recordbatch.Batch // not to be looked at once it is appended
	records   int32             // in batch
	bytes     int               // likewise
	where     place
	forwarded bool // another node appends it
	result    shard.AppendResult
}

// produce is a Produce request that is being answered.
type produce struct {
	a     *API
	req   *Request
	body  *kmsg.ProduceRequest
	parts []*produced

	holders atomic.Int32  // who still need the request's frame: appends, and 1 until all are under way
	unknown atomic.Int32  // appends and forwards whose result is not known, and 1 until all are under way
	known   chan struct{} // closed when unknown gets to 0
}

// startProduce checks and appends everything; on the local-read listener the
// answer's turn comes first, for what is forwarded must not overtake itself.
func (a *API) startProduce(ctx context.Context, req *Request) Wait {
	p := &produce{a: a, req: req, body: req.Body.(*kmsg.ProduceRequest), known: make(chan struct{})}
	p.unknown.Store(1)
	p.holders.Store(1)
	if req.Listener == Local {
		return func() kmsg.Response { return p.local(ctx) }
	}
	p.collect()
	ctx, cancel := p.bounded(ctx)
	p.append(ctx)
	p.free()
	p.countDown()
	return func() kmsg.Response {
		defer cancel()
		p.wait(cancel)
		p.awaitLeaders(ctx)
		return p.response()
	}
}

// bounded returns the context of the appends. It outlives the request's own: a
// node that stops, for one, is no reason to stop waiting for a commit.
func (p *produce) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx = context.WithoutCancel(ctx)
	timeout := time.Duration(p.body.TimeoutMillis) * time.Millisecond
	return context.WithTimeout(ctx, min(max(timeout, time.Millisecond), maxProduceTimeout))
}

// collect finds and checks the partitions of the request.
func (p *produce) collect() {
	refusal := p.refusal()
	for i := range p.body.Topics {
		rt := &p.body.Topics[i]
		t, topicErr := p.findTopic(rt)
		for j := range rt.Partitions {
			rp := &rt.Partitions[j]
			part := &produced{topic: i, partition: rp.Partition}
			part.result = shard.AppendResult{BaseOffset: -1, LogStart: -1, Err: firstError(refusal, topicErr)}
			if part.result.Err == nil {
				part.where, part.result.Err = p.a.placeOf(t, rp.Partition)
			}
			if part.result.Err == nil {
				part.batch, part.result.Err = checkProduced(rp.Records, p.body.Version, p.a.maxMessageBytes(t))
			}
			if part.result.Err == nil {
				part.records, part.bytes = part.batch.NumRecords(), len(part.batch)
			}
			p.parts = append(p.parts, part)
		}
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// refusal is what is wrong with the request as a whole.
func (p *produce) refusal() error {
	switch {
	case p.body.Acks < -1 || p.body.Acks > 1:
		return fmt.Errorf("acks is %d, not 0, 1 or -1: %w", p.body.Acks, kerr.InvalidRequiredAcks)
	case p.body.TransactionID != nil:
		return errTransactional
	}
	return nil
}

func (p *produce) findTopic(rt *kmsg.ProduceRequestTopic) (*controller.Topic, error) {
	if p.body.Version >= 13 {
		return p.a.topicWithID(rt.TopicID)
	}
	return p.a.topicNamed(rt.Topic)
}

// append hands over every partition in which nothing is wrong so far.
func (p *produce) append(ctx context.Context) {
	for _, part := range p.parts {
		if part.forwarded || part.result.Err != nil {
			continue
		}
		if part.where.shard.Status().Role != shard.Leader {
			part.result.Err = kerr.NotLeaderForPartition
			continue
		}
		p.holders.Add(1)
		if p.body.Acks == 0 {
			// Nobody waits, so nothing but the shard bounds the time.
			part.where.shard.Append(context.WithoutCancel(ctx), part.where.key, part.batch, nil, p.free)
			continue
		}
		p.unknown.Add(1)
		part.where.shard.Append(ctx, part.where.key, part.batch, func(r shard.AppendResult) {
			part.result = r
			p.countDown()
		}, p.free)
	}
}

// free gives the request's frame back when nobody needs it any more.
func (p *produce) free() {
	if p.holders.Add(-1) == 0 && p.req.Recycle != nil {
		p.req.Recycle()
	}
}

func (p *produce) countDown() {
	if p.unknown.Add(-1) == 0 {
		close(p.known)
	}
}

// wait returns when all results are known. When nobody wants them any more it
// ends the appends' context, which makes them known soon.
func (p *produce) wait(cancel context.CancelFunc) {
	select {
	case <-p.known:
	case <-p.req.Gone:
		cancel()
		<-p.known
	}
}

// awaitLeaders keeps an answer that says "not me" until it can say who. Where
// nothing is answered, closing the connection at once is what helps.
func (p *produce) awaitLeaders(ctx context.Context) {
	if p.body.Acks == 0 {
		return
	}
	for _, part := range p.parts {
		if part.where.shard != nil && errors.Is(part.result.Err, kerr.NotLeaderForPartition) {
			part.where.shard.AwaitLeader(ctx)
		}
	}
}

// response builds the answer from the results; nil for acks=0.
func (p *produce) response() kmsg.Response {
	resp := p.body.ResponseKind().(*kmsg.ProduceResponse)
	for _, rt := range p.body.Topics {
		t := kmsg.NewProduceResponseTopic()
		t.Topic, t.TopicID = rt.Topic, rt.TopicID
		resp.Topics = append(resp.Topics, t)
	}
	leaders := leaderSet{}
	failed := false
	for _, part := range p.parts {
		rp := p.partitionResponse(part, leaders)
		failed = failed || rp.ErrorCode != 0
		t := &resp.Topics[part.topic]
		t.Partitions = append(t.Partitions, rp)
	}
	if p.body.Acks == 0 {
		p.req.HangUp = failed
		return nil
	}
	if p.body.Version >= 10 {
		for _, b := range p.a.endpointsOf(leaders, p.req.Listener) {
			rb := kmsg.NewProduceResponseBroker()
			rb.NodeID, rb.Host, rb.Port, rb.Rack = b.ID, b.Client.Host, b.Client.Port, optional(b.Rack)
			resp.Brokers = append(resp.Brokers, rb)
		}
	}
	return resp
}

func (p *produce) partitionResponse(part *produced, leaders leaderSet) kmsg.ProduceResponseTopicPartition {
	rp := kmsg.NewProduceResponseTopicPartition()
	rp.Partition = part.partition
	rp.BaseOffset, rp.LogStartOffset = part.result.BaseOffset, part.result.LogStart
	err := part.result.Err
	if err == nil && part.forwarded {
		return rp // counted where it was appended
	}
	if err == nil {
		p.a.Metrics.ProduceRecords.Add(float64(part.records))
		p.a.Metrics.ProduceBytes.Add(float64(part.bytes))
		return rp
	}
	rp.BaseOffset = -1
	rp.ErrorCode, rp.ErrorMessage = p.a.code(p.req, err), message(err)
	if errors.Is(err, kerr.NotLeaderForPartition) && part.where.shard != nil {
		if st := part.where.shard.Status(); st.Leader >= 0 && p.body.Version >= 10 {
			rp.CurrentLeader.LeaderID, rp.CurrentLeader.LeaderEpoch = st.Leader, st.Epoch
			leaders.add(st.Leader)
		}
	}
	return rp
}

// refuseProduce answers versions 0 to 2.
func (a *API) refuseProduce(req *Request) kmsg.Response {
	body, ok := req.Body.(*kmsg.ProduceRequest)
	if !ok {
		return nil // a version that is not known here at all
	}
	p := &produce{a: a, req: req, body: body}
	for i, rt := range body.Topics {
		for _, rp := range rt.Partitions {
			p.parts = append(p.parts, &produced{
				topic: i, partition: rp.Partition,
				result: shard.AppendResult{BaseOffset: -1, LogStart: -1, Err: kerr.UnsupportedVersion},
			})
		}
	}
	return p.response()
}
