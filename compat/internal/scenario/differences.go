package scenario

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"lockstep/compat/internal/oracle"
)

// Difference is what a target is known to do otherwise than a scenario wants. A cell that shows it, and nothing else that is
// wrong, passes with a known difference; one that does not show it fails, for then the list is wrong.
type Difference struct {
	Target   string // its name
	Scenario string // its id
	Client   string // regular expression of whole names; "": every client that takes part
	// Seen is a regular expression for the complaint, or the violation's line, by which the difference is known.
	Seen string
	// Rare: it takes a moment that not every run hits, so that a cell may as well not show it.
	Rare bool
	// What the target does instead, as readers of the report are told.
	What string
	// Why is the reason and its source.
	Why string
}

// Differences is a list of them.
type Differences []Difference

// Of are the differences of a target in one cell.
func (ds Differences) Of(target, scenario, client string) Differences {
	var out Differences
	for _, d := range ds {
		if d.Target == target && d.Scenario == scenario && (d.Client == "" || regexp.MustCompile("^(?:"+d.Client+")$").MatchString(client)) {
			out = append(out, d)
		}
	}
	return out
}

// Part parts complaints: those that a difference of the list explains, whose differences are returned, and the rest. What shows
// nothing, or could not run, is never explained.
func (ds Differences) Part(complaints []error) (shown Differences, rest []error) {
	seen := make([]bool, len(ds))
	for _, err := range flat(complaints) {
		i := slices.IndexFunc(ds, func(d Difference) bool {
			return !IsUnknown(err) && !isSkip(err) && regexp.MustCompile(d.Seen).MatchString(err.Error())
		})
		if i < 0 {
			rest = append(rest, err)
			continue
		}
		seen[i] = true
	}
	for i, d := range ds {
		if seen[i] {
			shown = append(shown, d)
		}
	}
	return shown, rest
}

// Unexplained is Part for violations.
func (ds Differences) Unexplained(vs []oracle.Violation) (shown Differences, rest []oracle.Violation) {
	for _, v := range vs {
		explains, _ := ds.Part([]error{errors.New(v.String())})
		if len(explains) == 0 {
			rest = append(rest, v)
		}
		for _, d := range explains {
			if !slices.Contains(shown, d) {
				shown = append(shown, d)
			}
		}
	}
	return shown, rest
}

// Gone are the differences that should have shown and are not among those shown, as complaints.
func (ds Differences) Gone(shown Differences) []error {
	var out []error
	for _, d := range ds {
		if !d.Rare && !slices.Contains(shown, d) {
			out = append(out, fmt.Errorf("the difference is no more, or was not seen: take it off the list of %s: %s (looked for %q)", d.Target, d.What, d.Seen))
		}
	}
	return out
}

// String is what the report tells.
func (ds Differences) String() string {
	var out []string
	for _, d := range ds {
		out = append(out, d.What+" ("+d.Why+")")
	}
	return strings.Join(out, "\n")
}

// flat takes joined errors apart.
func flat(errs []error) []error {
	var out []error
	for _, err := range errs {
		var joined interface{ Unwrap() []error }
		if err == nil {
			continue
		}
		if errors.As(err, &joined) && errors.Join(joined.Unwrap()...).Error() == err.Error() {
			out = append(out, flat(joined.Unwrap())...)
			continue
		}
		out = append(out, err)
	}
	return out
}
