package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"value": value, "percent": percent, "spread": spread, "verdict": verdict, "missing": missing,
}).Parse(pageHTML))

// figure is a plot with its title, as SVG.
type figure struct {
	Title string
	SVG   template.HTML
}

// page writes index.html: the table and the plots, in one file that needs nothing else.
func page(dir string, r Report, samples []Sample) error {
	plots, err := draw(r.Rows, samples)
	if err != nil {
		return err
	}
	met, missed := 0, 0
	for _, row := range r.Rows {
		switch verdict(row) {
		case "met":
			met++
		case "missed":
			missed++
		}
	}
	var b bytes.Buffer
	err = pageTemplate.Execute(&b, map[string]any{"Report": r, "Plots": plots, "Met": met, "Missed": missed})
	if err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "index.html"), b.Bytes(), 0o644)
}

// draw makes all plots that there is something for: throughput first, then every curve that rows have kept, in their order.
func draw(results []Result, samples []Sample) ([]figure, error) {
	var out []figure
	for _, chart := range []struct {
		title string
		takes func(Result) bool
	}{
		{"Throughput, class A: acknowledged from the page cache", throughputOf(ClassA)},
		{"Throughput, class B: synced before it is acknowledged", throughputOf(ClassB)},
		{"Throughput, each as it comes: ours syncs, Kafka does not", throughputOf(Defaults)},
		{"Throughput by CPU time: MB for each second of all brokers' CPU", func(r Result) bool { return strings.HasSuffix(r.Row, ".per_core") && r.Class != "" }},
	} {
		svg, err := bars(results, chart.takes)
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", chart.title, err)
		}
		if svg != "" {
			out = append(out, figure{chart.title, svg})
		}
	}
	for _, g := range group(samples) {
		svg, err := g.draw()
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", g.title(), err)
		}
		out = append(out, figure{g.title(), svg})
	}
	return out, nil
}

// throughputOf are the figures that are throughputs of a class.
func throughputOf(class Class) func(Result) bool {
	return func(r Result) bool {
		return r.Class == class && r.Unit == "MB/s" && !strings.HasSuffix(r.Row, ".per_core")
	}
}
