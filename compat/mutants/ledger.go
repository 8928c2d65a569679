package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// none is the entry of the build without a bug, which comes last. To catch it is a complaint about a broker that is well.
const none = "none"

// keep writes what was found out into the file at path, in the order of the broker's list. What an earlier run found of bugs
// that this one has not looked at stays there.
func keep(path string, all []bug, found []verdict) error {
	earlier, err := readVerdicts(path)
	if err != nil {
		return err
	}
	names := []string{}
	for _, b := range all {
		names = append(names, b.name)
	}
	var out []verdict
	for _, name := range append(names, none) {
		is := func(v verdict) bool { return v.Mutant == name }
		now, before := slices.IndexFunc(found, is), slices.IndexFunc(earlier, is)
		switch {
		case now < 0 && before < 0:
			continue
		case now < 0:
			out = append(out, earlier[before])
			continue
		}
		v := found[now]
		if before >= 0 && !earlier[before].Caught { // only the unplanted build has cells that passed
			v.Passed = slices.Compact(slices.Sorted(slices.Values(slices.Concat(v.Passed, earlier[before].Passed))))
		}
		out = append(out, v)
	}
	body, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(body, '\n'), 0o644); err != nil {
		return fmt.Errorf("write verdicts: %w", err)
	}
	return nil
}

// readVerdicts reads what earlier runs have left; there may be nothing.
func readVerdicts(path string) ([]verdict, error) {
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read earlier verdicts: %w", err)
	}
	var out []verdict
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, fmt.Errorf("earlier verdicts in %s (remove it to begin anew): %w", path, err)
	}
	return out, nil
}
