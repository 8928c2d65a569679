package page

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"

	"lockstep/compat/internal/history"
	"lockstep/compat/internal/oracle"
	"lockstep/compat/internal/report"
	"lockstep/compat/internal/report/timeline"
)

//go:embed assets
var assets embed.FS

// Name is the file that Write makes in a run's directory.
const Name = "report.html"

// model is what the templates show.
type model struct {
	Title     string
	Style     template.CSS
	Script    template.JS
	Head      head
	Counts    []count
	Problems  []*cell
	Clients   []string
	Rows      []*row
	Numbers   []clientNumbers
	Resume    table
	Delay     []delayRow
	Scaling   []scalingRow
	Incidents string // what of the run's files could not be read
}

// Write makes report.html in the run's directory and returns its path. Cells that failed are judged again from the history, for
// the cards; found, where it is not nil, brings violations that are known already, by the cell's name. A history that
// is missing or damaged costs the pictures, not the page: it says so.
func Write(dir string, found map[string][]oracle.Violation) (string, error) {
	body, err := os.ReadFile(filepath.Join(dir, "results.json"))
	if err != nil {
		return "", err
	}
	var r report.Results
	if err := json.Unmarshal(body, &r); err != nil {
		return "", fmt.Errorf("results.json: %w", err)
	}
	m, err := build(&r, dir, found)
	if err != nil {
		return "", err
	}
	html, err := render(m)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, Name)
	// As a whole or not at all: somebody may be looking at the one before.
	if err := os.WriteFile(path+".new", html, 0o644); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}

func build(r *report.Results, dir string, found map[string][]oracle.Violation) (*model, error) {
	looked := map[string]bool{} // cells that get cards
	for _, c := range r.Cells {
		name := c.Scenario + "/" + c.Client
		if c.Status == report.Fail || c.Status == report.Unknown || len(found[name]) > 0 {
			looked[name] = true
		}
	}
	m := &model{}
	digests, err := digest(dir, func(cell string) bool { return looked[cell] })
	if err != nil {
		m.Incidents = err.Error()
	}
	logs, err := readLogs(dir)
	if err != nil {
		m.Incidents += " " + err.Error()
	}
	m.fill(r, digests)
	for _, row := range m.Rows {
		for _, c := range row.Cells {
			if c == nil || !looked[c.Name()] {
				continue
			}
			vs := found[c.Name()]
			if d := digests[c.Name()]; d != nil {
				if vs == nil {
					vs = oracle.Judge(judged(d.Events))
				}
				c.Cards, c.MoreCards = cards(vs, d, logs, c.Reproduce)
			}
			m.Problems = append(m.Problems, c)
		}
	}
	return m, nil
}

// judged is the part of a cell's history that oracles look at: without the verdict that ended it.
func judged(events []history.Event) []history.Event {
	if n := len(events); n > 0 && events[n-1].Kind == history.Verdict {
		return events[:n-1]
	}
	return events
}

// digest reads the history; a run that was killed has no end of it, and is shown all the same.
func digest(dir string, keep func(string) bool) (map[string]*timeline.Cell, error) {
	f, err := os.Open(filepath.Join(dir, "history.jsonl"))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errors.New("there is no history.jsonl, so there are no timelines")
		}
		return nil, err
	}
	defer f.Close()
	return timeline.Read(f, keep)
}

func render(m *model) ([]byte, error) {
	style, err := assets.ReadFile("assets/style.css")
	if err != nil {
		return nil, err
	}
	script, err := assets.ReadFile("assets/page.js")
	if err != nil {
		return nil, err
	}
	m.Style, m.Script = template.CSS(style), template.JS(script)
	t, err := template.New("page.html").ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, m); err != nil {
		return nil, fmt.Errorf("make the report: %w", err)
	}
	return out.Bytes(), nil
}
