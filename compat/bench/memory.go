package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// memoryRows are what a node holds of the machine, and what has to be shipped to have one.
func memoryRows() []Row {
	const what = "resident memory of the largest node (anonymous, and mapped files; no page cache)"
	return []Row{
		{Name: "memory-idle", Class: Defaults, Cold: true, Pairs: 3, Measure: memoryIdle,
			What:    what + ", two seconds after the cluster is ready, nothing asked of it",
			Figures: []Figure{{Name: "rss", Unit: "MB", Goal: both(oursAtMost(20, "MB"), ratioAtMost(0.1))}}},
		{Name: "memory-loaded", Class: Defaults, Pairs: 3, Measure: memoryLoaded,
			What:    what + ", the most that was seen while a generator produced as fast as it goes",
			Figures: []Figure{{Name: "rss", Unit: "MB", Goal: both(oursAtMost(100, "MB"), ratioAtMost(0.1))}}},
		{Name: "image", Class: Defaults, Life: Alone, Measure: imageSize,
			What:    "what an image has to hold: our binary (FROM scratch), Kafka's jars without a Java runtime",
			Figures: []Figure{{Name: "size", Unit: "MB", Goal: oursAtMost(15, "MB")}}},
	}
}

func memoryIdle(ctx context.Context, s *System) (map[string]float64, error) {
	select {
	case <-time.After(2 * time.Second): // what is measured is a cluster to which nothing happens
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	rss, err := largest(s)
	return map[string]float64{"rss": rss / mb}, err
}

func memoryLoaded(ctx context.Context, s *System) (map[string]float64, error) {
	topic, err := newTopic(ctx, s.Cluster, partitions)
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() {
		_, err := flood(ctx, s.Cluster.Bootstrap(), topic, s.Bench.Span(5*time.Second, 2*time.Second))
		done <- err
	}()
	most := 0.
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		rss, usageErr := largest(s)
		most = max(most, rss)
		select {
		case err := <-done:
			if err == nil {
				err = usageErr
			}
			return map[string]float64{"rss": most / mb}, err
		case <-tick.C:
		}
	}
}

// largest is the resident memory of the node that has most, in bytes.
func largest(s *System) (float64, error) {
	most := 0.
	for _, n := range s.Cluster.Members() {
		u, err := usageOf(s.Cluster.PID(n))
		if err != nil {
			return 0, fmt.Errorf("node %d: %w", n, err)
		}
		most = max(most, u.Resident)
	}
	return most, nil
}

func imageSize(_ context.Context, s *System) (map[string]float64, error) {
	if s.Is(ours) {
		binary, err := s.Kind.Target(s.Bench.Root).Binary()
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(binary)
		if err != nil {
			return nil, err
		}
		return map[string]float64{"size": float64(info.Size()) / mb}, nil
	}
	sum := 0.
	err := filepath.WalkDir(filepath.Join(s.Bench.Root, "java", "kafka-server", "target", "lib")+"/", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".jar") {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sum += float64(info.Size())
		}
		return err
	})
	return map[string]float64{"size": sum / mb}, err
}
