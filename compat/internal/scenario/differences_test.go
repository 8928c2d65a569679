package scenario

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"lockstep/compat/internal/oracle"
)

func TestDifferencesArePickedByCell(t *testing.T) {
	ds := Differences{{Target: "kafka", Scenario: "1.3", What: "all"}, {Target: "kafka", Scenario: "1.3", Client: "java|kcat", What: "two"},
		{Target: "kafka", Scenario: "5.4", What: "another scenario"}, {Target: "lockstep", Scenario: "1.3", What: "another target"}}
	for client, want := range map[string][]string{"java": {"all", "two"}, "java-console": {"all"}} {
		var got []string
		for _, d := range ds.Of("kafka", "1.3", client) {
			got = append(got, d.What)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", client, got, want)
		}
	}
}

// A difference explains what it names and nothing else, and must show.
func TestDifferences(t *testing.T) {
	serves := Difference{Target: "kafka", Seen: `version \d+: error <nil>`, What: "serves"}
	rare := Difference{Target: "kafka", Seen: "fell", Rare: true, What: "falls"}
	as := errors.New("node 2, version 11: error <nil>, 100 records")
	bad := errors.New("bad")
	tests := []struct {
		name        string
		list        Differences
		complaints  []error
		shown, rest int
		gone        int
	}{
		{"nothing is listed", nil, []error{bad}, 0, 1, 0},
		{"as listed", Differences{serves}, []error{as, as}, 1, 0, 0},
		{"wrapped and joined", Differences{serves}, []error{fmt.Errorf("in all: %w", errors.Join(as, as)), errors.Join(as, bad)}, 1, 1, 0},
		{"something else beside it", Differences{serves}, []error{as, bad}, 1, 1, 0},
		{"no more", Differences{serves}, nil, 0, 0, 1},
		{"what is rare need not show", Differences{rare}, nil, 0, 0, 0},
		{"one of two", Differences{serves, rare}, []error{as}, 1, 0, 0},
		{"what showed nothing is not explained", Differences{serves}, []error{Unknownf("%w", as)}, 0, 1, 1},
		{"nor what could not run", Differences{serves}, []error{Skipf("%w", as)}, 0, 1, 1},
	}
	for _, tt := range tests {
		shown, rest := tt.list.Part(tt.complaints)
		if len(shown) != tt.shown || len(rest) != tt.rest || len(tt.list.Gone(shown)) != tt.gone {
			t.Errorf("%s: %d shown, rest %v, gone %v", tt.name, len(shown), rest, tt.list.Gone(shown))
		}
	}
	vs := []oracle.Violation{{Oracle: 5, Rule: "fell", Message: "x"}, {Oracle: 5, Rule: "fell", Message: "y"}, {Oracle: 1, Rule: "differs"}}
	shown, rest := Differences{serves, rare}.Unexplained(vs)
	if len(shown) != 1 || shown[0] != rare || len(rest) != 1 || rest[0].Rule != "differs" {
		t.Errorf("of violations: %v explained, rest %v", shown, rest)
	}
}
