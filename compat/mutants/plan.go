package main

import (
	"fmt"
	"regexp"
)

// expectation is where a bug is looked for first, and what a reason says that is of its kind: the oracle that must speak,
// or a scenario's own check.
type expectation struct {
	where cells
	shows *regexp.Regexp
}

// likely are quick clients of different make, which are tried before the rest.
const likely = "franz-go|kafka-python-3"

func shows(text string) *regexp.Regexp { return regexp.MustCompile(text) }

// plan has an entry for each bug of the broker's list.
var plan = map[string]expectation{
	"serve-uncommitted":         {cells{`1\.4`, "franz-go"}, shows(`given a record|high watermark`)},
	"flipped-byte":              {cells{`2\.1`, "franz-go"}, shows(`oracle [13],|(?i)crc|checksum`)},
	"restamped":                 {cells{`2\.1`, "franz-go"}, shows(`oracle [13], (differs|not-as-sent|two-values)`)},
	"epoch-not-stamped":         {cells{`2\.1`, "franz-go"}, shows(`epoch`)},
	"skips-half-batch":          {cells{`2\.1`, "franz-go"}, shows(`oracle [1358], (hole|missing|skipped|undelivered|raw-fetch)`)},
	"ack-before-quorum":         {cells{`1\.4`, "franz-go"}, shows(`acknowledged that cannot`)},
	"loses-tail-on-restart":     {cells{`5\.18`, "franz-go"}, shows(`lost|oracle [1458],`)},
	"truncates-too-much":        {cells{`5\.13`, "franz-go"}, shows(`oracle [1345],|lost|KAFKA_STORAGE_ERROR`)},
	"forgets-hw-on-restart":     {cells{`5\.19`, "franz-go"}, shows(`records before its restart`)},
	"retry-duplicates":          {cells{`5\.15`, "franz-go"}, shows(`oracle 2,|stored twice`)},
	"forgets-producers":         {cells{`5\.15`, "franz-go"}, shows(`oracle 2,|stored twice`)},
	"stale-preferred":           {cells{`1\.6`, "franz-go"}, shows(`with the follower cut off.* still names`)},
	"prefers-itself":            {cells{`5\.16`, "franz-go"}, shows(`not even itself`)},
	"serves-when-off":           {cells{`1\.3`, "franz-go"}, shows(`NOT_LEADER|leader-only|switched off`)},
	"sleeps-through-commits":    {cells{`5\.16`, "franz-go"}, shows(`held is answered as soon as`)},
	"slow-commits":              {cells{`5\.5`, "franz-go"}, shows(`told late`)},
	"unverified-leader":         {cells{`5\.11`, "franz-go"}, shows(`oracle 6,`)},
	"stale-linearizable":        {cells{`5\.11`, "franz-go"}, shows(`oracle 6,`)},
	"offsets-forgotten":         {cells{`8\.1`, "franz-go"}, shows(`committed offset is`)},
	"commit-plus-one":           {cells{`8\.1`, "kafka-python-3"}, shows(`committed offset is`)},
	"out-of-order":              {cells{`5\.16`, "franz-go"}, shows(`order|correlation`)},
	"rebuilt-forgets-producers": {cells{`5\.17`, "franz-go"}, shows(`rebuilt node: .*stored twice`)},
	"hw-steps-back":             {cells{`2\.1`, "franz-go"}, shows(`oracle 5, fell|oracle 4, above-high-watermark`)},
	"time-off-by-one":           {cells{`5\.16`, "franz-go"}, shows(`a time's offset`)},
	"epochs-never-end":          {cells{`5\.16`, "franz-go"}, shows(`newest epoch ends`)},
}

// checkPlan makes sure that plan and the broker's list have the same bugs.
func checkPlan(all []bug) error {
	there := map[string]bool{}
	for _, b := range all {
		there[b.name] = true
		if plan[b.name].shows == nil {
			return fmt.Errorf("plan.go does not say how %s shows", b.name)
		}
	}
	for name := range plan {
		if !there[name] {
			return fmt.Errorf("plan.go has %s, which the broker does not know", name)
		}
	}
	return nil
}
