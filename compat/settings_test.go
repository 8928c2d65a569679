package compat

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"lockstep/compat/internal/cluster"
)

// settings is what the environment says. See README.md.
type settings struct {
	root     string
	scenario *regexp.Regexp   // SCENARIO
	client   *regexp.Regexp   // CLIENT
	runtime  string           // RUNTIME
	why      string           // why this runtime
	target   cluster.Target   // TARGET
	seed     uint64           // SEED
	failFast bool             // FAILFAST
	out      string           // OUT: the run's directory, "" for a new one
	external cluster.External // BOOTSTRAP, LOCAL_BOOTSTRAP, HTTP, TOXIPROXY
}

func readSettings(ctx context.Context) (settings, error) {
	var s settings
	var err error
	if s.root, err = findRoot(); err != nil {
		return s, err
	}
	if s.scenario, err = pattern("SCENARIO"); err != nil {
		return s, err
	}
	if s.client, err = pattern("CLIENT"); err != nil {
		return s, err
	}
	switch t := os.Getenv("TARGET"); t {
	case "", "lockstep":
		s.target = cluster.Lockstep{Root: s.root, Bin: os.Getenv("BINARY")}
	case "kafka":
		s.target = cluster.Kafka{Root: s.root}
	default:
		return s, fmt.Errorf("TARGET=%s is not known (lockstep, kafka)", t)
	}
	s.failFast, s.out = os.Getenv("FAILFAST") != "", os.Getenv("OUT")
	s.seed = uint64(time.Now().UnixNano() & 0xffffff)
	if text := os.Getenv("SEED"); text != "" {
		if s.seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			return s, fmt.Errorf("SEED: %w", err)
		}
	}
	if err := s.chooseRuntime(ctx, os.Getenv("RUNTIME")); err != nil {
		return s, err
	}
	return s, s.readExternal()
}

// readExternal takes the addresses of a cluster that is there. Without RUNTIME=external they are a mistake.
func (s *settings) readExternal() error {
	x := &s.external
	for name, into := range map[string]*[]string{"BOOTSTRAP": &x.Bootstrap, "LOCAL_BOOTSTRAP": &x.Local, "HTTP": &x.HTTP} {
		var err error
		if *into, err = cluster.Addresses(os.Getenv(name)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(*into) > 0 && s.runtime != "external" {
			return fmt.Errorf("%s is for RUNTIME=external, not for %s", name, s.runtime)
		}
	}
	if x.Toxiproxy = os.Getenv("TOXIPROXY"); x.Toxiproxy != "" && s.runtime != "external" {
		return fmt.Errorf("TOXIPROXY is for RUNTIME=external, not for %s", s.runtime)
	}
	f := s.target.Features()
	switch {
	case s.runtime != "external":
	case len(x.Bootstrap) == 0:
		return errors.New("RUNTIME=external needs BOOTSTRAP=host:port,… of a cluster of three nodes, as `make cluster` and `make up` start one")
	case len(x.HTTP) > 0 && !f.Counters:
		return fmt.Errorf("HTTP is for Lockstep's nodes; %s has none of that", s.target.Name())
	case len(x.Local) > 0 && !f.LocalListener:
		return fmt.Errorf("LOCAL_BOOTSTRAP is for Lockstep's nodes; %s has none of that", s.target.Name())
	}
	return nil
}

// behind says what is before the nodes.
func (s *settings) behind() string {
	if s.runtime == "external" && s.external.Toxiproxy == "" {
		return " that somebody else started"
	}
	return " behind toxiproxy"
}

// where is how the addresses of a cluster that is there are given again.
func (s *settings) where() string {
	out := ""
	for _, name := range []string{"BOOTSTRAP", "LOCAL_BOOTSTRAP", "HTTP", "TOXIPROXY"} {
		if value := os.Getenv(name); value != "" {
			out += fmt.Sprintf(" %s=%s", name, value)
		}
	}
	return out
}

// again is the command that makes the same run once more: the environment's filters, this runtime, target and seed.
func (s settings) again() string {
	command := "make compat"
	for _, name := range []string{"SCENARIO", "CLIENT"} {
		if text := os.Getenv(name); text != "" {
			command += fmt.Sprintf(" %s='%s'", name, text)
		}
	}
	return command + fmt.Sprintf(" RUNTIME=%s TARGET=%s SEED=%d%s", s.runtime, s.target.Name(), s.seed, s.where())
}

// chooseRuntime takes what is asked for, and else Docker where an engine answers.
func (s *settings) chooseRuntime(ctx context.Context, asked string) error {
	switch asked {
	case "process", "external":
		s.runtime, s.why = asked, "as asked for"
	case "docker":
		if err := cluster.Engine(ctx); err != nil {
			return fmt.Errorf("RUNTIME=docker, but no Docker engine answers: %w", err)
		}
		s.runtime, s.why = asked, "as asked for"
	case "":
		if s.target.Image() == "" {
			s.runtime, s.why = "process", "there is no image of "+s.target.Name()
			return nil
		}
		if err := cluster.Engine(ctx); err != nil {
			s.runtime, s.why = "process", "no Docker engine answers"
		} else {
			s.runtime, s.why = "docker", "a Docker engine answers"
		}
	default:
		return fmt.Errorf("RUNTIME=%s is not known (docker, process, external)", asked)
	}
	return nil
}

// pattern is a regular expression from the environment that must match a whole name, as SCENARIO=2.1 is meant.
func pattern(name string) (*regexp.Regexp, error) {
	text := os.Getenv(name)
	if text == "" {
		text = ".*"
	}
	re, err := regexp.Compile("^(?:" + text + ")$")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return re, nil
}

// findRoot looks for go.mod upwards.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(dir) == dir {
			return "", fmt.Errorf("no go.mod above the working directory: %w", err)
		}
		dir = filepath.Dir(dir)
	}
}

// makeOut makes the run's directory, and has latest point at it unless the place was asked for.
func (s settings) makeOut(now time.Time) (string, error) {
	if s.out != "" {
		return s.out, os.MkdirAll(filepath.Join(s.out, "nodes"), 0o755)
	}
	all := filepath.Join(s.root, "compat", "out")
	name := fmt.Sprintf("%s-%s-%s", now.Format("20060102-150405"), s.target.Name(), s.runtime)
	dir := filepath.Join(all, name)
	if err := os.MkdirAll(filepath.Join(dir, "nodes"), 0o755); err != nil {
		return "", err
	}
	latest := filepath.Join(all, "latest")
	if err := os.Remove(latest); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return dir, os.Symlink(name, latest)
}
