// Command lockstep is a Kafka-protocol broker whose partitions are replicated
// with Raft and whose followers serve reads. With no configuration it is one
// complete node; with --peers several form a cluster by themselves.
//
// Every setting is a flag and an environment variable: --data-dir is
// LOCKSTEP_DATA_DIR. "lockstep --help" lists them (settings.go).
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"lockstep/broker/internal/config"
	"lockstep/broker/internal/node"
)

// version is set when the binary is linked.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().Run(ctx, os.Args); err != nil {
		fmt.Fprintf(os.Stderr, "lockstep: %s\n", oneLine(err))
		os.Exit(1)
	}
}

// oneLine folds joined errors, so that what is wrong is one line to grep for.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func command() *cli.Command {
	cfg := config.Default()
	raw := &texts{}
	flags := settings(cfg, raw)
	cli.VersionPrinter = func(c *cli.Command) { fmt.Fprintln(c.Root().Writer, version) }
	return &cli.Command{
		Name:            "lockstep",
		Usage:           "a Kafka-protocol broker, replicated with Raft, whose followers serve reads",
		Version:         version,
		Flags:           flags,
		HideHelpCommand: true,
		OnUsageError:    func(_ context.Context, _ *cli.Command, err error, _ bool) error { return err },
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Present() {
				return fmt.Errorf("%q is not a command: run without arguments to start a node, or see --help", c.Args().First())
			}
			return run(ctx, cfg, raw)
		},
		Commands: []*cli.Command{{
			Name:  "health",
			Usage: "ask the node on this machine whether it is ready; the exit status tells",
			Action: func(ctx context.Context, _ *cli.Command) error {
				return health(ctx, cfg.HTTPListen)
			},
		}},
	}
}

func run(ctx context.Context, cfg *config.Config, raw *texts) error {
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
