package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table is the results for a terminal: a line for each figure that there is, and why others are not.
func table(rs []Result) string {
	head := []string{"row", "class", "ours", "Kafka", "tuned", "unit", "ratio", "spread", "of limit", "goal", ""}
	lines := [][]string{head}
	for _, r := range rs {
		if r.Ours == nil && r.Kafka == nil && r.Tuned == nil {
			continue
		}
		lines = append(lines, []string{r.Row, string(r.Class), value(r.Ours), value(r.Kafka), value(r.Tuned), r.Unit, value(r.Ratio), spread(r), percent(r.OfIt), r.Goal, verdict(r)})
	}
	widths := make([]int, len(head))
	for _, l := range lines {
		for i, cell := range l {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, l := range lines {
		var line strings.Builder
		for i, cell := range l {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if right := i == 2 || i == 3 || i == 4 || i == 6 || i == 8; right {
				line.WriteString(pad + cell + "  ")
			} else {
				line.WriteString(cell + pad + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	if notes := missing(rs); len(notes) > 0 {
		b.WriteString("\nNot measured:\n  " + strings.Join(notes, "\n  ") + "\n")
	}
	return b.String()
}

// missing is what was not measured of which row, and why.
func missing(rs []Result) []string {
	var notes []string
	for _, r := range rs {
		name, _, _ := strings.Cut(r.Row, ".")
		if note := strings.TrimSpace(name+" "+string(r.Class)) + ": " + r.Why; r.Why != "" && !contains(notes, note) {
			notes = append(notes, note)
		}
	}
	return notes
}

func value(v *float64) string {
	if v == nil {
		return "–"
	}
	return number(*v)
}

func percent(v *float64) string {
	if v == nil {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100**v)
}

func spread(r Result) string {
	if r.Spread == nil || len(r.Pairs) < 2 {
		return ""
	}
	return number(r.Spread[0]) + "–" + number(r.Spread[1])
}

func verdict(r Result) string {
	switch {
	case r.Goal == "":
		return ""
	case r.Met == nil:
		return "?"
	case *r.Met:
		return "met"
	default:
		return "missed"
	}
}
