package faults

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/raw"
)

// TestFaultsBiteRealNodes has every fault bite three real nodes and go away again, as processes.
func TestFaultsBiteRealNodes(t *testing.T) {
	if os.Getenv("LOCKSTEP_COMPAT") == "" {
		t.Skip("needs bin/lockstep and a minute: LOCKSTEP_COMPAT=1 go test -run RealNodes -v ./compat/internal/faults")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Options{Target: cluster.Lockstep{Root: root}, Runtime: "process", LogDir: t.TempDir(), Root: root,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	log := history.New(time.Now)
	h := log.Cell("x")
	clients := []cluster.Edge{cluster.ClientEdge(2), cluster.LocalEdge(3)}
	peers := []cluster.Edge{cluster.RaftEdge(1, 2), cluster.RaftEdge(3, 1)}
	for _, f := range []Fault{
		Refused(c, clients...), BlackHole(c, clients...), ResetPeer(c, clients...),
		Latency(c, 30*time.Millisecond, clients...), Bandwidth(c, 100, clients...), Link(c, widest, clients...), Slicer(c, clients...),
		Refused(c, peers...), BlackHole(c, peers...), ResetPeer(c, peers...),
		Latency(c, 30*time.Millisecond, peers...), Bandwidth(c, 200, peers...), Slicer(c, peers...),
		OneWay(c, 1, 2), Isolated(c, 3), IsolatedRefused(c, 1),
		Killed(c, 2), Stopped(c, 1), Paused(c, 3), Wiped(c, 2),
	} {
		t.Run(f.Name, func(t *testing.T) { injectAndHeal(ctx, t, c, h, f) })
	}
	t.Run("transfer", func(t *testing.T) {
		conn, err := raw.Dial(ctx, c.Direct(1))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.CreateTopic(ctx, canary, canaryPartitions, nil); err != nil {
			t.Fatal(err)
		}
		now, err := conn.Leader(ctx, canary, 0)
		if err != nil {
			t.Fatal(err)
		}
		injectAndHeal(ctx, t, c, h, Transferred(c, canary, 0, cluster.Others(now.ID)[0]))
	})
	t.Run("reconfigure", func(t *testing.T) { reconfigure(ctx, t, c) })
}

func injectAndHeal(ctx context.Context, t *testing.T, c *cluster.Cluster, h *history.Cell, f Fault) {
	t.Helper()
	before := len(h.Events())
	if err := f.Inject(ctx, h); err != nil {
		t.Error(err)
	}
	if err := f.Heal(ctx, h); err != nil {
		t.Error(err)
	}
	for _, e := range h.Events()[before:] {
		if e.Text != "" {
			t.Logf("%s: %s", e.Kind, e.Text)
		}
	}
	if err := c.Restore(ctx); err != nil {
		t.Fatal(err)
	}
}

// reconfigure: leaders only, and back. A follower that is asked shows which it is.
func reconfigure(ctx context.Context, t *testing.T, c *cluster.Cluster) {
	follower := func() error {
		conn, err := raw.Dial(ctx, c.Direct(1))
		if err != nil {
			return err
		}
		defer conn.Close()
		now, err := conn.Leader(ctx, canary, 0)
		if err != nil {
			return err
		}
		other, err := raw.Dial(ctx, c.Direct(cluster.Others(now.ID)[0]))
		if err != nil {
			return err
		}
		defer other.Close()
		a, err := other.Fetch(ctx, raw.Fetch{Topic: canary, MaxWait: raw.NoWait})
		if err != nil {
			return err
		}
		return a.Error
	}
	if err := c.Reconfigure(ctx, map[string]string{"LOCKSTEP_FETCH_FROM_FOLLOWERS": "false"}); err != nil {
		t.Fatal(err)
	}
	if err := follower(); err == nil {
		t.Error("a follower serves though only leaders may")
	} else {
		t.Log(err)
	}
	if err := c.Restore(ctx); err != nil {
		t.Fatal(err)
	}
	if err := follower(); err != nil {
		t.Errorf("a follower does not serve though the settings were taken back: %v", err)
	}
}
