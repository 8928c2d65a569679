package timeline

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"lockstep/compat/internal/history"
)

const second = int64(1e9)

func read(t *testing.T, keep bool, events ...history.Event) *Cell {
	t.Helper()
	var b strings.Builder
	for _, e := range events {
		e.Cell = "x/y"
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(line, '\n'))
	}
	cells, err := Read(strings.NewReader(b.String()), func(string) bool { return keep })
	if err != nil {
		t.Fatal(err)
	}
	return cells["x/y"]
}

func TestFaultsAreToldOfInPairs(t *testing.T) {
	c := read(t, false,
		history.Event{At: 1 * second, Kind: history.Fault, Name: "kill"},
		history.Event{At: 2 * second, Kind: history.Bitten, Name: "kill", Text: "b1"},
		history.Event{At: 3 * second, Kind: history.Healed, Name: "kill"},
		history.Event{At: 4 * second, Kind: history.Fault, Name: "kill"},
		history.Event{At: 5 * second, Kind: history.Bitten, Name: "kill", Text: "b2"})
	if len(c.Faults) != 2 {
		t.Fatalf("%d faults", len(c.Faults))
	}
	first, again := *c.Faults[0], *c.Faults[1]
	if first != (Fault{Name: "kill", At: 1 * second, Bitten: 2 * second, Healed: 3 * second, BiteText: "b1"}) {
		t.Errorf("%+v", first)
	}
	if again.Healed != 0 || again.BiteText != "b2" || again.end(9*second) != 9*second {
		t.Errorf("%+v", again)
	}
	if told := c.Told(); !strings.Contains(told[0], "not seen to be gone") || !strings.Contains(told[1], "not taken back") {
		t.Errorf("what did not come is not said: %q", told)
	}
}

func TestATryThatShowedNothingIsForgotten(t *testing.T) {
	c := read(t, true,
		history.Event{At: 1, Kind: history.Acked, Handle: "p", Offset: 1},
		history.Event{At: 5, Kind: history.Retried, Text: "the leader moved"},
		history.Event{At: 6, Kind: history.Acked, Handle: "p", Offset: 9})
	if len(c.Tracks) != 1 || len(c.Tracks[0].At) != 1 || c.Tracks[0].Offset[0] != 9 || c.First != 5 {
		t.Errorf("%+v", c.Tracks)
	}
	if len(c.Events) != 2 {
		t.Errorf("%d events kept, want those of the second try", len(c.Events))
	}
	if !strings.Contains(strings.Join(c.Told(), "\n"), "the leader moved") {
		t.Error("why it was tried again is not told")
	}
}

func TestANodeIsDownUntilItIsHeardOf(t *testing.T) {
	states := []seen{{at: 1}, {at: 4}, {at: 70}, {at: 90}}
	for _, tt := range []struct {
		fault Fault
		want  []down
	}{
		{Fault{Name: "kill -9 node 2", At: 10, Healed: 50, Gone: 80}, []down{{10, 70, "kill -9 node 2"}}},
		{Fault{Name: "stop node 2", At: 91, Healed: 95, Gone: 99}, []down{{91, 99, "stop node 2"}}},
		{Fault{Name: "pause node 2", At: 10}, []down{{10, 200, "pause node 2"}}},
		{Fault{Name: "kill -9 node 1", At: 10, Healed: 50}, nil},
		{Fault{Name: "kill -9 and wipe node 2", At: 10, Healed: 50}, []down{{10, 50, "kill -9 and wipe node 2"}}},
		{Fault{Name: "node 2 isolated by black holes", At: 10, Healed: 50}, nil},
	} {
		if got := downs(2, states, []*Fault{&tt.fault}, 200); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.fault.Name, got, tt.want)
		}
	}
}

func TestCountsFallIntoTheirBins(t *testing.T) {
	sc := scale{0, 210 * second} // one bin a second
	n, top := sc.counts([]int64{0, second / 2, second, 210 * second, 999 * second}, []int64{4, 3, 7, 8, 9})
	if n[0] != 2 || top[0] != 4 || n[1] != 1 || top[1] != 7 || top[2] != -1 || n[bins-1] != 2 || top[bins-1] != 9 {
		t.Errorf("%v %v", n, top)
	}
	if got := compact([]int64{0, 5, 0, 0}, 0); got != ",5,," {
		t.Errorf("%q", got)
	}
}

func TestABurstDoesNotFlattenTheRest(t *testing.T) {
	for _, tt := range []struct {
		counts []int64
		want   int64
	}{{nil, 1}, {[]int64{0, 0}, 1}, {[]int64{4}, 4}, {[]int64{5, 5, 5, 0, 300}, 15}, {[]int64{5, 6, 7}, 7}} {
		if got := full(tt.counts); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.counts, got, tt.want)
		}
	}
}

func TestTicksAreRoundAndFew(t *testing.T) {
	for _, seconds := range []float64{0.004, 0.4, 3, 14.9, 61, 700, 9000} {
		ticks := scale{0, int64(seconds * 1e9)}.ticks()
		if len(ticks) < 2 || len(ticks) > 15 {
			t.Errorf("%g s: %d ticks %v", seconds, len(ticks), ticks)
		}
	}
}

func TestManyHandlesStaySmall(t *testing.T) {
	var events []history.Event
	for i := range 200_000 {
		events = append(events, history.Event{At: int64(i) * 1e5, Kind: history.Read, Handle: string(rune('A' + i%40)), Topic: "t", Offset: int64(i)})
	}
	c := read(t, false, events...)
	picture := string(Draw(c, nil))
	if len(picture) > 150_000 {
		t.Errorf("%d bytes for one cell", len(picture))
	}
	if !strings.Contains(picture, "26 others") {
		t.Error("the tracks beyond the first 14 are not put together")
	}
}
