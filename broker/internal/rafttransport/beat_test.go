package rafttransport

import (
	"testing"
	"time"
)

// TestBeatsFallTogether: at a multiple of a longer period a shorter one ticks as well, and there is always a next tick.
func TestBeatsFallTogether(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.UTC)
	for _, tt := range []struct{ short, long time.Duration }{
		{50 * time.Millisecond, 250 * time.Millisecond}, {250 * time.Millisecond, time.Second}, {100 * time.Millisecond, time.Second},
	} {
		at := start.Add(untilBeat(start, tt.long))
		if wait := at.Sub(start); wait <= 0 || wait > tt.long {
			t.Errorf("the next tick of %v is %v away", tt.long, wait)
		}
		if before := at.Add(-1); untilBeat(before, tt.short) != 1 {
			t.Errorf("%v does not tick with %v, but %v later", tt.short, tt.long, untilBeat(before, tt.short)-1)
		}
		if wait := untilBeat(at, tt.long); wait != tt.long {
			t.Errorf("after a tick of %v the next is %v away", tt.long, wait)
		}
	}
	b := NewBeat(time.Millisecond)
	defer b.Stop()
	for range 3 {
		select {
		case <-b.C:
		case <-time.After(10 * time.Second):
			t.Fatal("it does not tick")
		}
		b.Next()
	}
}
