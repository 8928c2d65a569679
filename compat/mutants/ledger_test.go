package main

import (
	"path/filepath"
	"reflect"
	"testing"
)

// TestKeep: a run that looked at some bugs only leaves the others' entries, and adds to the cells that the unplanted build
// passes.
func TestKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mutants.json")
	all := []bug{{name: "a"}, {name: "b"}, {name: "c"}}
	for _, found := range [][]verdict{
		{{Mutant: "b", Reason: "missed"}, {Mutant: "gone", Caught: true}, {Mutant: none, Passed: []string{"2.1/x"}}},
		{{Mutant: "c", Caught: true, By: "oracle 2"}, {Mutant: "a"}},
		{{Mutant: "b", Caught: true, By: "oracle 1"}, {Mutant: none, Passed: []string{"2.1/x", "1.4/x"}}},
	} {
		if err := keep(path, all, found); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readVerdicts(path)
	want := []verdict{{Mutant: "a"}, {Mutant: "b", Caught: true, By: "oracle 1"}, {Mutant: "c", Caught: true, By: "oracle 2"},
		{Mutant: none, Passed: []string{"1.4/x", "2.1/x"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; expected %+v", got, err, want)
	}
	if err := keep(path, all, []verdict{{Mutant: none, Caught: true}}); err != nil {
		t.Fatal(err)
	}
	if err := keep(path, all, []verdict{{Mutant: none, Passed: []string{"1.5/x"}}}); err != nil {
		t.Fatal(err)
	}
	if got, err := readVerdicts(path); err != nil || len(got) != 4 || got[3].Caught || !reflect.DeepEqual(got[3].Passed, []string{"1.5/x"}) {
		t.Errorf("after a control that failed: %+v, %v", got, err)
	}
}
