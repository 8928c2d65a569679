package oracle

import (
	"testing"
	"time"

	h "lockstep/compat/internal/history"
)

func TestLongestStill(t *testing.T) {
	at := func(ms int64, e h.Event) h.Event { e.At = ms * 1e6; return e }
	tests := []struct {
		name   string
		events []h.Event
		want   Still
	}{
		{"nothing", nil, Still{}},
		{"a reader waits for what is there", []h.Event{
			at(1, sent("p", 0, "a")), at(2, ack("p", 0, 0)), at(100, read("c", 0, "a")),
			at(110, sent("p", 1, "b")), at(120, ack("p", 1, 1)), at(420, read("c", 1, "b")), at(421, expect("c", 0, 2))},
			Still{"c", 300 * time.Millisecond, 120e6}},
		{"idle is not unavailable", []h.Event{
			at(1, sent("p", 0, "a")), at(2, ack("p", 0, 0)), at(3, read("c", 0, "a")),
			at(5000, sent("p", 1, "b")), at(5002, ack("p", 1, 1)), at(5003, read("c", 1, "b")), at(5003, expect("c", 0, 2))},
			Still{"p", 2 * time.Millisecond, 5000e6}},
		{"a reader quicker than the ack", []h.Event{
			at(1, sent("p", 0, "a")), at(2, read("c", 0, "a")), at(3, ack("p", 0, 0)), at(900, expect("c", 0, 1))},
			Still{"p", 2 * time.Millisecond, 1e6}},
		{"a producer waits to the end", []h.Event{at(1, sent("p", 0, "a")), at(501, expect("c", 0, 1))},
			Still{"p", 500 * time.Millisecond, 1e6}},
	}
	for _, tt := range tests {
		if got := LongestStill(tt.events); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
