package timeline

import (
	"fmt"
	"html/template"

	"lockstep/compat/internal/report"
)

// Client is one row of a comparison.
type Client struct {
	Name string
	Cell *Cell
	Stop *report.Stop // may be nil
}

const clientHigh = 40.0

// SameFaults tells whether cells ran at once: all of them were told of one fault at the same moment.
func SameFaults(cs []Client) bool {
	if len(cs) < 2 {
		return false
	}
	for _, c := range cs {
		if c.Cell == nil || len(c.Cell.Faults) == 0 || c.Cell.Faults[0].At != cs[0].Cell.Faults[0].At {
			return false
		}
	}
	return true
}

// Compare draws clients that ran at once below each other: who leads its partition, what was read (up) and acknowledged
// (down), and where each stood still the longest.
func Compare(cs []Client) template.HTML {
	sc := scale{cs[0].Cell.First, cs[0].Cell.Last}
	for _, c := range cs {
		sc.to = max(sc.to, c.Cell.Last)
		// Clients are started one after the other; it becomes interesting shortly before the first fault.
		sc.from = max(sc.from, c.Cell.First)
	}
	sc.from = min(sc.from, cs[0].Cell.Faults[0].At-5e8)
	s := &svg{}
	y := s.faults(sc, cs[0].Cell.Faults, 4)
	top := y
	for _, c := range cs {
		s.client(sc, c, y)
		y += clientHigh
	}
	s.shade(sc, cs[0].Cell.Faults, top, y)
	return s.done(s.axis(sc, top, y+2), sc, fmt.Sprintf("%d clients under the same faults", len(cs)))
}

func (s *svg) client(sc scale, c Client, y float64) {
	s.text("lab", gutter-8, y+22, c.Name)
	s.rect("lane", gutter, y+6, right-gutter, clientHigh-8, c.Name)
	if main, told := c.Cell.main(); told {
		s.leaders(sc, c.Cell.replicas[main], y+1)
	}
	var reads, acks Track
	for _, t := range c.Cell.Tracks {
		to := &reads
		if t.Writes {
			to = &acks
		} else if t.Name == rawCopies {
			continue
		}
		to.At, to.Offset = append(to.At, after(t.At, sc.from)...), append(to.Offset, t.Offset[len(t.Offset)-len(after(t.At, sc.from)):]...)
	}
	middle := y + 24
	n, topOffset := sc.counts(reads.At, reads.Offset)
	s.bars("reads", c.Name+" read", n, topOffset, middle, 15)
	n, topOffset = sc.counts(acks.At, acks.Offset)
	s.bars("acks", c.Name+" acknowledged", n, topOffset, middle+1, -12)
	if c.Stop != nil && c.Stop.MS > 0 {
		s.stop(sc, c.Stop, y+9, clientHigh-14)
	}
}

// after is the part of ascending times from a moment on.
func after(at []int64, from int64) []int64 {
	for i, t := range at {
		if t >= from {
			return at[i:]
		}
	}
	return nil
}

// leaders is a thin strip that tells which node led the partition.
func (s *svg) leaders(sc scale, told map[int][]seen, y float64) {
	for id, states := range told {
		for i, st := range states {
			if st.state.Role != "leader" {
				continue
			}
			end := sc.to
			if i+1 < len(states) {
				end = states[i+1].at
			}
			// A node that died as leader said no more: it led until another did.
			for other, its := range told {
				for _, o := range its {
					if other != id && o.state.Role == "leader" && o.at > st.at && o.state.Epoch > st.state.Epoch {
						end = min(end, o.at)
					}
				}
			}
			if end > sc.from {
				x := sc.x(st.at)
				s.rect(fmt.Sprintf("led l-%d", id), x, y, sc.x(end)-x, 4, "")
			}
		}
	}
}
