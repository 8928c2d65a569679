package scenarios

import (
	"testing"
	"time"

	"lockstep/compat/internal/history"
)

func TestLongestPause(t *testing.T) {
	at := func(handle string, kind history.Kind, times ...int64) (out []history.Event) {
		for _, x := range times {
			out = append(out, history.Event{Handle: handle, Kind: kind, At: x})
		}
		return out
	}
	tests := []struct {
		name   string
		events []history.Event
		want   time.Duration
	}{
		{"steady", at("reader", history.Read, 90, 105, 120, 140, 160, 180, 200), 20},
		{"a pause after the fault", at("reader", history.Read, 90, 105, 165, 170, 200), 60},
		{"only the part of a pause after the fault counts", at("reader", history.Read, 40, 130, 140, 160, 200), 40},
		{"only the part of a pause before the end counts", at("reader", history.Read, 100, 110, 400), 90},
		{"nothing at all", nil, 100},
		{"nothing at the end", at("reader", history.Read, 100, 110, 120), 80},
		{"others do not count", append(at("reader", history.Read, 100, 190), at("reader", history.Acked, 150)...), 90},
		{"nor do other handles", append(at("reader", history.Read, 100), append(at("writer", history.Read, 150), at("reader", history.Read, 200)...)...), 100},
	}
	for _, tt := range tests {
		if got := longestPause(tt.events, "reader", history.Read, 100, 200); got != tt.want {
			t.Errorf("%s: %v, not %v", tt.name, got, tt.want)
		}
	}
}
