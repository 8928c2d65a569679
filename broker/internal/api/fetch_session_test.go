package api

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/shard"
)

// inSession is a fetch of a session, of the partitions given by offset.
func inSession(n *node, version int16, id, epoch int32, offsets map[int32]int64) *kmsg.FetchRequest {
	r := fetchOf(n, version)
	r.SessionID, r.SessionEpoch = id, epoch
	for p, o := range offsets {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch, rp.LastFetchedEpoch = p, o, 1<<20, -1, -1
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, rp)
	}
	if len(offsets) == 0 {
		r.Topics = nil
	}
	return r
}

func forgetting(n *node, r *kmsg.FetchRequest, partitions ...int32) *kmsg.FetchRequest {
	f := kmsg.NewFetchRequestForgottenTopic()
	f.Topic, f.TopicID, f.Partitions = n.topic.Name, n.topic.ID, partitions
	r.ForgottenTopics = append(r.ForgottenTopics, f)
	return r
}

// answered lists which partitions an answer holds, as a bit set.
func answered(resp *kmsg.FetchResponse) (set int) {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			set |= 1 << p.Partition
		}
	}
	return set
}

// TestSession walks through the life of one session; an answer in it holds what
// is new, and nothing else.
func TestSession(t *testing.T) {
	for _, version := range []int16{7, 11, 12, 13, 17} {
		n := newNode(t, asLeader)
		n.fill(0, 3)
		ask := func(id, epoch int32, offsets map[int32]int64, forget ...int32) *kmsg.FetchResponse {
			t.Helper()
			r := inSession(n, version, id, epoch, offsets)
			if len(forget) > 0 {
				forgetting(n, r, forget...)
			}
			return askFor[*kmsg.FetchResponse](n, Normal, r)
		}
		expect := func(what string, resp *kmsg.FetchResponse, id int32, set int) {
			t.Helper()
			if resp.ErrorCode != 0 || resp.SessionID != id || answered(resp) != set {
				t.Errorf("v%d %s: error %d, session %d, partitions %b; want session %d, partitions %b",
					version, what, resp.ErrorCode, resp.SessionID, answered(resp), id, set)
			}
		}

		first := ask(0, 0, map[int32]int64{0: 0, 1: 0, 2: 0})
		id := first.SessionID
		if id <= 0 {
			t.Fatalf("v%d: session %d", version, id)
		}
		expect("a new session answers for all", first, id, 0b111)
		expect("unread records come again", ask(id, 1, nil), id, 0b001)
		expect("the new offset", ask(id, 2, map[int32]int64{0: 3}), id, 0)
		n.fill(1, 2)
		expect("records in another", ask(id, 3, nil), id, 0b010)
		expect("read", ask(id, 4, map[int32]int64{1: 2}), id, 0)
		expect("one more partition", ask(id, 5, map[int32]int64{3: 0}), id, 0b1000)
		expect("an error", ask(id, 6, map[int32]int64{2: 77}), id, 0b100)
		expect("an error is always news", ask(id, 7, nil), id, 0b100)
		expect("and so is its end", ask(id, 8, map[int32]int64{2: 0}), id, 0b100)
		expect("quiet", ask(id, 9, nil), id, 0)
		n.fill(2, 1)
		n.fill(3, 1)
		expect("forgotten partitions are left out", ask(id, 10, nil, 3), id, 0b100)
		if version >= 8 {
			n.shard.set.AdvanceLogStart(n.key(0), 2)
			expect("the log start moves", ask(id, 11, map[int32]int64{2: 1}), id, 0b001)
		} else {
			ask(id, 11, map[int32]int64{2: 1})
		}

		if resp := ask(id, 11, nil); resp.ErrorCode != kerr.InvalidFetchSessionEpoch.Code || len(resp.Topics) != 0 {
			t.Errorf("v%d: a repeated epoch: %+v", version, resp)
		}
		if resp := ask(id+1, 12, nil); resp.ErrorCode != kerr.FetchSessionIDNotFound.Code {
			t.Errorf("v%d: an unknown session: %+v", version, resp)
		}
		expect("the end of the session", ask(id, -1, map[int32]int64{0: 3}), 0, 0b001)
		if resp := ask(id, 12, nil); resp.ErrorCode != kerr.FetchSessionIDNotFound.Code {
			t.Errorf("v%d: an ended session: %+v", version, resp)
		}
	}
}

func TestNoSession(t *testing.T) {
	n := newNode(t, asLeader)
	n.fill(0, 1)
	for _, r := range []*kmsg.FetchRequest{
		inSession(n, 12, 0, -1, map[int32]int64{0: 0, 1: 0}),
		inSession(n, 6, 0, 0, map[int32]int64{0: 0, 1: 0}),
	} {
		resp := askFor[*kmsg.FetchResponse](n, Normal, r)
		if resp.SessionID != 0 || answered(resp) != 0b11 {
			t.Errorf("v%d: session %d, partitions %b", r.Version, resp.SessionID, answered(resp))
		}
	}
	if len(n.api.sessions.byID) != 0 {
		t.Error("a session was kept")
	}
}

func TestSessionNamesOrIDs(t *testing.T) {
	n := newNode(t, asLeader)
	id := askFor[*kmsg.FetchResponse](n, Normal, inSession(n, 12, 0, 0, map[int32]int64{0: 0})).SessionID
	if resp := askFor[*kmsg.FetchResponse](n, Normal, inSession(n, 13, id, 1, nil)); resp.ErrorCode != kerr.FetchSessionTopicIDError.Code {
		t.Errorf("got %+v", resp)
	}
}

// TestSessionRedirects: a replica to go to instead is always told.
func TestSessionRedirects(t *testing.T) {
	n := newNode(t, asLeader)
	n.fill(0, 1)
	id := askFor[*kmsg.FetchResponse](n, Normal, inSession(n, 12, 0, 0, map[int32]int64{0: 1, 1: 0})).SessionID
	r := inRackOf(inSession(n, 12, id, 1, nil), "r2")
	resp := askFor[*kmsg.FetchResponse](n, Normal, r)
	if answered(resp) != 0b11 || resp.Topics[0].Partitions[0].PreferredReadReplica != 2 {
		t.Errorf("got %+v", resp)
	}
}

// TestSessionStartsParked waits for news of any partition of a session.
func TestSessionParks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, asFollower)
		id := askFor[*kmsg.FetchResponse](n, Normal, inSession(n, 12, 0, 0, map[int32]int64{0: 0, 1: 0})).SessionID
		go func() {
			time.Sleep(time.Second)
			n.fill(1, 1)
		}()
		began := time.Now()
		resp := askFor[*kmsg.FetchResponse](n, Normal, waiting(inSession(n, 12, id, 1, nil), time.Minute))
		if took := time.Since(began); took != time.Second || answered(resp) != 0b10 {
			t.Errorf("after %v: %+v", took, resp)
		}
	})
}

// TestSessionRotates serves all partitions in turn when an answer has room for
// one only.
func TestSessionRotates(t *testing.T) {
	n := newNode(t, asLeader)
	for p := range int32(4) {
		n.fill(p, 1, 1, 1, 1)
	}
	r := inSession(n, 12, 0, 0, map[int32]int64{0: 0, 1: 0, 2: 0, 3: 0})
	r.MaxBytes = 1
	resp := askFor[*kmsg.FetchResponse](n, Normal, r)
	served := map[int32]int{}
	for epoch := int32(1); epoch <= 8; epoch++ {
		for _, p := range resp.Topics[0].Partitions {
			if len(p.RecordBatches) > 0 {
				served[p.Partition]++
			}
		}
		r := inSession(n, 12, resp.SessionID, epoch, nil)
		r.MaxBytes = 1
		resp = askFor[*kmsg.FetchResponse](n, Normal, r)
	}
	for p := range int32(4) {
		if served[p] != 2 {
			t.Errorf("partition %d was served %d times: %v", p, served[p], served)
		}
	}
}

func TestSessionCache(t *testing.T) {
	c := newSessions()
	c.max = 2
	now := time.Unix(0, 0)
	open := func() *session {
		body := kmsg.NewPtrFetchRequest()
		body.Version, body.SessionEpoch = 12, 0
		topic := kmsg.NewFetchRequestTopic()
		topic.Partitions = append(topic.Partitions, kmsg.NewFetchRequestTopicPartition())
		body.Topics = append(body.Topics, topic)
		_, s, _, err := c.open(body, now)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := open(), open()
	if a == nil || b == nil || a.id == b.id {
		t.Fatalf("sessions %+v and %+v", a, b)
	}
	if s := open(); s != nil {
		t.Error("a session that is in use was thrown out")
	}
	now = now.Add(sessionKept)
	c.find(a.id, now)
	if s := open(); s == nil {
		t.Error("no session although one was idle")
	}
	if c.find(b.id, now) != nil || c.find(a.id, now) == nil {
		t.Error("the wrong session was thrown out")
	}
	a.epoch = math.MaxInt32
	body := kmsg.NewPtrFetchRequest()
	body.Version, body.SessionID, body.SessionEpoch = 12, a.id, math.MaxInt32
	if _, _, _, err := c.open(body, now); err != nil || a.epoch != 1 {
		t.Errorf("after the largest epoch: %d, %v", a.epoch, err)
	}
}

// TestSessionOverlap lets a client give up on a parked request and go on with
// the session on another connection.
func TestSessionOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, shard.Status{Leader: 2, Epoch: 5})
		n.fill(0, 1)
		id := askFor[*kmsg.FetchResponse](n, Normal, inSession(n, 12, 0, 0, map[int32]int64{0: 0})).SessionID
		done := make(chan struct{})
		go func() {
			defer close(done)
			askFor[*kmsg.FetchResponse](n, Normal, waiting(inSession(n, 12, id, 1, map[int32]int64{0: 1}), time.Minute))
		}()
		synctest.Wait()
		resp := askFor[*kmsg.FetchResponse](n, Normal, inSession(n, 12, id, 2, map[int32]int64{0: 0}))
		if answered(resp) != 1 || len(resp.Topics[0].Partitions[0].RecordBatches) == 0 {
			t.Errorf("got %+v", resp)
		}
		<-done
	})
}
