package timeline

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const faultHigh = 18.0 // one row of faults

// faults draws each fault as a named bar in a row of its own where it overlaps another, and returns where the rows end.
func (s *svg) faults(sc scale, fs []*Fault, y float64) float64 {
	if len(fs) == 0 {
		return y
	}
	s.text("lab", gutter-8, y+12, "faults")
	var ends []float64 // of each row, with its label
	for _, f := range fs {
		from, to := sc.x(f.At), sc.x(f.end(sc.to))
		row := 0
		for row < len(ends) && ends[row] > from {
			row++
		}
		if row == len(ends) {
			ends = append(ends, 0)
		}
		// The name stands in its bar, else behind it, and at the right edge before it.
		name, wide := f.Name, float64(len(f.Name))*5.6
		at, class := from+9, "fname"
		ends[row] = to
		if wide > to-from-11 {
			at = max(to, sc.x(f.Gone)) + 9
			ends[row] = at + wide
			if at+wide > right {
				at, class = from-6, "fname end"
			}
		}
		top := y + float64(row)*faultHigh
		s.rect("fault", from, top+2, to-from, faultHigh-4, f.tell(sc))
		if f.Bitten != 0 {
			s.mark("bite", sc.x(f.Bitten), top+faultHigh/2, true, "seen to bite at "+sc.seconds(f.Bitten)+": "+f.BiteText)
		}
		if f.Gone != 0 {
			s.mark("gone", sc.x(f.Gone), top+faultHigh/2, false, "seen to be gone at "+sc.seconds(f.Gone)+": "+f.GoneText)
		}
		s.text(class, at, top+12.5, name)
	}
	return y + float64(len(ends))*faultHigh + 4
}

// shade darkens the time of every fault from y to y2.
func (s *svg) shade(sc scale, fs []*Fault, y, y2 float64) {
	for _, f := range fs {
		x := sc.x(f.At)
		s.rect("shade", x, y, sc.x(f.end(sc.to))-x, y2-y, "")
	}
}

// down is a time in which a node did not run.
type down struct {
	from, to int64
	why      string
}

// stops are the faults that keep a node from running, by their names: "kill -9 node 2", "kill -9 and wipe node 1", "pause node 3".
var stops = regexp.MustCompile(`^(?:kill|stop|pause)\b.* node (\d+)$`)

// downs are the times from a fault that stops the node until it was heard of again: by its state, or by the fault's end.
func downs(node int, states []seen, faults []*Fault, last int64) []down {
	var out []down
	for _, f := range faults {
		m := stops.FindStringSubmatch(f.Name)
		if m == nil || m[1] != strconv.Itoa(node) {
			continue
		}
		d := down{f.At, last, f.Name}
		if f.Gone != 0 {
			d.to = f.Gone
		} else if f.Healed != 0 {
			d.to = f.Healed
		}
		for _, st := range states {
			if f.Healed != 0 && st.at > f.Healed {
				d.to = min(d.to, st.at)
				break
			}
		}
		out = append(out, d)
	}
	return out
}

// end is when the fault was taken back; one that never was lasts.
func (f *Fault) end(last int64) int64 {
	if f.Healed != 0 {
		return f.Healed
	}
	return last
}

func (f *Fault) tell(sc scale) string {
	parts := []string{f.Name, "injected at " + sc.seconds(f.At)}
	for _, p := range []struct {
		at   int64
		text string
	}{{f.Bitten, "seen to bite at "}, {f.Healed, "taken back at "}, {f.Gone, "seen to be gone at "}} {
		if p.at != 0 {
			parts = append(parts, p.text+sc.seconds(p.at))
		} else {
			parts = append(parts, "not "+strings.TrimSuffix(p.text, " at "))
		}
	}
	return strings.Join(parts, "; ")
}

// axis draws the seconds below a picture and lines through it, and returns the height of the whole.
func (s *svg) axis(sc scale, top, y float64) float64 {
	for _, t := range sc.ticks() {
		x := sc.x(sc.from + int64(t*1e9))
		fmt.Fprintf(&s.under, `<line class="grid" x1="%[1]s" y1="%[2]s" x2="%[1]s" y2="%[3]s"/>`, num(x), num(top), num(y))
		s.text("tick", x, y+13, fmt.Sprintf("%g", float64(int64(t*1000+0.5))/1000))
	}
	s.text("lab", gutter-8, y+13, "seconds")
	s.printf(`<line class="cross" x1="0" x2="0" y1="%s" y2="%s"/>`, num(top), num(y))
	return y + 20
}
