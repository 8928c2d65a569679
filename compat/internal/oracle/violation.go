package oracle

import (
	"fmt"
	"strings"
	"time"

	"lockstep/compat/internal/history"
)

// Violation is one thing that must not be, with what a reader of the report needs to look into it: where (Topic,
// Partition, Offset, To), who saw it on which replica and when (Handle, Node, At), what was there and what should have
// been (Expected, Actual), and who had been told that it is stored (AckedBy, AckedN, AckedAt). What is unknown or does
// not apply is zero.
type Violation struct {
	Oracle    int    `json:"oracle"` // 1..8, the suite's numbering
	Rule      string `json:"rule"`   // a short stable name: lost, undelivered, differs, phantom, …
	Topic     string `json:"topic,omitempty"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`          // the first, where there is a run of them
	To        int64  `json:"to,omitempty"`    // one above the last of the run; 0: Offset alone
	Count     int    `json:"count,omitempty"` // records of the run; 0: one
	Handle    string `json:"handle,omitempty"`
	Node      int    `json:"node,omitempty"`     // the replica that showed it
	At        int64  `json:"at,omitempty"`       // ns since 1970
	AckedBy   string `json:"acked_by,omitempty"` // the producer
	AckedN    int64  `json:"acked_n,omitempty"`  // the number of its record
	AckedAt   int64  `json:"acked_at,omitempty"` // ns since 1970
	Expected  string `json:"expected,omitempty"`
	Actual    string `json:"actual,omitempty"`
	Message   string `json:"message"`
}

// seen begins a violation that e shows.
func seen(oracle int, rule string, e *history.Event) Violation {
	return Violation{Oracle: oracle, Rule: rule, Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Handle: e.Handle, Node: e.Node, At: e.At}
}

// of adds the write that was acknowledged.
func (v Violation) of(w *write) Violation {
	if w != nil && w.acked {
		v.AckedBy, v.AckedN, v.AckedAt = w.handle, w.n, w.ackedAt
	}
	return v
}

// say adds the message.
func (v Violation) say(format string, args ...any) Violation {
	v.Message = fmt.Sprintf(format, args...)
	return v
}

// String is one line for a person.
func (v Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "oracle %d, %s:", v.Oracle, v.Rule)
	switch {
	case v.Topic == "": // of a client as a whole
	case v.To > v.Offset+1:
		fmt.Fprintf(&b, " %s-%d offsets %d to %d", v.Topic, v.Partition, v.Offset, v.To-1)
	default:
		fmt.Fprintf(&b, " %s-%d offset %d", v.Topic, v.Partition, v.Offset)
	}
	var who []string
	if v.Handle != "" {
		who = append(who, v.Handle)
	}
	if v.Node != 0 {
		who = append(who, fmt.Sprintf("node %d", v.Node))
	}
	if who != nil {
		b.WriteString(" (" + strings.Join(who, ", ") + ")")
	}
	b.WriteString(": " + v.Message)
	if v.Expected != "" || v.Actual != "" {
		fmt.Fprintf(&b, "; expected %s; got %s", v.Expected, v.Actual)
	}
	if v.AckedAt != 0 {
		fmt.Fprintf(&b, "; acknowledged to %s as its record %d", v.AckedBy, v.AckedN)
		if v.At != 0 {
			fmt.Fprintf(&b, " %v %s", time.Duration(abs(v.At-v.AckedAt)).Round(100*time.Microsecond), beforeOrAfter(v.AckedAt, v.At))
		}
	}
	return b.String()
}

func abs(n int64) int64 { return max(n, -n) }

func beforeOrAfter(a, b int64) string {
	if a <= b {
		return "before"
	}
	return "after"
}

// Judge applies every oracle to the events of one cell.
func Judge(events []history.Event) []Violation {
	ix := newIndex(events)
	var all []Violation
	for _, oracle := range []func(*index) []Violation{acked, tail, oneValue, raw, committed, monotonic, epochs, sessions, linearizable, progress} {
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
