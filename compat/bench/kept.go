package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lockstep/compat/internal/cluster"
)

// kept is what is known of a run, or of several that were added up: all else is made of it.
type kept struct {
	Machine Facts    `json:"machine"`
	Quick   bool     `json:"quick"` // some of it was measured in short
	Samples []Sample `json:"samples"`
}

// samplesFile is where it is kept.
const samplesFile = "samples.json"

// load adds what earlier runs have kept, if there is something.
func (k *kept) load(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, samplesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	quick := k.Quick
	if err == nil {
		err = json.Unmarshal(b, k)
	}
	k.Quick = k.Quick || quick
	if err != nil {
		return fmt.Errorf("what earlier runs have kept: %w", err)
	}
	return nil
}

// pairs is how many there are of the row that has most.
func (k *kept) pairs() int {
	n := 0
	for _, s := range k.Samples {
		n = max(n, s.Pair+1)
	}
	return n
}

// report writes everything that is known so far: the samples, results.json and the page.
func (k *kept) report(dir string) error {
	r := Report{Machine: k.Machine, Quick: k.Quick, Rows: results(rows(), k.Samples), KafkaJVM: strings.Join(cluster.StockJVM(), " "),
		TunedJVM: strings.Join(tunedJVM(), " "), TunedSettings: tunedSettings()}
	for _, row := range rows() {
		if how := (How{row.Name, row.What}); !slices.Contains(r.How, how) {
			r.How = append(r.How, how)
		}
	}
	return errors.Join(writeJSON(dir, samplesFile, k), writeJSON(dir, "results.json", r), page(dir, r, k.Samples))
}
