package rafttransport

import "time"

// A Beat ticks like a time.Ticker, but all Beats of a period, and of its
// multiples, tick at the same moments. What wakes up together costs one waking
// of the process, and on an idle node that is what looking after things costs,
// whatever is then looked at. A tick that nobody takes is dropped.
type Beat struct {
	C     <-chan time.Time
	timer *time.Timer
	every time.Duration
}

// NewBeat ticks every so often, first within that time.
func NewBeat(every time.Duration) *Beat {
	t := time.NewTimer(untilBeat(time.Now(), every))
	return &Beat{C: t.C, timer: t, every: every}
}

// Next has to be called after each tick, for the next one.
func (b *Beat) Next() { b.timer.Reset(untilBeat(time.Now(), b.every)) }

// Stop ends it.
func (b *Beat) Stop() { b.timer.Stop() }

// untilBeat is the time to the next multiple of every on the clock: more than
// none, and at most every, also when the clock is set meanwhile.
func untilBeat(now time.Time, every time.Duration) time.Duration {
	now = now.Round(0) // the time of day decides, not when the process began
	return now.Truncate(every).Add(every).Sub(now)
}
