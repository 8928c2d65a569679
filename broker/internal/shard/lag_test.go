package shard

import (
	"testing"
	"time"
)

func TestLagClock(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(tick int) time.Time { return start.Add(time.Duration(tick) * 250 * time.Millisecond) }
	for _, c := range []struct {
		name   string
		behind int // ticks between the commit and the replica's having it; -1: it stands still at 0
		ticks  int
		want   time.Duration // lag at the end, at most one tick less
	}{
		{"up to date", 0, 100, 0},
		{"always a moment behind, under load", 1, 1000, 250 * time.Millisecond},
		{"always five seconds behind", 20, 1000, 5 * time.Second},
		{"stands still", -1, 100, 25 * time.Second},
		{"stands still for an hour", -1, 4 * 3600, time.Hour},
	} {
		var l lagClock
		has := uint64(0)
		for tick := 1; tick <= c.ticks; tick++ {
			commit := uint64(tick * 10)
			if c.behind >= 0 {
				has = uint64(max(tick-c.behind, 0) * 10)
			}
			l.note(commit, has, at(tick))
		}
		var lag time.Duration
		if since := l.since(has); !since.IsZero() {
			lag = at(c.ticks).Sub(since)
		}
		if lag > c.want || lag < c.want-250*time.Millisecond {
			t.Errorf("%s: %v behind, want %v", c.name, lag, c.want)
		}
		if len(l.moments) > maxMoments {
			t.Errorf("%s: %d moments kept", c.name, len(l.moments))
		}
	}
}

// TestLagClockOfSeveral: what one replica has, another may still lack.
func TestLagClockOfSeveral(t *testing.T) {
	var l lagClock
	start := time.Unix(1000, 0)
	for i := range 5 {
		l.note(uint64(10+i), 11, start.Add(time.Duration(i)*time.Second))
	}
	for index, want := range map[uint64]time.Duration{11: 2, 12: 3, 13: 4} {
		if got := l.since(index); got != start.Add(want*time.Second) {
			t.Errorf("a replica with %d lacks something since %v", index, got.Sub(start))
		}
	}
	if !l.since(14).IsZero() || !l.since(99).IsZero() {
		t.Error("a replica that has everything lacks something")
	}
	l.note(14, 14, start.Add(time.Minute)) // all are up to date
	l.note(20, 14, start.Add(2*time.Minute))
	if got := l.since(14); got != start.Add(2*time.Minute) {
		t.Errorf("behind since %v, before there was anything to lack", got.Sub(start))
	}
}
