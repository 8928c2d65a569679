package main

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// cell is what the suite says of a cell, as far as it matters here.
type cell struct {
	Scenario string `json:"scenario"`
	Client   string `json:"client"`
	Status   string `json:"status"`
	Reason   string `json:"reason"`
}

// verdict is what became of a bug: an entry of mutants.json.
type verdict struct {
	Mutant string `json:"mutant"`
	Caught bool   `json:"caught"`
	// By is the cell, and the oracle with its rule or the scenario's own check that spoke.
	By      string  `json:"by"`
	Reason  string  `json:"reason"` // in full; of what was no catch, too
	Seconds float64 `json:"seconds"`
	// Passed are the cells that the unplanted build passes (entry "none").
	Passed []string `json:"passed,omitempty"`
}

// where is the cell that caught a bug.
func (v *verdict) where() (scenario, client string) {
	cell, _, _ := strings.Cut(v.By, ": ")
	scenario, client, _ = strings.Cut(cell, "/")
	return scenario, client
}

// judge looks for a cell that failed for a reason that the bug must show, and reports whether there is one.
func (v *verdict) judge(ran []cell, shows *regexp.Regexp) bool {
	for _, c := range ran {
		if c.Status != "fail" {
			continue
		}
		complaint := complaintIn(c.Reason, shows)
		v.By, v.Reason = c.Scenario+"/"+c.Client+": "+complaint, c.Reason
		if complaint != "" {
			v.Caught = true
			return true
		}
		v.By = ""
		v.Reason = fmt.Sprintf("by accident? %s/%s failed, but not as this bug must show: %s", c.Scenario, c.Client, c.Reason)
	}
	return false
}

var oracleRule = regexp.MustCompile(`^oracle \d+, [\w-]+`)

// longest is how many characters of a scenario's own check are told.
const longest = 110

// complaintIn returns the first line of a reason that matches, shortened to what spoke; "" if none does.
func complaintIn(reason string, shows *regexp.Regexp) string {
	for line := range strings.Lines(reason) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "logs: ") || strings.HasPrefix(line, "again: ") || !shows.MatchString(line) {
			continue
		}
		if rule := oracleRule.FindString(line); rule != "" {
			return rule
		}
		if utf8.RuneCountInString(line) > longest {
			line = string([]rune(line)[:longest]) + "…"
		}
		return line
	}
	return ""
}

func (v *verdict) line() string {
	if v.Caught {
		return fmt.Sprintf("  ✓  %-25s caught by %s (%.0f s)", v.Mutant, v.By, v.Seconds)
	}
	if v.Reason == "" {
		return fmt.Sprintf("  ✗  %-25s NOT CAUGHT: every cell passed (%.0f s)", v.Mutant, v.Seconds)
	}
	return fmt.Sprintf("  ✗  %-25s NOT CAUGHT (%.0f s): %s", v.Mutant, v.Seconds, strings.ReplaceAll(v.Reason, "\n", "\n       "))
}
