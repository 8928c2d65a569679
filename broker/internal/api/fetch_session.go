package api

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/partition"
)

// Incremental fetch sessions (KIP-227): a client names its partitions once and
// afterwards only what changes; an answer within a session leaves out the
// partitions that have nothing new. A session belongs to no connection: its id
// is all a client needs to go on. The client counts its requests in the
// session's epoch, so that both sides notice when one of them has missed
// something; then the client begins a new session.

const (
	maxSessions = 1000
	// A session that was used more recently is not thrown out for a new one,
	// whose client then has to do without.
	sessionKept = 2 * time.Minute

	noSession    int32 = 0  // session id: none
	finalEpoch   int32 = -1 // session epoch: no session, and an end to the one named
	initialEpoch int32 = 0  // session epoch: begin a session
)

// partitionName is how a client names a partition in Fetch: by the topic's
// name until version 12, by its id from 13 on. The other is zero.
type partitionName struct {
	topic     string
	id        partition.TopicID
	partition int32
}

// wanted is what a client wants of one partition. In a session, it also holds
// what the client was last told.
type wanted struct {
	name        partitionName
	offset      int64
	maxBytes    int32
	epoch       int32 // the leader's, as the client knows it; -1 when it does not say
	lastFetched int32 // epoch of the record before offset; -1 when it does not say

	toldHighWatermark int64 // -1: whatever comes is news
	toldLogStart      int64

	kept *wanted // in the copy that a request works on: the session's own
}

// copied is a copy for a request to work on: a client that gives up waiting for
// an answer may go on with the session while the old request still runs.
func (w *wanted) copied() *wanted {
	c := *w
	c.kept = w
	return &c
}

// update takes over what a request says of a partition that is in the session.
func (w *wanted) update(to *wanted) {
	w.offset, w.maxBytes, w.epoch, w.lastFetched = to.offset, to.maxBytes, to.epoch, to.lastFetched
}

// session is one client's view of what it fetches.
type session struct {
	id     int32
	useIDs bool // topics are named by id
	used   time.Time

	mu    sync.Mutex // guards what follows
	epoch int32      // of the next request
	parts []*wanted  // in the order in which they are served next
	index map[partitionName]*wanted
}

// sessions is the cache of all sessions.
type sessions struct {
	mu   sync.Mutex // guards byID and the sessions' used
	byID map[int32]*session
	max  int
}

func newSessions() *sessions { return &sessions{byID: map[int32]*session{}, max: maxSessions} }

// open decides what a request fetches: the partitions, the session that the
// answer belongs to (nil: none) and whether the answer may leave out what has
// not changed. The error is the whole answer's.
func (c *sessions) open(body *kmsg.FetchRequest, now time.Time) (parts []*wanted, s *session, incremental bool, err error) {
	if body.Version < 7 || body.SessionEpoch == finalEpoch || body.SessionEpoch == initialEpoch {
		parts = wantedIn(body)
		if body.Version < 7 {
			return parts, nil, false, nil
		}
		c.end(body.SessionID)
		if body.SessionEpoch == finalEpoch || len(parts) == 0 {
			return parts, nil, false, nil
		}
		s = c.begin(parts, body.Version >= 13, now)
		return copies(parts), s, false, nil
	}
	s = c.find(body.SessionID, now)
	if s == nil {
		return nil, nil, false, kerr.FetchSessionIDNotFound
	}
	parts, err = s.next(body)
	return parts, s, true, err
}

// find returns a session and marks it as used.
func (c *sessions) find(id int32, now time.Time) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.byID[id]
	if s != nil {
		s.used = now
	}
	return s
}

func (c *sessions) end(id int32) {
	if id == noSession {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byID, id)
}

// begin returns a new session, or nil when there is no place for one.
func (c *sessions) begin(parts []*wanted, useIDs bool, now time.Time) *session {
	s := &session{useIDs: useIDs, used: now, epoch: initialEpoch + 1, parts: parts, index: make(map[partitionName]*wanted, len(parts))}
	for _, w := range parts {
		s.index[w.name] = w
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.byID) >= c.max && !c.evict(now) {
		return nil
	}
	for s.id == noSession || c.byID[s.id] != nil {
		s.id = rand.Int32N(math.MaxInt32)
	}
	c.byID[s.id] = s
	return s
}

// evict throws out the session that was not used for longest.
func (c *sessions) evict(now time.Time) bool {
	var oldest *session
	for _, s := range c.byID {
		if oldest == nil || s.used.Before(oldest.used) {
			oldest = s
		}
	}
	if oldest == nil || now.Sub(oldest.used) < sessionKept {
		return false
	}
	delete(c.byID, oldest.id)
	return true
}

// next applies a request to the session and returns all its partitions.
func (s *session) next(body *kmsg.FetchRequest) ([]*wanted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if body.SessionEpoch != s.epoch {
		return nil, kerr.InvalidFetchSessionEpoch
	}
	if s.useIDs != (body.Version >= 13) {
		return nil, kerr.FetchSessionTopicIDError
	}
	if s.epoch++; s.epoch < 0 {
		s.epoch = initialEpoch + 1
	}
	for _, w := range wantedIn(body) {
		if known := s.index[w.name]; known != nil {
			known.update(w)
			continue
		}
		s.index[w.name] = w
		s.parts = append(s.parts, w)
	}
	s.forget(body)
	return copies(s.parts), nil
}

func copies(parts []*wanted) []*wanted {
	c := make([]*wanted, len(parts))
	for i, w := range parts {
		c[i] = w.copied()
	}
	return c
}

func (s *session) forget(body *kmsg.FetchRequest) {
	if len(body.ForgottenTopics) == 0 {
		return
	}
	for _, t := range body.ForgottenTopics {
		for _, p := range t.Partitions {
			delete(s.index, partitionName{topic: t.Topic, id: t.TopicID, partition: p})
		}
	}
	kept := s.parts[:0]
	for _, w := range s.parts {
		if s.index[w.name] == w {
			kept = append(kept, w)
		}
	}
	clear(s.parts[len(kept):])
	s.parts = kept
}

// tell notes what the client is told and returns the answers that an
// incremental response must hold: those with records, an error, a replica to
// go to, or offsets that have changed.
func (s *session) tell(answers []*fetched, incremental bool) []*fetched {
	s.mu.Lock()
	defer s.mu.Unlock()
	var news []*fetched
	var behind []*wanted
	for _, f := range answers {
		w, r := f.want.kept, &f.resp
		if !incremental || f.records.Bytes > 0 || r.ErrorCode != 0 || r.PreferredReadReplica >= 0 || f.diverges ||
			r.HighWatermark != w.toldHighWatermark || r.LogStartOffset != w.toldLogStart {
			news = append(news, f)
		}
		// Beside an error the high watermark is -1, so its end is news too.
		w.toldHighWatermark, w.toldLogStart = r.HighWatermark, r.LogStartOffset
		if f.records.Bytes > 0 {
			behind = append(behind, w)
		}
	}
	s.rotate(behind)
	return news
}

// rotate moves partitions that were served behind those that were not, so
// that an answer's limit does not starve the latter.
func (s *session) rotate(served []*wanted) {
	if len(served) == 0 || len(served) == len(s.parts) {
		return
	}
	last := make(map[*wanted]bool, len(served))
	for _, w := range served {
		last[w] = true
	}
	order := make([]*wanted, 0, len(s.parts))
	for _, w := range s.parts {
		if !last[w] {
			order = append(order, w)
		}
	}
	for _, w := range served {
		if s.index[w.name] == w {
			order = append(order, w)
		}
	}
	s.parts = order
}

// wantedIn lists the partitions that a request names.
func wantedIn(body *kmsg.FetchRequest) []*wanted {
	var parts []*wanted
	for _, t := range body.Topics {
		for _, p := range t.Partitions {
			w := &wanted{
				name:   partitionName{topic: t.Topic, id: t.TopicID, partition: p.Partition},
				offset: p.FetchOffset, maxBytes: p.PartitionMaxBytes, epoch: -1, lastFetched: -1,
				toldHighWatermark: -1, toldLogStart: -1,
			}
			if body.Version >= 9 {
				w.epoch = p.CurrentLeaderEpoch
			}
			if body.Version >= 12 {
				w.lastFetched = p.LastFetchedEpoch
			}
			parts = append(parts, w)
		}
	}
	return parts
}
