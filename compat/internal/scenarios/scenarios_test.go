package scenarios

import (
	"strings"
	"testing"

	"lockstep/compat/internal/clients"
)

func TestDiff(t *testing.T) {
	tests := []struct{ name, want, got, says string }{
		{"equal", "a\nb\n", "a\nb\n", ""},
		{"another line", "a\nb\n", "a\nB\n", "line 2"},
		{"a line fewer", "a\nb\n", "a\n", "line 2"},
		{"out of order", "a\nb\n", "b\na\n", "line 1"},
		{"no end of line", "a\n", "a", "expected 1 lines, got 0"},
	}
	for _, tt := range tests {
		got := diff([]byte(tt.want), []byte(tt.got))
		if (got == "") != (tt.says == "") || !strings.Contains(got, tt.says) {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

// Every client has a part, every scenario has a client, and ids are told apart.
func TestThePlanIsWhole(t *testing.T) {
	seen := map[string]bool{}
	parts := map[string]int{}
	for _, sc := range All() {
		if seen[sc.ID] {
			t.Errorf("two scenarios are called %s", sc.ID)
		}
		seen[sc.ID] = true
		if (sc.Run == nil) == (sc.RunAll == nil) || sc.Limit == 0 || sc.Title == "" {
			t.Errorf("%s is not whole", sc.ID)
		}
		with := 0
		for _, k := range clients.All() {
			if sc.With == nil || sc.With(k) {
				with++
				parts[k.Name]++
			}
		}
		if with == 0 {
			t.Errorf("%s has no client", sc.ID)
		}
	}
	for _, k := range clients.All() {
		if parts[k.Name] == 0 {
			t.Errorf("%s has no scenario", k.Name)
		}
	}
	for _, id := range []string{"1.1", "1.2", "1.3", "1.4", "1.5", "2.1", "2.2", "2.3", "2.4", "2.5", "3.1", "3.2", "4.1", "4.2", "4.3", "5.1", "5.2"} {
		if !seen[id] {
			t.Errorf("there is no scenario %s", id)
		}
	}
}
