package api

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/partition"
)

// Fetch (key 1), versions 4 to 17.
//
// Any replica answers; how, is decided for each partition by decide
// (fetch_decide.go) from what this node knows. The request is answered as soon
// as one partition has something to say at once (an error, a replica to go to
// instead), or all together have min_bytes; else it is parked until its
// partitions change or max_wait ends. What a follower waits for is its own high
// watermark.
//
// Batches are sent whole, with the producer's bytes, from the one that contains
// the offset on; never above the high watermark, which is the last stable
// offset too, since there are no transactions. The first batch of an answer is
// sent even if it is larger than the limits allow.
//
// Versions before 4 could not carry the stored format: every partition is
// answered with UNSUPPORTED_VERSION. 5 adds the log start offset; 7 incremental
// sessions (fetch_session.go); 9 the leader epoch that the client knows
// (KIP-320); 10 zstd; 11 the client's rack and the preferred replica (KIP-392);
// 12 is flexible, and names the current leader and diverging epochs in tags; 13
// has topic ids instead of names; 16 brings the endpoints of the leaders named
// (KIP-951).
func init() {
	register(kmsg.Fetch, 4, 17, later((*API).fetch), refuseWith((*API).refuseFetch))
}

const (
	// maxFetchBytes bounds an answer, whatever the client asks for.
	maxFetchBytes = 55 << 20
	// epochPatience bounds the wait for an epoch that the client knows already.
	epochPatience = time.Second
	// lookAgain is how often a parked request checks what no change announces:
	// that the leader has gone silent, or that patience is at an end.
	lookAgain = 500 * time.Millisecond
)

// fetching is one Fetch request on its way to an answer.
type fetching struct {
	a     *API
	req   *Request
	body  *kmsg.FetchRequest
	parts []*fetched

	began    time.Time
	deadline time.Time // of max_wait
}

// fetched is one partition of it.
type fetched struct {
	want  *wanted
	where place        // shard is nil if there is no such partition
	log   partitionLog // likewise
	err   error        // why there is none, or none that can be answered from

	better int32 // see situation; looked for once
	sought bool  // better was looked for

	resp     kmsg.FetchResponseTopicPartition
	records  partition.Records // of resp
	diverges bool
	leading  bool // when resp was made
	timed    bool // the passing of time can change resp
}

func (a *API) fetch(ctx context.Context, req *Request, body *kmsg.FetchRequest) kmsg.Response {
	resp := body.ResponseKind().(*kmsg.FetchResponse)
	now := time.Now()
	want, s, incremental, err := a.sessions.open(body, now)
	if err != nil {
		resp.ErrorCode = a.code(req, err)
		return resp
	}
	f := &fetching{a: a, req: req, body: body, began: now}
	f.deadline = now.Add(time.Duration(max(body.MaxWaitMillis, 0)) * time.Millisecond)
	for _, w := range want {
		f.parts = append(f.parts, f.find(w))
	}
	f.confirm(ctx)
	f.run(ctx)

	answers := f.parts
	if s != nil {
		resp.SessionID = s.id
		answers = s.tell(f.parts, incremental)
	}
	return f.fill(resp, answers)
}

// find looks a partition up.
func (f *fetching) find(w *wanted) *fetched {
	p := &fetched{want: w, better: -1}
	t, err := f.a.topicNamed(w.name.topic)
	if f.body.Version >= 13 {
		t, err = f.a.topicWithID(w.name.id)
	}
	if err == nil {
		p.where, err = f.a.placeOf(t, w.name.partition)
	}
	if p.err = err; err == nil {
		p.log = p.where.log()
	}
	return p
}

// gone reports whether the topic was deleted since find.
func (f *fetching) gone(p *fetched) error {
	if f.a.cluster.TopicByID(p.where.key.Topic) != nil {
		return nil
	}
	if f.body.Version >= 13 {
		return kerr.UnknownTopicID
	}
	return kerr.UnknownTopicOrPartition
}

// run answers every partition, and again after every change, until the request
// as a whole can be answered.
func (f *fetching) run(ctx context.Context) {
	if f.pass(ctx) {
		return
	}
	w := partition.NewWatcher()
	for _, p := range f.parts {
		if p.log != nil {
			p.log.Watch(w)
			defer p.log.Unwatch(w)
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	// The first pass after the watch began sees what had changed before it.
	for !f.pass(ctx) {
		timer.Reset(f.untilNextLook())
		select {
		case <-w.C():
		case <-timer.C:
		case <-ctx.Done():
			return
		}
	}
}

// untilNextLook is how long to wait for a change at most.
func (f *fetching) untilNextLook() time.Duration {
	d := time.Until(f.deadline)
	for _, p := range f.parts {
		if p.timed {
			return min(d, lookAgain)
		}
	}
	return d
}

// pass answers every partition with what there is now, and reports whether
// that is to be sent.
func (f *fetching) pass(ctx context.Context) (done bool) {
	now := time.Now()
	room := min(int(f.body.MaxBytes), maxFetchBytes)
	got, atOnce := 0, false
	for _, p := range f.parts {
		if f.answer(p, now, room-got, got == 0) {
			atOnce = true
		}
		got += p.records.Bytes
	}
	return atOnce || got >= min(int(f.body.MinBytes), room) || len(f.parts) == 0 || !now.Before(f.deadline) || ctx.Err() != nil
}

// refuseFetch answers versions 0 to 3.
func (a *API) refuseFetch(req *Request) kmsg.Response {
	body, ok := req.Body.(*kmsg.FetchRequest)
	if !ok {
		return nil // a version that is not known here at all
	}
	f := &fetching{a: a, req: req, body: body}
	for _, w := range wantedIn(body) {
		p := &fetched{want: w}
		f.refuse(p, kerr.UnsupportedVersion)
		f.parts = append(f.parts, p)
	}
	resp := body.ResponseKind().(*kmsg.FetchResponse)
	return f.fill(resp, f.parts)
}
