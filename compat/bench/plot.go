package main

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// Each system has its colour, the same in all plots; a dashed line is one that syncs before it acknowledges.
var colours = map[string]color.Color{
	ours: color.RGBA{0x1f, 0x6f, 0xb2, 0xff}, peers: color.RGBA{0xd0, 0x6a, 0x1c, 0xff}, "machine": color.RGBA{0x55, 0x55, 0x55, 0xff},
}

// Sizes of a plot.
const (
	plotWidth  = 17 * vg.Centimeter
	plotHeight = 9 * vg.Centimeter
)

func svgOf(p *plot.Plot) (template.HTML, error) {
	w, err := p.WriterTo(plotWidth, plotHeight, "svg")
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		return "", err
	}
	text := b.String()
	if at := strings.Index(text, "<svg"); at > 0 {
		text = text[at:] // the XML declaration has no place within a page
	}
	return template.HTML(text), nil // made by the plotting library, of numbers and our own names
}

// bars draws a pair of bars for each figure that is taken; "" if there are none.
func bars(results []Result, takes func(Result) bool) (template.HTML, error) {
	var names []string
	values := map[string]plotter.Values{}
	for _, r := range results {
		if !takes(r) || r.Ours == nil {
			continue
		}
		names = append(names, strings.TrimSuffix(strings.TrimSuffix(r.Row, ".throughput"), ".per_core"))
		values[ours] = append(values[ours], *r.Ours)
		theirs := 0.
		if r.Kafka != nil {
			theirs = *r.Kafka
		}
		values[peers] = append(values[peers], theirs)
	}
	if len(names) == 0 {
		return "", nil
	}
	p := plot.New()
	p.Y.Label.Text, p.Y.Min = "MB/s", 0
	p.Legend.Top = true
	p.Legend.Padding = vg.Points(2)
	width := min(vg.Points(26), plotWidth/vg.Length(3*len(names)))
	for i, system := range []string{ours, peers} {
		chart, err := plotter.NewBarChart(values[system], width)
		if err != nil {
			return "", err
		}
		chart.Color, chart.LineStyle.Width = colours[system], 0
		chart.Offset = width * vg.Length(float64(i)-0.5)
		p.Add(chart)
		p.Legend.Add(system, chart)
	}
	p.NominalX(names...)
	if len(names) > 3 {
		p.X.Tick.Label.Rotation = 0.35
		p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = -1, -0.4
	}
	p.Y.Max *= 1.25 // room for the legend
	return svgOf(p)
}

// curves are what rows of one name have kept under one name: a plot.
type curves struct {
	row, name string
	lines     []line
}

type line struct {
	system  string
	durable bool
	x, y    []float64
}

// group puts curves that belong together into plots, in the order in which they were first kept. Of several pairs
// the newest is drawn.
func group(samples []Sample) []curves {
	var out []curves
	for _, s := range samples {
		for _, c := range s.Curves {
			at := slices.IndexFunc(out, func(g curves) bool { return g.row == s.Row && g.name == c.Name })
			if at < 0 {
				out, at = append(out, curves{row: s.Row, name: c.Name}), len(out)
			}
			g := &out[at]
			g.lines = slices.DeleteFunc(g.lines, func(l line) bool { return l.system == s.System && l.durable == s.Durable })
			g.lines = append(g.lines, line{s.System, s.Durable, c.X, c.Y})
		}
	}
	return out
}

func (g curves) title() string { return g.row + ": " + g.name }

// labels are what is drawn, and over what.
func (g curves) labels() (y, x string) {
	y, x, _ = strings.Cut(g.name, " by ")
	return y, x
}

func (g curves) draw() (template.HTML, error) {
	p := plot.New()
	p.Y.Label.Text, p.X.Label.Text = g.labels()
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Points(2)
	tail := p.X.Label.Text == "percentile"
	var all, at []float64
	for _, l := range g.lines {
		var points plotter.XYs
		for i := range min(len(l.x), len(l.y)) {
			x := l.x[i]
			at = append(at, x)
			if tail {
				x = nines(x)
			}
			points = append(points, plotter.XY{X: x, Y: l.y[i]})
			all = append(all, l.y[i])
		}
		drawn, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return "", err
		}
		drawn.Color, drawn.Width = colours[l.system], vg.Points(1.6)
		dots.Color, dots.Radius = colours[l.system], vg.Points(1.5)
		name := l.system
		if l.durable {
			drawn.Dashes, name = []vg.Length{vg.Points(5), vg.Points(3)}, name+" (fsync)"
		}
		p.Add(drawn, dots)
		p.Legend.Add(name, drawn)
	}
	if tail {
		p.X.Tick.Marker = percentileTicks{}
	} else if ticks := factors(at); ticks != nil {
		p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, ticks
	}
	if wide(all) {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	} else {
		p.Y.Min = min(0, p.Y.Min)
		p.Y.Max *= 1.2 // room for the legend
	}
	p.Add(plotter.NewGrid())
	return svgOf(p)
}

// wide tells whether values, all above zero, are so far apart that small ones would lie on the axis.
func wide(values []float64) bool {
	return len(values) > 0 && slices.Min(values) > 0 && slices.Max(values) > 50*slices.Min(values)
}

// factors are ticks at places each of which is at least twice the one before, as whoever chooses by factors chooses them; nil
// for others.
func factors(at []float64) plot.ConstantTicks {
	places := slices.Compact(slices.Sorted(slices.Values(at)))
	var ticks plot.ConstantTicks
	for i, x := range places {
		if x <= 0 || i > 0 && x < 2*places[i-1] {
			return nil
		}
		ticks = append(ticks, plot.Tick{Value: x, Label: fmt.Sprint(x)})
	}
	if len(ticks) < 2 {
		return nil
	}
	return ticks
}

// nines stretches the upper end of the percentiles: 90, 99 and 99.9 are one apart.
func nines(percentile float64) float64 { return -math.Log10(1 - percentile/100) }

// percentileTicks name the percentiles on an axis of nines.
type percentileTicks struct{}

func (percentileTicks) Ticks(lowest, highest float64) []plot.Tick {
	var out []plot.Tick
	for _, p := range []float64{10, 50, 90, 99, 99.9, 99.99} {
		if at := nines(p); at >= lowest && at <= highest {
			out = append(out, plot.Tick{Value: at, Label: fmt.Sprint(p)})
		}
	}
	return out
}
