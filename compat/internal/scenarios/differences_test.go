package scenarios

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/scenario"
)

// Every difference is about a target, a scenario and a client that there are, says what and why, and is in the README.
func TestDifferencesTable(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]*scenario.Scenario{}
	for _, sc := range All() {
		byID[sc.ID] = sc
	}
	seen := map[string]bool{}
	for _, d := range Differences() {
		name := d.Target + " " + d.Scenario + " " + d.Client + " " + d.Seen
		if seen[name] {
			t.Errorf("%s: twice", name)
		}
		seen[name] = true
		if d.Target != "kafka" {
			t.Errorf("%s: the suite has no differences of this target: its failures are to be fixed", name)
		}
		if d.What == "" || d.Why == "" {
			t.Errorf("%s: no words for it", name)
		}
		if _, err := regexp.Compile(d.Seen); err != nil || d.Seen == "" {
			t.Errorf("%s: not a pattern: %v", name, err)
		}
		sc := byID[d.Scenario]
		if sc == nil {
			t.Errorf("%s: there is no such scenario", name)
			continue
		}
		takesPart := false
		for _, k := range clients.All() {
			of := scenario.Differences{d}.Of(d.Target, d.Scenario, k.Name)
			takesPart = takesPart || len(of) == 1 && (sc.With == nil || sc.With(k))
		}
		if !takesPart {
			t.Errorf("%s: no client that takes part could show it", name)
		}
		if !strings.Contains(string(readme), d.What) {
			t.Errorf("%s: the README does not say that %s", name, d.What)
		}
	}
}
