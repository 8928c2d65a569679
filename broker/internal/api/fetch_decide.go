package api

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/mutant"
)

// situation is everything that decides how a Fetch of one partition is
// answered.
type situation struct {
	local       bool // came in on the local-read listener
	redirects   bool // the client understands preferred replicas: version 11 and later
	readsOn     bool // followers serve reads
	cutOffEmpty bool // a follower that is cut off answers empty instead of with an error

	leading bool  // this node is the leader …
	ready   bool  // … and has applied everything of earlier epochs
	leader  int32 // node id; -1 unknown
	epoch   int32 // this node's
	lagging bool  // follower: too far behind
	cutOff  bool  // follower: leader not heard for a lease
	heard   int32 // follower: who led when a leader was last heard, if nobody has led since as far as it knows; -1 otherwise

	clientEpoch int32 // the leader's, as the client knows it; -1 when it does not say
	epochWaited bool  // the client's newer epoch has been waited for

	offset                          int64 // asked for
	logStart, highWatermark, logEnd int64 // this replica's; logEnd counts on a leader that is ready
	better                          int32 // follower that should serve this client; -1 none
}

// action is the kind of an answer.
type action uint8

const (
	serve    action = iota // committed batches from the offset on, true high watermark
	park                   // nothing yet: wait for a change or the end of max_wait, then empty, no error, true high watermark
	redirect               // at once: no error, empty, true high watermark, and the replica to ask instead
	refuse                 // at once: an error; high watermark and last stable offset -1
)

// decision is how a Fetch of one partition is answered.
type decision struct {
	action      action
	preferred   int32       // redirect: the replica to ask instead; else -1, "stay here"
	err         *kerr.Error // refuse
	namesLeader bool        // refuse: CurrentLeader says who leads, if that is known
}

var (
	doServe = decision{action: serve, preferred: -1}
	doPark  = decision{action: park, preferred: -1}
)

func doRedirect(to int32) decision { return decision{action: redirect, preferred: to} }

func doRefuse(err *kerr.Error) decision { return decision{action: refuse, preferred: -1, err: err} }

func doRefuseNaming(err *kerr.Error) decision {
	return decision{action: refuse, preferred: -1, err: err, namesLeader: true}
}

// decide is the heart of Fetch. It is pure: the same situation always has the
// same answer, and the table in its test has them all.
//
// The preferred replica is never this node itself: clients discard what comes
// with a preferred replica, whichever it is. It is never set beside an error,
// which it would hide.
func decide(s situation) decision {
	if mutant.Is(mutant.ServesWhenOff) {
		s.readsOn = true
	}
	if s.local {
		return decideLocal(s)
	}
	if !s.leading && (!s.readsOn || !s.redirects) {
		return doRefuseNaming(kerr.NotLeaderForPartition)
	}
	if d, fenced := decideEpoch(s); fenced {
		return d
	}
	switch {
	case s.offset < s.logStart:
		return doRefuse(kerr.OffsetOutOfRange)
	case s.leading:
		return decideLeader(s)
	default:
		return decideFollower(s)
	}
}

// decideLocal answers clients that know of no other node: no error and no
// other replica could help them.
func decideLocal(s situation) decision {
	switch {
	case s.offset < s.logStart:
		return doRefuse(kerr.OffsetOutOfRange)
	case s.offset < s.highWatermark:
		return doServe
	default:
		return doPark
	}
}

// decideEpoch compares what the client knows of the leader with what this node
// does (KIP-320). While nobody leads, an older epoch is no reason to turn away
// who only wants what is committed.
func decideEpoch(s situation) (d decision, fenced bool) {
	switch {
	case s.clientEpoch < 0 || s.clientEpoch == s.epoch:
		return decision{}, false
	case s.clientEpoch > s.epoch && !s.epochWaited:
		return doPark, true
	case s.clientEpoch > s.epoch:
		return doRefuse(kerr.UnknownLeaderEpoch), true
	case s.leader < 0:
		return decision{}, false
	default:
		return doRefuseNaming(kerr.FencedLeaderEpoch), true
	}
}

func decideLeader(s situation) decision {
	switch {
	case !s.ready && s.offset < s.highWatermark:
		return doServe
	case !s.ready:
		return doPark // what it has applied may be less than what was committed before it led
	case s.offset > s.logEnd:
		return doRefuse(kerr.OffsetOutOfRange)
	case s.better >= 0:
		return doRedirect(s.better)
	case s.offset < s.highWatermark:
		return doServe
	default:
		return doPark
	}
}

func decideFollower(s situation) decision {
	switch {
	case s.lagging && !s.cutOff && s.leader >= 0:
		return doRedirect(s.leader)
	case s.offset < s.highWatermark:
		return doServe
	case s.cutOff && s.cutOffEmpty:
		return doPark
	case s.cutOff && s.heard >= 0:
		// An error would be truer, but clients that were sent here come back in spite of it: kafka-python 3 and librdkafka 2.0
		// for as long as they believe in this preferred replica, five minutes.
		return doRedirect(s.heard)
	case s.cutOff:
		return doRefuse(kerr.NotLeaderForPartition)
	default:
		return doPark // also above the high watermark: others are ahead, and a reset would be wrong
	}
}
