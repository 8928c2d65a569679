package page

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	h "lockstep/compat/internal/history"
	"lockstep/compat/internal/report"

	"golang.org/x/net/html"
)

const nasty = `</pre><script>alert("x")</script>` + "\x00\x1b[31m"

// run writes a run's directory: one cell that passed, one whose reader got another value, one skip.
func run(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	r := &report.Results{Target: "lockstep", Runtime: "process", Seed: 7, Run: report.RunInfo{Again: "make compat SEED=7"}}
	r.Add(report.Cell{Scenario: "5.1", Client: "java", Title: "a cut", Status: report.Pass, Records: 2, Resume: map[string]int64{"follower killed": 1234},
		Scaling: &report.Scaling{LinkKBps: 2000, Times: 2.75, Leader: report.Carried{Seconds: 9, Bytes: map[int]int64{1: 18e6, 2: 1000, 3: 2000}},
			Spread: report.Carried{Seconds: 3, Bytes: map[int]int64{1: 6e6, 2: 5.9e6, 3: 5.8e6}}},
		Delay: map[string]report.Delay{"idle": {Leader: report.Spread{P50: 1, P99: 2}, Follower: report.Spread{P50: 3.5, P99: 9}, Extra: report.Spread{P50: 2.5, P99: 7}}}})
	r.Add(report.Cell{Scenario: "5.1", Client: "kcat", Title: "a cut", Status: report.Fail, Reason: "oracle 1: " + nasty, Records: 2, Reproduce: "make compat SCENARIO=5.1 CLIENT=kcat"})
	r.Add(report.Cell{Scenario: "6.1", Client: "java", Title: "random", Status: report.Skip, Reason: "not here"})
	r.Add(report.Cell{Scenario: "6.1", Client: "kcat", Title: "random", Status: report.Pass, Known: "it <b>differs</b>", Records: 1})
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	var lines []byte
	for _, cell := range []string{"5.1/java", "5.1/kcat"} {
		for _, e := range events(cell) {
			line, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(append(lines, line...), '\n')
		}
	}
	write(t, filepath.Join(dir, "history.jsonl"), string(lines))
	write(t, filepath.Join(dir, "nodes", "node-2.log"), "time=2026-01-02T03:04:05.500Z level=INFO msg=\"near <it>\"\ntime=2026-01-02T03:05:05Z level=INFO msg=\"much later\"\n")
	return dir
}

func write(t *testing.T, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
}

const start = int64(1767323045000000000) // 2026-01-02T03:04:05Z

func events(cell string) []h.Event {
	value, got := "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"
	if cell == "5.1/kcat" {
		got = "abcdefghijklmnopqRstuvwxyz" + nasty
	}
	rec := func(v string) *h.Record { return &h.Record{Key: h.Text("k"), Value: h.Text(v), Timestamp: 5} }
	es := []h.Event{
		{Kind: h.Opened, Handle: "p", Name: "producer", Text: nasty},
		{Kind: h.Replica, Node: 1, Topic: "t", State: &h.ReplicaState{Role: "leader", Leader: 1, Epoch: 3}},
		{Kind: h.Replica, Node: 2, Topic: "t", State: &h.ReplicaState{Role: "follower", Leader: 1, Epoch: 3}},
		{Kind: h.Sent, Handle: "p", Topic: "t", Record: rec(value)},
		{Kind: h.Acked, Handle: "p", Topic: "t", Offset: 0},
		{Kind: h.Fault, Name: "refused [client-2] " + nasty},
		{Kind: h.Bitten, Name: "refused [client-2] " + nasty, Text: "connection refused"},
		{Kind: h.Replica, Node: 2, Topic: "t", State: &h.ReplicaState{Role: "leader", Leader: 2, Epoch: 4, HighWatermark: 1}},
		{Kind: h.Healed, Name: "refused [client-2] " + nasty},
		{Kind: h.Gone, Name: "refused [client-2] " + nasty, Text: "an answer"},
		{Kind: h.Read, Handle: "c", Topic: "t", Offset: 0, Record: rec(got)},
		{Kind: h.Expect, Handle: "c", Topic: "t", To: 1},
	}
	for i := range es {
		es[i].At, es[i].Cell = start+int64(i)*1e8, cell
	}
	return es
}

// page writes the page of dir and parses it.
func page(t *testing.T, dir string) (*html.Node, string) {
	t.Helper()
	path, err := Write(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	return doc, string(body)
}

// all are the elements below n of a name whose attribute is as wanted ("" for any).
func all(n *html.Node, name, key, value string) []*html.Node {
	var out []*html.Node
	for d := range n.Descendants() {
		if d.Type != html.ElementNode || d.Data != name {
			continue
		}
		if got, there := attr(d, key); key == "" || there && (value == "" || got == value) {
			out = append(out, d)
		}
	}
	return out
}

func attr(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func TestMatrixLinksToEveryCell(t *testing.T) {
	doc, _ := page(t, run(t))
	matrix := all(doc, "table", "class", "matrix")[0]
	want := map[string]string{"c-5-1-java": "✓ pass", "c-5-1-kcat": "✗ FAIL", "c-6-1-java": "– skip", "c-6-1-kcat": "≠ known difference"}
	for anchor, word := range want {
		links := all(matrix, "a", "href", "#"+anchor)
		if len(links) != 1 || !strings.HasPrefix(text(links[0]), word) {
			t.Errorf("%s: want one link that says %q, got %d", anchor, word, len(links))
		}
		if n := len(all(doc, "details", "id", anchor)); n != 1 {
			t.Errorf("%s: %d targets", anchor, n)
		}
	}
	if rows := len(all(matrix, "tr", "", "")); rows != 3 {
		t.Errorf("%d rows, want a head and two scenarios", rows)
	}
}

func TestCardShowsWhatDiffered(t *testing.T) {
	doc, _ := page(t, run(t))
	cards := all(doc, "article", "class", "card")
	if len(cards) == 0 {
		t.Fatal("no card for a cell that failed")
	}
	card := text(cards[0])
	for _, want := range []string{"oracle 1", "differs", "t-0 offset 0", "record 0 of p, acknowledged at offset 0", "near <it>", "make compat SCENARIO=5.1 CLIENT=kcat"} {
		if !strings.Contains(card, want) {
			t.Errorf("no %q in the card", want)
		}
	}
	if strings.Contains(card, "much later") {
		t.Error("a log line of another time is in the card")
	}
	var marked []string
	for _, m := range all(cards[0], "mark", "", "") {
		marked = append(marked, text(m))
	}
	// 'r' was sent and 'R' came, in hex and as text; what was appended is marked as well.
	if got := strings.Join(marked, " "); !strings.Contains(got, "72 r 52") {
		t.Errorf("marked as different: %q", got)
	}
	if strings.Contains(card, "7a z") {
		t.Error("an equal byte is marked")
	}
	if detail := all(doc, "details", "id", "c-5-1-kcat")[0]; !hasAttr(detail, "open") {
		t.Error("the cell with a card is closed")
	}
}

func hasAttr(n *html.Node, key string) bool { _, there := attr(n, key); return there }

func TestNothingForeignIsMarkup(t *testing.T) {
	doc, body := page(t, run(t))
	if n := len(all(doc, "script", "", "")); n != 1 {
		t.Errorf("%d scripts, want the page's own", n)
	}
	if strings.Contains(body, "\x00") || strings.Contains(body, "<b>differs") {
		t.Error("control characters or markup of a cell came through")
	}
	for _, n := range append(all(doc, "link", "", ""), append(all(doc, "img", "", ""), all(doc, "script", "src", "")...)...) {
		t.Errorf("an outside resource: %s %v", n.Data, n.Attr)
	}
	for _, attrName := range []string{"href", "src"} {
		for d := range doc.Descendants() {
			if v, there := attr(d, attrName); there && !strings.HasPrefix(v, "#") {
				t.Errorf("%s=%q leads out of the page", attrName, v)
			}
		}
	}
}

func TestTimelineTellsEpochsFaultsAndHandles(t *testing.T) {
	doc, _ := page(t, run(t))
	cell := all(doc, "details", "id", "c-5-1-java")[0]
	pictures := all(cell, "svg", "class", "tl")
	if len(pictures) != 1 {
		t.Fatalf("%d timelines", len(pictures))
	}
	got := text(pictures[0])
	for _, want := range []string{"node 1", "node 2", "leader in epoch 4 from 0.700 s", "seen to bite at 0.600 s: connection refused", "seen to be gone at 0.900 s"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in the timeline", want)
		}
	}
	for _, lane := range []string{"p acknowledged", "c read"} {
		if len(all(pictures[0], "path", "data-n", lane)) != 1 {
			t.Errorf("no lane %q", lane)
		}
	}
	if n := len(all(doc, "figure", "", "")); n != 1 {
		t.Errorf("%d comparisons of clients that ran at once, want that of 5.1", n)
	}
}

func TestNumbers(t *testing.T) {
	doc, _ := page(t, run(t))
	got := text(all(doc, "section", "id", "numbers")[0])
	for _, want := range []string{"follower killed", "1 234 ms", "+2.5", "+7.0", "2.75 ×", "18 000 kB", "one at each node"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in the numbers", want)
		}
	}
}

func TestPageOfADamagedRun(t *testing.T) {
	dir := run(t)
	body, err := os.ReadFile(filepath.Join(dir, "history.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "history.jsonl"), string(body[:len(body)-30]))
	doc, _ := page(t, dir)
	if !strings.Contains(text(doc), "Not everything of this run could be read") {
		t.Error("the page does not say that its history is damaged")
	}
	if len(all(doc, "svg", "class", "tl")) == 0 {
		t.Error("what could be read is not drawn")
	}
	if err := os.Remove(filepath.Join(dir, "history.jsonl")); err != nil {
		t.Fatal(err)
	}
	if doc, _ := page(t, dir); !strings.Contains(text(doc), "no history.jsonl") {
		t.Error("the page does not say that there is no history")
	}
}

func TestVerdictInWords(t *testing.T) {
	cells := func(ss ...report.Status) *report.Results {
		r := &report.Results{}
		for _, s := range ss {
			r.Add(report.Cell{Status: s})
		}
		return r
	}
	tests := []struct {
		r      *report.Results
		status report.Status
		words  string
	}{
		{cells(), report.Unknown, "No cell ran"},
		{cells(report.Pass, report.Skip), report.Pass, "The one cell that ran passed, 1 skipped with a reason"},
		{cells(report.Pass, report.Pass), report.Pass, "All 2 cells passed"},
		{cells(report.Pass, report.Unknown), report.Unknown, "Nothing failed, but 1 of 2 cells showed nothing"},
		{cells(report.Fail, report.Unknown, report.Pass), report.Fail, "1 of 3 cells failed, 1 showed nothing"},
		{cells(report.Skip), report.Skip, "All 1 cells were skipped"},
	}
	for _, tt := range tests {
		if s, w := verdict(tt.r); s != tt.status || w != tt.words {
			t.Errorf("got %s, %q; want %s, %q", s, w, tt.status, tt.words)
		}
	}
}

func TestValuesThatDifferBehindTheirBeginning(t *testing.T) {
	long := []byte(strings.Repeat("x", 3000))
	other := append([]byte(nil), long...)
	other[2000] = 'y'
	w, g := h.Of(long), h.Of(other)
	if _, a := compareBytes(&w, &g); !strings.Contains(a.Note, "behind the beginning") {
		t.Errorf("%q", a.Note)
	}
	if _, a := compareBytes(&w, &w); strings.Contains(a.Note, "behind the beginning") {
		t.Errorf("equal values are said to differ: %q", a.Note)
	}
}

func TestTimesOfLogLines(t *testing.T) {
	for line, want := range map[string]bool{
		"time=2026-11-24T14:44:41.441Z level=INFO": true, "[2026-11-24 14:44:41,445] INFO x (kafka)": true,
		"\tat java.lang.Thread": false, "time=yesterday": false,
	} {
		if _, got := timeOf(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}
