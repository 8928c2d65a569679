package timeline

import (
	"fmt"
	"html/template"
	"sort"
	"strings"

	"lockstep/compat/internal/history"
	"lockstep/compat/internal/report"
)

const (
	nodeHigh  = 38.0
	trackHigh = 22.0
	// mostTracks are drawn one by one; the others are put together.
	mostTracks = 14
)

// Draw draws one cell: its faults, the three nodes, everyone who wrote and read, and the followers' lag. stop may be nil.
func Draw(c *Cell, stop *report.Stop) template.HTML {
	from, to := c.span()
	sc := scale{from, to}
	s := &svg{}
	y := s.faults(sc, c.Faults, 4)
	top := y
	main, told := c.main()
	if told {
		y = s.nodes(sc, c.replicas[main], c.Faults, y)
	}
	for _, t := range together(c.Tracks) {
		s.track(sc, t, y, stop)
		y += trackHigh
	}
	y = s.throughput(sc, c.Tracks, y)
	if told {
		y = s.lag(sc, c.replicas[main], y)
	}
	s.shade(sc, c.Faults, top, y)
	label := fmt.Sprintf("timeline of %s", c.Name)
	if told {
		label += ", partition " + main.String()
	}
	return s.done(s.axis(sc, top, y+2), sc, label)
}

// nodes draws a lane for each node: its role over time, with the epoch at each change, and its high watermark.
func (s *svg) nodes(sc scale, told map[int][]seen, faults []*Fault, y float64) float64 {
	var most int64
	var ids []int
	for id, states := range told {
		ids = append(ids, id)
		for _, st := range states {
			most = max(most, st.state.HighWatermark)
		}
	}
	sort.Ints(ids)
	for _, id := range ids {
		states := told[id]
		s.text("lab", gutter-8, y+11, fmt.Sprintf("node %d", id))
		s.text("lab sub", gutter-8, y+27, fmt.Sprintf("high watermark %d", states[len(states)-1].state.HighWatermark))
		s.roles(sc, states, y)
		var at []float64
		var hw []int64
		for _, st := range states {
			at, hw = append(at, sc.x(st.at)), append(hw, st.state.HighWatermark)
		}
		s.steps("hw", at, hw, right, y+nodeHigh-4, nodeHigh-20, most)
		for _, d := range downs(id, states, faults, sc.to) {
			s.down(sc, id, d, y)
		}
		y += nodeHigh
	}
	return y
}

// roles draws a node's strip of roles. Epochs are written where there is room, and told of everywhere.
func (s *svg) roles(sc scale, states []seen, y float64) {
	labelled := 0.0
	for i := 0; i < len(states); {
		st := states[i].state
		next := i + 1
		for next < len(states) && states[next].state.Role == st.Role && states[next].state.Epoch == st.Epoch {
			next++
		}
		end := sc.to
		if next < len(states) {
			end = states[next].at
		}
		x, x2 := sc.x(states[i].at), sc.x(end)
		leader := "it knows no leader"
		if st.Leader > 0 {
			leader = fmt.Sprintf("leader is node %d", st.Leader)
		}
		s.rect("role r-"+roleClass(st.Role), x, y+2, x2-x, 12, fmt.Sprintf("%s in epoch %d from %s to %s; %s; high watermark %d to %d",
			st.Role, st.Epoch, sc.seconds(states[i].at), sc.seconds(end), leader, st.HighWatermark, states[next-1].state.HighWatermark))
		text := fmt.Sprintf("%s · epoch %d", st.Role, st.Epoch)
		if float64(len(text))*5.6 > x2-x {
			text = fmt.Sprintf("e%d", st.Epoch)
		}
		if x >= labelled {
			s.text("epoch e-"+roleClass(st.Role), x+3, y+11.5, text)
			labelled = x + float64(len(text))*5.6 + 4
		}
		i = next
	}
}

// down hides what a node said last for as long as it could not say anything else.
func (s *svg) down(sc scale, node int, d down, y float64) {
	x, x2 := sc.x(d.from), sc.x(d.to)
	s.rect("down", x, y+1.5, x2-x, nodeHigh-4, fmt.Sprintf("node %d says nothing from %s to %s: %s", node, sc.seconds(d.from), sc.seconds(d.to), d.why))
	if x2-x > 34 {
		s.text("downname", (x+x2)/2, y+nodeHigh/2+2, "down")
	}
}

// roleClass keeps to the roles that have a pattern.
func roleClass(role string) string {
	switch role {
	case "leader", "follower":
		return role
	}
	return "other"
}

// track draws what one writer or reader did, and its longest stop if that was the cell's.
func (s *svg) track(sc scale, t *Track, y float64, stop *report.Stop) {
	s.text("lab", gutter-8, y+14, short(t.Name, 24))
	class, verb := "reads", "read"
	if t.Writes {
		class, verb = "acks", "acknowledged"
	}
	s.rect("lane", gutter, y+1, right-gutter, trackHigh-2, fmt.Sprintf("%s: %d %s; %s", t.Name, len(t.At), verb, t.How))
	n, top := sc.counts(t.At, t.Offset)
	s.bars(class, t.Name+" "+verb, n, top, y+trackHigh-2, trackHigh-4)
	for i, at := range t.Failed {
		if i < 50 {
			s.rect("failed", sc.x(at), y+2, 2, trackHigh-4, "a write failed at "+sc.seconds(at))
		}
	}
	if stop != nil && stop.Handle == t.Name && stop.MS > 0 {
		s.stop(sc, stop, y+3, trackHigh-6)
	}
}

// stop frames the longest time without progress.
func (s *svg) stop(sc scale, stop *report.Stop, y, h float64) {
	x, x2 := sc.x(stop.From), sc.x(stop.From+stop.MS*1e6)
	s.rect("stop", x, y, x2-x, h, fmt.Sprintf("%s stood still for %d ms from %s", stop.Handle, stop.MS, sc.seconds(stop.From)))
	if text := fmt.Sprintf("%d ms", stop.MS); x2-x > float64(len(text))*6+6 {
		s.text("stopname", (x+x2)/2, y+h/2+4, text)
	}
}

// throughput draws all acknowledgements and all deliveries of the cell a second.
func (s *svg) throughput(sc scale, tracks []*Track, y float64) float64 {
	var acks, reads []int64
	for _, t := range tracks {
		if t.Writes {
			acks = append(acks, t.At...)
		} else if t.Name != rawCopies {
			reads = append(reads, t.At...)
		}
	}
	const high = 30.0
	perBin := float64(bins) / (float64(sc.to-sc.from) / 1e9)
	nAcks, _ := sc.counts(acks, nil)
	nReads, _ := sc.counts(reads, nil)
	peak := max(largest(nAcks), largest(nReads))
	if peak == 0 {
		return y
	}
	most := max(full(nAcks), full(nReads))
	s.text("lab", gutter-8, y+12, "records/s")
	s.text("lab sub", gutter-8, y+25, fmt.Sprintf("at most %.0f", float64(peak)*perBin))
	s.smooth("t-acks", nAcks, y+high-2, high-6, most)
	s.smooth("t-reads", nReads, y+high-2, high-6, most)
	return y + high
}

func (s *svg) smooth(class string, n []int64, base, high float64, most int64) {
	if largest(n) == 0 {
		return
	}
	s.printf(`<path class="%s" d="M`, class)
	for i, v := range n {
		s.printf("%s %s ", num(gutter+(float64(i)+0.5)*barWide), num(base-high*min(float64(v)/float64(most), 1)))
	}
	s.printf(`"/>`)
}

// lag draws how many records each follower was behind, where any was.
func (s *svg) lag(sc scale, told map[int][]seen, y float64) float64 {
	var most int64
	for _, states := range told {
		for _, st := range states {
			most = max(most, st.state.LagRecords)
		}
	}
	if most == 0 {
		return y
	}
	const high = 26.0
	s.text("lab", gutter-8, y+11, "lag, records")
	s.text("lab sub", gutter-8, y+23, fmt.Sprintf("at most %d", most))
	for id, states := range told {
		var at []float64
		var lag []int64
		for _, st := range states {
			at, lag = append(at, sc.x(st.at)), append(lag, st.state.LagRecords)
		}
		s.steps(fmt.Sprintf("lag l-%d", id), at, lag, right, y+high-2, high-5, most)
	}
	return y + high
}

// together puts the tracks beyond the first ones onto one, and leaves out those on which nothing happened.
func together(tracks []*Track) []*Track {
	var out []*Track
	var rest []string
	others := &Track{}
	for _, t := range tracks {
		switch {
		case len(t.At)+len(t.Failed) == 0:
		case len(out) < mostTracks:
			out = append(out, t)
		default:
			rest = append(rest, t.Name)
			others.At, others.Offset = append(others.At, t.At...), append(others.Offset, t.Offset...)
		}
	}
	if len(rest) > 0 {
		others.Name, others.How = fmt.Sprintf("%d others", len(rest)), strings.Join(rest, ", ")
		out = append(out, others)
	}
	return out
}

func short(s string, most int) string {
	if rs := []rune(s); len(rs) > most {
		return string(rs[:most-1]) + "…"
	}
	return s
}

// Told are the faults, notices and remarks of a cell as text, in order of time, for those who read instead of pointing.
func (c *Cell) Told() []string {
	sc := scale{c.First, c.Last}
	type line struct {
		at   int64
		text string
	}
	var lines []line
	for _, f := range c.Faults {
		lines = append(lines, line{f.At, f.tell(sc) + bites(f)})
	}
	for _, n := range c.Notes {
		what := ""
		if n.Kind == history.Retried {
			what = "tried again, for the first try showed nothing: "
		}
		lines = append(lines, line{n.At, what + n.Text})
	}
	sort.SliceStable(lines, func(i, j int) bool { return lines[i].at < lines[j].at })
	var out []string
	for _, l := range lines {
		out = append(out, sc.seconds(max(l.at, sc.from))+"  "+l.text)
	}
	return out
}

func bites(f *Fault) string {
	if f.BiteText == "" {
		return ""
	}
	return " (bite: " + strings.TrimSuffix(strings.TrimSpace(f.BiteText), ";") + ")"
}
