package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// limitRows are what this machine can do at most, in the same units as the rows that they bound.
func limitRows() []Row {
	row := func(name, what string, figures []Figure, measure func(context.Context, *System) (map[string]float64, error)) Row {
		return Row{Name: name, Life: Machine, What: what, Figures: figures, Measure: measure}
	}
	rate := []Figure{{Name: "throughput", Unit: "MB/s"}}
	return []Row{
		row("limit-loopback", "one TCP stream over the loopback address, 256 KiB a write, both ends in one process", rate, loopback),
		row("limit-write", "sequential writes of 256 KiB with fdatasync after each, to new blocks and over old ones",
			[]Figure{{Name: "fresh", Unit: "MB/s"}, {Name: "recycled", Unit: "MB/s"}, {Name: "unsynced", Unit: "MB/s"}}, writes),
		row("limit-fsync", "fdatasync after overwriting 4 KiB", []Figure{{Name: "p50", Unit: "ms"}, {Name: "p99", Unit: "ms"}}, syncs),
		row("limit-fileserver", "a file of 256 MiB from the page cache over one TCP connection by Go's io.Copy (sendfile), to a reader that looks at nothing",
			[]Figure{{Name: "throughput", Unit: "MB/s"}, {Name: "per_core", Unit: "MB/s"}}, fileServer),
		row("limit-raft", "hashicorp/raft alone: three nodes in one process over loopback TCP, logs in memory, 256 KiB an entry, four in flight", rate, raftAlone),
	}
}

// chunk is what limits are moved in: as large as our largest blob.
const chunk = 256 << 10

func loopback(ctx context.Context, s *System) (map[string]float64, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	got := make(chan int64, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			got <- 0
			return
		}
		defer c.Close()
		n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, chunk)) // what came counts
		got <- n
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, err
	}
	start, b := time.Now(), noise(chunk)
	for end := start.Add(s.Bench.Span(3*time.Second, time.Second)); time.Now().Before(end) && ctx.Err() == nil; {
		if _, err := c.Write(b); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if err := c.Close(); err != nil {
		return nil, err
	}
	bytes := float64(<-got)
	return map[string]float64{"throughput": bytes / mb / time.Since(start).Seconds()}, ctx.Err()
}

// scratch is a file beside where clusters keep their data, which is gone after use.
func scratch(use func(*os.File) error) error {
	dir, err := os.MkdirTemp("", "lockstep-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f, err := os.Create(filepath.Join(dir, "file"))
	if err != nil {
		return err
	}
	return errors.Join(use(f), f.Close())
}

func writes(ctx context.Context, s *System) (map[string]float64, error) {
	size := int64(s.Bench.Count(1<<30, 256<<20))
	values := map[string]float64{}
	err := scratch(func(f *os.File) error {
		b := noise(chunk)
		pass := func(name string, sync bool) error {
			start := time.Now()
			for at := int64(0); at < size && ctx.Err() == nil; at += chunk {
				if _, err := f.WriteAt(b, at); err != nil {
					return fmt.Errorf("write: %w", err)
				}
				if sync {
					if err := datasync(f); err != nil {
						return fmt.Errorf("sync: %w", err)
					}
				}
			}
			values[name] = float64(size) / mb / time.Since(start).Seconds()
			return ctx.Err()
		}
		return errors.Join(pass("fresh", true), pass("recycled", true), pass("unsynced", false))
	})
	return values, err
}

func syncs(ctx context.Context, s *System) (map[string]float64, error) {
	times := newLatencies()
	err := scratch(func(f *os.File) error {
		b := noise(4 << 10)
		for i := 0; i < s.Bench.Count(2000, 500) && ctx.Err() == nil; i++ {
			if _, err := f.WriteAt(b, 0); err != nil {
				return fmt.Errorf("write: %w", err)
			}
			start := time.Now()
			if err := datasync(f); err != nil {
				return fmt.Errorf("sync: %w", err)
			}
			times.add(time.Since(start))
		}
		return ctx.Err()
	})
	return map[string]float64{"p50": times.ms(50), "p99": times.ms(99)}, err
}
