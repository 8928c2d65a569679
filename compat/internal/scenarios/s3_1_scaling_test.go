package scenarios

import (
	"testing"

	"lockstep/compat/internal/report"
	"lockstep/compat/internal/scenario"
)

// A green 3.1 means that links were short, held, and that three of them carried more than one.
func TestJudgeScaling(t *testing.T) {
	const leader = 2
	mb := func(one, two, three int64) map[int]int64 {
		return map[int]int64{1: one * 1e6, 2: two * 1e6, 3: three * 1e6}
	}
	full := report.Carried{Seconds: 9.2, Bytes: mb(0, 18, 0)}
	tests := []struct {
		name           string
		leader, spread report.Carried
		passes         bool
		unknown        bool
	}{
		{"three links, three times", full, report.Carried{Seconds: 3.3, Bytes: mb(6, 6, 6)}, true, false},
		{"nobody went to the followers", full, report.Carried{Seconds: 9.2, Bytes: mb(0, 18, 0)}, false, false},
		{"one of three did", full, report.Carried{Seconds: 6.2, Bytes: mb(6, 12, 0)}, false, false},
		{"followers are slow", full, report.Carried{Seconds: 6, Bytes: mb(6, 6, 6)}, false, false},
		{"each connection has a link of its own", report.Carried{Seconds: 3.2, Bytes: mb(0, 18, 0)}, report.Carried{Seconds: 3.2, Bytes: mb(6, 6, 6)}, false, true},
		{"a follower's link is wider", full, report.Carried{Seconds: 3.3, Bytes: mb(6, 6, 8)}, false, true},
		{"readers are slower than the link", report.Carried{Seconds: 20, Bytes: mb(0, 18, 0)}, report.Carried{Seconds: 6, Bytes: mb(6, 6, 6)}, false, true},
	}
	for _, tt := range tests {
		x := &report.Scaling{LinkKBps: 2000, Leader: tt.leader, Spread: tt.spread, Times: tt.leader.Seconds / tt.spread.Seconds}
		err := judgeScaling(x, leader)
		if (err == nil) != tt.passes || scenario.IsUnknown(err) != tt.unknown {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
