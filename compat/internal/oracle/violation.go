package oracle

import (
	"fmt"
	"strings"

	"lockstep/compat/internal/history"
)

// Violation is one thing that must not be. Unused fields are zero.
type Violation struct {
	Oracle    int    `json:"oracle"` // 1..8, the suite's numbering
	Rule      string `json:"rule"`   // a short stable name: lost, undelivered, differs, phantom, …
	Topic     string `json:"topic,omitempty"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Handle    string `json:"handle,omitempty"` // who saw it
	Expected  string `json:"expected,omitempty"`
	Actual    string `json:"actual,omitempty"`
	Message   string `json:"message"`
}

// String is one line for a person.
func (v Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "oracle %d, %s: %s-%d offset %d", v.Oracle, v.Rule, v.Topic, v.Partition, v.Offset)
	if v.Handle != "" {
		fmt.Fprintf(&b, " (%s)", v.Handle)
	}
	b.WriteString(": " + v.Message)
	if v.Expected != "" || v.Actual != "" {
		fmt.Fprintf(&b, "; expected %s; got %s", v.Expected, v.Actual)
	}
	return b.String()
}

// Judge applies every oracle to the events of one cell.
func Judge(events []history.Event) []Violation {
	ix := newIndex(events)
	var all []Violation
	for _, oracle := range []func(*index) []Violation{acked, oneValue, raw, monotonic} {
		all = append(all, oracle(ix)...)
	}
	return all
}

// Summary is the first violations, one a line, and how many more there are.
func Summary(vs []Violation, most int) string {
	var b strings.Builder
	for i, v := range vs {
		if i == most {
			fmt.Fprintf(&b, "\n… and %d more", len(vs)-most)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(v.String())
	}
	return b.String()
}
