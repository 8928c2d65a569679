package scenarios

import "lockstep/compat/internal/scenario"

// Differences are what targets are known to do otherwise than scenarios want: cells that show them pass, with that in the
// report. The README has the table for readers.
func Differences() scenario.Differences { return nil }
