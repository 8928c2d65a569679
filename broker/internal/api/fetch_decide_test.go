package api

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// The nodes of the table: this one is 1, and follows 2 unless it leads.
const (
	self  int32 = 1
	other int32 = 2
	third int32 = 3
)

// follower is a healthy follower with offsets 10 to 100, epoch 5, asked for
// offset 50 by an up-to-date client.
func follower(change ...func(*situation)) situation {
	s := situation{
		redirects: true, readsOn: true, leader: other, epoch: 5, clientEpoch: 5,
		offset: 50, logStart: 10, highWatermark: 100, logEnd: 100, better: -1, heard: -1,
	}
	for _, f := range change {
		f(&s)
	}
	return s
}

// leader is a ready leader with offsets 10 to 100, of which 120 are appended.
func leader(change ...func(*situation)) situation {
	s := follower()
	s.leading, s.ready, s.leader, s.logEnd = true, true, self, 120
	for _, f := range change {
		f(&s)
	}
	return s
}

func at(offset int64) func(*situation)    { return func(s *situation) { s.offset = offset } }
func epoch(client int32) func(*situation) { return func(s *situation) { s.clientEpoch = client } }
func better(node int32) func(*situation)  { return func(s *situation) { s.better = node } }
func lagging(s *situation)                { s.lagging = true }
func cutOff(s *situation)                 { s.cutOff = true }
func heard(s *situation)                  { s.heard = other }
func cutOffEmpty(s *situation)            { s.cutOffEmpty = true }
func readsOff(s *situation)               { s.readsOn = false }
func before11(s *situation)               { s.redirects = false }
func notReady(s *situation)               { s.ready = false }
func noLeader(s *situation)               { s.leader = -1 }
func waited(s *situation)                 { s.epochWaited = true }
func local(s *situation)                  { s.local, s.clientEpoch = true, -1 }

func TestDecide(t *testing.T) {
	notLeader := doRefuse(kerr.NotLeaderForPartition)
	notLeaderNaming := doRefuseNaming(kerr.NotLeaderForPartition)
	outOfRange := doRefuse(kerr.OffsetOutOfRange)
	fenced := doRefuseNaming(kerr.FencedLeaderEpoch)
	unknownEpoch := doRefuse(kerr.UnknownLeaderEpoch)

	for _, c := range []struct {
		situation string
		is        situation
		want      decision
	}{
		{"leader; nobody better; offset below its HW", leader(), doServe},
		{"leader; offset at its HW", leader(at(100)), doPark},
		{"leader; offset between its HW and its log end", leader(at(110)), doPark},
		{"leader; offset at its log end", leader(at(120)), doPark},
		{"leader; client before v11", leader(before11), doServe},
		{"leader; reads from followers off", leader(readsOff), doServe},
		{"leader; client without epoch", leader(epoch(-1)), doServe},

		{"leader; a live follower in the client's rack", leader(better(third)), doRedirect(third)},
		{"leader; a better follower, offset at the HW", leader(better(third), at(100)), doRedirect(third)},
		{"leader; a better follower, offset above the log end", leader(better(third), at(121)), outOfRange},

		{"follower; offset below its HW", follower(), doServe},
		{"follower; offset at its log start", follower(at(10)), doServe},
		{"follower; offset at its HW", follower(at(100)), doPark},
		{"follower; offset above its HW, healthy", follower(at(101)), doPark},
		{"follower; offset far above its HW, healthy", follower(at(1 << 50)), doPark},
		{"follower; leader unknown, heard lately, offset below HW", follower(noLeader), doServe},
		{"follower; leader unknown, heard lately, offset at HW", follower(noLeader, at(100)), doPark},

		{"follower; lagging, leader known and heard; offset at HW", follower(lagging, at(100)), doRedirect(other)},
		{"follower; lagging, leader known and heard; offset above HW", follower(lagging, at(500)), doRedirect(other)},
		{"follower; lagging, leader known and heard; offset below HW", follower(lagging), doRedirect(other)},
		{"follower; lagging, leader unknown, offset at HW", follower(lagging, noLeader, at(100)), doPark},
		{"follower; lagging, leader unknown, offset below HW", follower(lagging, noLeader), doServe},

		{"follower; cut off, offset at HW", follower(cutOff, at(100)), notLeader},
		{"follower; cut off, offset above HW", follower(cutOff, at(200)), notLeader},
		{"follower; cut off and lagging, offset at HW", follower(cutOff, lagging, at(100)), notLeader},
		{"follower; cut off, who led last is known, offset at HW", follower(cutOff, heard, at(100)), doRedirect(other)},
		{"follower; cut off, who led last is known, offset below HW", follower(cutOff, heard), doServe},
		{"follower; cut off, who led last is known, configured to answer empty", follower(cutOff, heard, cutOffEmpty, at(100)), doPark},
		{"local-read listener; cut off, who led last is known", follower(local, cutOff, heard, at(100)), doPark},
		{"follower; cut off, offset below HW", follower(cutOff), doServe},
		{"follower; cut off and lagging, offset below HW", follower(cutOff, lagging), doServe},
		{"follower; cut off, configured to answer empty", follower(cutOff, cutOffEmpty, at(100)), doPark},

		{"leader; offset below log start", leader(at(9)), outOfRange},
		{"follower; offset below log start", follower(at(9)), outOfRange},
		{"follower; cut off, offset below log start", follower(cutOff, at(9)), outOfRange},
		{"leader; negative offset", leader(at(-1)), outOfRange},
		{"leader; offset above log end", leader(at(121)), outOfRange},

		{"new leader not ready; offset above its HW", leader(notReady, at(101)), doPark},
		{"new leader not ready; offset above what it knows of the log", leader(notReady, at(1000)), doPark},
		{"new leader not ready; offset at its HW", leader(notReady, at(100)), doPark},
		{"new leader not ready; offset below its HW", leader(notReady), doServe},
		{"new leader not ready; somebody better", leader(notReady, better(third)), doServe},
		{"new leader not ready; offset below log start", leader(notReady, at(9)), outOfRange},

		{"follower; reads off", follower(readsOff), notLeaderNaming},
		{"follower; reads off, offset at HW", follower(readsOff, at(100)), notLeaderNaming},
		{"follower; client before v11", follower(before11), notLeaderNaming},
		{"follower; reads off, older epoch", follower(readsOff, epoch(4)), notLeaderNaming},

		{"leader; client's epoch older", leader(epoch(4)), fenced},
		{"follower; client's epoch older", follower(epoch(4)), fenced},
		{"follower; client's epoch older, offset at HW, cut off", follower(epoch(4), cutOff, at(100)), fenced},
		{"follower; client's epoch older, nobody leads", follower(epoch(4), noLeader), doServe},
		{"leader; client's epoch newer", leader(epoch(6)), doPark},
		{"follower; client's epoch newer", follower(epoch(6)), doPark},
		{"leader; client's epoch newer, waited for", leader(epoch(6), waited), unknownEpoch},
		{"follower; client's epoch newer, waited for", follower(epoch(6), waited), unknownEpoch},

		{"local-read listener; offset below HW", follower(local), doServe},
		{"local-read listener; offset at HW", follower(local, at(100)), doPark},
		{"local-read listener; offset above HW", follower(local, at(101)), doPark},
		{"local-read listener; offset above HW, leader", leader(local, at(121)), doPark},
		{"local-read listener; client before v11", follower(local, before11), doServe},
		{"local-read listener; reads from followers off", follower(local, readsOff), doServe},
		{"local-read listener; any epoch", follower(local, epoch(3)), doServe},
		{"local-read listener; any epoch, newer", follower(local, epoch(9)), doServe},
		{"local-read listener; lagging", follower(local, lagging), doServe},
		{"local-read listener; lagging, offset at HW", follower(local, lagging, at(100)), doPark},
		{"local-read listener; cut off, offset at HW", follower(local, cutOff, at(100)), doPark},
		{"local-read listener; leader with somebody better", leader(local, better(third)), doServe},
		{"local-read listener; offset below log start", follower(local, at(9)), outOfRange},
	} {
		t.Run(c.situation, func(t *testing.T) {
			if got := decide(c.is); got != c.want {
				t.Errorf("decided %+v, want %+v", got, c.want)
			}
		})
	}
}

// TestDecideInvariants walks a grid of situations for what must hold in all.
func TestDecideInvariants(t *testing.T) {
	bools := []bool{false, true}
	visit := func(s situation) {
		d := decide(s)
		switch {
		case d.action == refuse && (d.err == nil || d.preferred != -1):
			t.Errorf("an error with a preferred replica, or none: %+v → %+v", s, d)
		case d.action == redirect && d.preferred < 0, d.action != redirect && d.preferred != -1:
			t.Errorf("preferred replica %d with action %d: %+v", d.preferred, d.action, s)
		case d.action == redirect && d.preferred == self:
			t.Errorf("told to read from this node itself: %+v", s)
		case d.action == serve && (s.offset < s.logStart || s.offset >= s.highWatermark):
			t.Errorf("served outside the log: %+v", s)
		case d.err == kerr.OffsetOutOfRange && s.offset >= s.highWatermark && !(s.leading && s.ready && s.offset > s.logEnd):
			t.Errorf("a reset above the high watermark: %+v", s)
		case s.local && d.action == redirect, s.local && d.namesLeader:
			t.Errorf("a client of the local-read listener is sent away: %+v → %+v", s, d)
		}
	}
	for _, offset := range []int64{-1, 9, 10, 99, 100, 101, 120, 121} {
		for _, client := range []int32{-1, 4, 5, 6} {
			for _, base := range []situation{follower(), leader(), leader(notReady), follower(noLeader), follower(heard), leader(better(third))} {
				for bits := range 1 << 7 {
					s := base
					s.offset, s.clientEpoch = offset, client
					for i, b := range []*bool{&s.local, &s.redirects, &s.readsOn, &s.cutOffEmpty, &s.lagging, &s.cutOff, &s.epochWaited} {
						*b = bools[bits>>i&1]
					}
					if s.leading {
						s.lagging, s.cutOff = false, false
					}
					visit(s)
				}
			}
		}
	}
}
