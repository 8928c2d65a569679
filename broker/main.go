// Command lockstep is a Kafka-protocol broker whose partitions are replicated
// with Raft and whose followers serve reads. With no configuration it is one
// complete node; with --peers several form a cluster by themselves.
//
// Every setting is a flag and an environment variable: --data-dir is
// LOCKSTEP_DATA_DIR. "lockstep --help" lists them (settings.go).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/peterbourgon/ff/v3"

	"lockstep/broker/internal/config"
	"lockstep/broker/internal/node"
)

// version is set when the binary is linked.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "lockstep: %s\n", oneLine(err))
		os.Exit(1)
	}
}

// oneLine folds joined errors, so that what is wrong is one line to grep for.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// command does what the arguments say: start a node, or ask one for its health.
func command(ctx context.Context, args []string) error {
	cfg := config.Default()
	raw := &texts{}
	flags, showVersion := settings(cfg, raw)
	err := ff.Parse(flags, args, ff.WithEnvVarPrefix("LOCKSTEP"))
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(os.Stdout)
		fmt.Print(usage)
		flags.PrintDefaults()
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w (see --help)", err)
	}
	switch {
	case *showVersion:
		fmt.Println(version)
		return nil
	case flags.NArg() == 0:
		return run(ctx, cfg, raw)
	case flags.Arg(0) == "health":
		return health(ctx, cfg.HTTPListen)
	}
	return fmt.Errorf("%q is not a command: run without arguments to start a node, or see --help", flags.Arg(0))
}

// gcPercent is how much garbage may lie beside what is in use before it is
// collected. Most of the heap is batches, which hold no pointers and cost nothing
// to scan, so half of Go's own value costs about 1 % of the processor and saves a
// third of the memory. GOGC says otherwise.
const gcPercent = 50

func run(ctx context.Context, cfg *config.Config, raw *texts) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if err := raw.parse(cfg); err != nil {
		return err
	}
	logs, err := newLogs(os.Stderr, cfg.Log)
	if err != nil {
		return err
	}
	n, err := node.Open(cfg, version, logs.component)
	if err != nil {
		return err
	}
	return n.Run(ctx)
}

// health asks for /health/ready and prints why not.
func health(ctx context.Context, addr string) error {
	if strings.HasPrefix(addr, ":") {
		addr = "127.0.0.1" + addr
	}
	addr = strings.Replace(addr, "0.0.0.0:", "127.0.0.1:", 1)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/health/ready", nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", addr, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no node answers on %s: %w", addr, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", addr, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", strings.TrimSpace(string(body)))
	}
	fmt.Println("ready")
	return nil
}
