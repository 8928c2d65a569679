package main

import (
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const module = "lockstep/"

// layers of broker/internal: a package imports only from lower ones.
var layers = map[string]int{
	"node": 6, "server": 5, "api": 5, "group": 4, "controller": 4, "shard": 3, "partition": 2, "rafttransport": 2,
	"shardlog": 1, "checksum": 0, "mutant": 0, "recordbatch": 0, "vfs": 0, "config": 0, "metrics": 0,
}

// sideways are imports within a layer that are meant.
var sideways = map[string]string{"server": "api"}

func TestLayers(t *testing.T) {
	entries, err := os.ReadDir("internal")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, e := range entries {
		name := e.Name()
		layer, known := layers[name]
		if !known {
			t.Errorf("package %s is in no layer", name)
			continue
		}
		seen++
		for _, path := range imports(t, filepath.Join("internal", name)) {
			below, own := strings.CutPrefix(path, module+"broker/internal/")
			if !own {
				if strings.HasPrefix(path, module) {
					t.Errorf("package %s imports %s, which is no part of the broker", name, path)
				}
				continue
			}
			if to, known := layers[below]; sideways[name] != below && (!known || to >= layer) {
				t.Errorf("package %s imports %s, which is not below it", name, below)
			}
		}
	}
	if seen != len(layers) {
		t.Errorf("%d packages, of %d in the layers: take those that are gone out", seen, len(layers))
	}
}

// TestSuiteStandsAlone: what judges brokers must know none from inside.
func TestSuiteStandsAlone(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(filepath.Join("..", "compat"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if d.Name() == "testdata" || d.Name() != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if sources, err := filepath.Glob(filepath.Join(path, "*.go")); err != nil || len(sources) == 0 {
			return err
		}
		seen++
		for _, imported := range imports(t, path) {
			if strings.HasPrefix(imported, module+"broker") {
				t.Errorf("%s imports %s", path, imported)
			}
		}
		return nil
	})
	if err != nil || seen == 0 {
		t.Errorf("%d packages, %v", seen, err)
	}
}

// imports lists what a package imports, its tests left out.
func imports(t *testing.T, dir string) []string {
	t.Helper()
	p, err := build.ImportDir(dir, 0)
	if err != nil {
		t.Errorf("%s: %v", dir, err)
		return nil
	}
	return p.Imports
}
