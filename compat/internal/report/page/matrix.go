package page

import (
	"html/template"
	"strings"

	"lockstep/compat/internal/report"
	"lockstep/compat/internal/report/timeline"
)

// row is one scenario: a row of the matrix, and a section with its cells.
type row struct {
	ID, Title string
	Cells     []*cell       // one for each client; nil where the scenario is not meant for it
	Compare   template.HTML // all clients below each other, where they ran at once
}

// cell is one scenario with one client.
type cell struct {
	report.Cell
	Shown     report.Status
	Mark      string
	Word      string
	Anchor    string
	Picture   template.HTML
	Told      []string
	Cards     []card
	MoreCards int
}

// Name is the cell's name in the history.
func (c *cell) Name() string { return c.Scenario + "/" + c.Client }

// Bytes as people read them.
func (c *cell) Size() string { return size(c.Cell.Bytes) }

// ProxySize is what crossed the followers' proxies.
func (c *cell) ProxySize() string { return size(c.ProxyBytesFollower) }

// FirstLine is the reason in short.
func (c *cell) FirstLine() string {
	line, _, _ := strings.Cut(c.Reason, "\n")
	return line
}

// fill makes everything but the cards.
func (m *model) fill(r *report.Results, digests map[string]*timeline.Cell) {
	m.Title = "Compatibility report: " + r.Target
	m.Head, m.Counts = newHead(r), countAll(r.Cells)
	rows := map[string]*row{}
	column := map[string]int{}
	for _, c := range r.Cells {
		if _, there := column[c.Client]; !there {
			column[c.Client] = len(m.Clients)
			m.Clients = append(m.Clients, c.Client)
		}
	}
	for _, c := range r.Cells {
		w := rows[c.Scenario]
		if w == nil {
			w = &row{ID: c.Scenario, Title: c.Title, Cells: make([]*cell, len(m.Clients))}
			rows[c.Scenario] = w
			m.Rows = append(m.Rows, w)
		}
		w.Cells[column[c.Client]] = newCell(c, digests[c.Scenario+"/"+c.Client])
	}
	for _, w := range m.Rows {
		var cs []timeline.Client
		for _, c := range w.Cells {
			if c == nil || c.Status == report.Skip {
				continue
			}
			cs = append(cs, timeline.Client{Name: c.Client, Cell: digests[c.Name()], Stop: c.Stop})
		}
		if timeline.SameFaults(cs) {
			w.Compare = timeline.Compare(cs)
		}
	}
	m.Numbers, m.Resume, m.Delay, m.Scaling = numbers(r.Cells), resume(r.Cells), delays(r.Cells), scaling(r.Cells)
}

func newCell(c report.Cell, d *timeline.Cell) *cell {
	s := statusOf(c)
	out := &cell{Cell: c, Shown: s, Mark: marks[s], Word: words[s], Anchor: anchor(c.Scenario + "-" + c.Client)}
	if d != nil && c.Status != report.Skip {
		out.Picture, out.Told = timeline.Draw(d, c.Stop), d.Told()
	}
	return out
}

// anchor is a name that is good in an address.
func anchor(s string) string {
	return "c-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, s)
}
