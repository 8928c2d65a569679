package oracle

import (
	"fmt"

	"lockstep/compat/internal/history"
)

// tail is oracle 8, and the part of oracle 1 that looks for what is missing: each reader that was meant to read a range
// has read all that was acknowledged in it. What lies behind the last record it was given is its tail (oracle 8: it
// stopped too early), what lies before it was skipped (oracle 1). Of both it says whether the record is lost, that is in
// no replica's log, or undelivered, and it says so of whole runs of records.
func tail(ix *index) []Violation {
	var vs []Violation
	for _, e := range ix.expects {
		vs = append(vs, missing(ix, e)...)
	}
	return vs
}

// Missing is the rule of what was acknowledged and not read, where no raw copy tells whether it is lost.
const Missing = "missing"

// gap is a run of records that a reader was not given.
type gap struct {
	rule    string
	holders string // which logs have them; of what is lost, which were looked at
	tail    bool
	first   *write
	last    int64
	count   int
}

func missing(ix *index, expect *history.Event) []Violation {
	key := of(expect)
	read := ix.byReads[expect.Handle][key]
	last := int64(-1)
	for offset := range read {
		last = max(last, offset)
	}
	var gaps []*gap
	var now *gap
	for _, offset := range sorted(ix.at[key]) {
		if offset < expect.Offset || offset >= expect.To {
			continue
		}
		if read[offset] {
			now = nil
			continue
		}
		w := ix.at[key][offset]
		rule, holders := ix.fate(w)
		isTail := offset > last
		if now == nil || now.rule != rule || now.holders != holders || now.tail != isTail {
			now = &gap{rule: rule, holders: holders, tail: isTail, first: w}
			gaps = append(gaps, now)
		}
		now.last = offset
		now.count++
	}
	if len(read) == 0 && gaps == nil {
		return []Violation{seen(1, "vacuous", expect).say("the reader read nothing, so nothing was checked")}
	}
	var vs []Violation
	for _, g := range gaps {
		vs = append(vs, g.violation(expect, last))
	}
	return vs
}

// fate tells what became of an acknowledged record that a reader missed, and which logs hold it, or do not.
func (ix *index) fate(w *write) (rule, holders string) {
	l := ix.finals[w.tp]
	if l == nil || w.ackedAt > l.at || w.offset < l.from {
		return Missing, ""
	}
	nodes := l.holders(w.offset)
	if len(nodes) == 0 {
		return "lost", named(l.nodes())
	}
	return "undelivered", named(nodes)
}

func (g *gap) violation(expect *history.Event, last int64) Violation {
	v := seen(1, g.rule, expect).of(g.first)
	if g.tail {
		v.Oracle = 8
	}
	v.Offset, v.To, v.Count = g.first.offset, g.last+1, g.count
	v.Expected, v.Actual = g.first.record.String(), "nothing"
	what := "1 record"
	if g.count > 1 {
		what = fmt.Sprintf("%d records", g.count)
	}
	where := "; the reader was given some that lie behind"
	switch {
	case g.tail && last < 0:
		where = "; the reader was given nothing at all"
	case g.tail:
		where = fmt.Sprintf("; the reader stopped after offset %d", last)
	}
	switch g.rule {
	case "lost":
		return v.say("%s acknowledged, but absent from the log of every replica that was copied (%s): lost%s", what, g.holders, where)
	case "undelivered":
		return v.say("%s acknowledged and in the logs of %s, but not delivered%s", what, g.holders, where)
	}
	return v.say("%s acknowledged but not read (no raw copy tells whether they are lost)%s", what, where)
}
