package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/raw"
)

// longRows look for what grows that should not.
func longRows() []Row {
	growth := func(name, unit string) Figure { return Figure{Name: name, Unit: unit} }
	flat := Goal{"≤ 10 % growth", func(o Outcome) bool { return o.Ours <= 10 }}
	return []Row{{Name: "long-run", Class: Defaults, Life: Alone, Measure: longRun,
		What: "MINUTES (5) of 10 MB/s into a topic that keeps 32 MiB a partition: growth of the last quarter over the second, of all nodes; not in a quick run",
		Figures: []Figure{
			{Name: "rss_growth", Unit: "%", Goal: flat}, {Name: "files_growth", Unit: "%", Goal: flat},
			{Name: "threads_growth", Unit: "%", Goal: flat}, {Name: "goroutines_growth", Unit: "%", Goal: flat}, {Name: "disk_growth", Unit: "%", Goal: flat},
			growth("rss", "MB"), growth("files", "files"), growth("threads", "threads"), growth("goroutines", "goroutines"), growth("disk", "MB"), growth("cpu", "% of a core"),
		}}}
}

// longMinutes is how long a long run is, by the variable MINUTES.
func longMinutes() (time.Duration, error) {
	text := os.Getenv("MINUTES")
	if text == "" {
		return 5 * time.Minute, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("MINUTES=%s is no number of minutes", text)
	}
	return time.Duration(n) * time.Minute, nil
}

// looks is how often a long run looks at the nodes.
const looks = 120

func longRun(ctx context.Context, s *System) (map[string]float64, error) {
	if s.Bench.Quick {
		return nil, errNotQuick
	}
	span, err := longMinutes()
	if err != nil {
		return nil, err
	}
	c, err := s.Launch(ctx, Shape{Settings: frequentRetention(s)})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	topic, err := retaining(ctx, c)
	if err != nil {
		return nil, err
	}
	cl, err := client(c.Bootstrap(), noLinger())
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	load := steady{topic: topic, rate: steadyRate / 2, size: recordSize, span: span}
	done := make(chan error, 1)
	go func() {
		_, failed, err := load.produce(ctx, cl, nil)
		if failed > 0 {
			err = errors.Join(err, fmt.Errorf("%d records were refused", failed))
		}
		done <- err
	}()
	h, err := watch(c, span/looks, done)
	if err != nil {
		return nil, err
	}
	return h.figures(s)
}

// frequentRetention has both look for what may go every few seconds instead of every few minutes, in segments of 16 MiB.
func frequentRetention(s *System) map[string]string {
	if s.Is(ours) {
		return map[string]string{"LOCKSTEP_RETENTION_CHECK": "5s", "LOCKSTEP_SEGMENT_BYTES": strconv.Itoa(16 << 20)}
	}
	return map[string]string{"log.retention.check.interval.ms": "5000", "log.segment.delete.delay.ms": "1000"}
}

func retaining(ctx context.Context, c *cluster.Cluster) (string, error) {
	const topic = "bench-long"
	conn, err := raw.Dial(ctx, c.Direct(1))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	configs := map[string]string{"retention.bytes": strconv.Itoa(32 << 20), "segment.bytes": strconv.Itoa(16 << 20)}
	if err := create(ctx, conn, topic, partitions, len(c.Members()), configs); err != nil {
		return "", err
	}
	return topic, await(ctx, 30*time.Second, func() error { return led(ctx, c, topic, partitions) })
}

// history is what was seen at each look, of all nodes together.
type history struct {
	at                        []float64 // minutes
	rss, files, threads, disk []float64
	goroutines                []float64 // of Lockstep; none of what has none
	cpu                       []float64 // seconds
}

// watch looks at all nodes until done.
func watch(c *cluster.Cluster, every time.Duration, done <-chan error) (*history, error) {
	h, start := &history{}, time.Now()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return h, err
		case <-tick.C:
		}
		u, err := usage(c)
		if err != nil {
			return h, err
		}
		disk, goroutines := 0., 0.
		for _, n := range c.Members() {
			disk += diskOf(c.DataDir(n))
			if c.Features().Counters {
				g, err := goroutinesOf(c.HTTP(n))
				if err != nil {
					return h, err
				}
				goroutines += g
			}
		}
		if c.Features().Counters {
			h.goroutines = append(h.goroutines, goroutines)
		}
		h.at = append(h.at, time.Since(start).Minutes())
		h.rss, h.files = append(h.rss, u.Resident/mb), append(h.files, float64(u.Files))
		h.threads, h.disk, h.cpu = append(h.threads, float64(u.Threads)), append(h.disk, disk/mb), append(h.cpu, u.CPU)
	}
}

// goroutinesOf asks a node for its metrics.
func goroutinesOf(addr string) (float64, error) {
	const name = "go_goroutines "
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + addr + "/metrics")
	if err != nil {
		return 0, fmt.Errorf("metrics: %w", err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.Join(fmt.Errorf("metrics of %s: no %s", addr, name), lines.Err())
}

// diskOf is what files below a directory take, in bytes. Files that go while it looks do not count.
func diskOf(dir string) float64 {
	sum := 0.
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			sum += float64(info.Size())
		}
		return nil
	})
	return sum
}

// curveOf is what the page calls what was looked at.
var curveOf = map[string]string{"rss": "MB resident", "files": "open files", "threads": "threads", "goroutines": "goroutines", "disk": "MB on disk"}

// figures compare the last quarter with the second: the first is for filling up.
func (h *history) figures(s *System) (map[string]float64, error) {
	n := len(h.at)
	if n < 8 {
		return nil, fmt.Errorf("only %d looks at the nodes", n)
	}
	values := map[string]float64{"cpu": 100 * (h.cpu[n-1] - h.cpu[0]) / (60 * (h.at[n-1] - h.at[0]))}
	for name, y := range map[string][]float64{"rss": h.rss, "files": h.files, "threads": h.threads, "goroutines": h.goroutines, "disk": h.disk} {
		if len(y) < n {
			continue
		}
		early, late := median(y[n/4:n/2]), median(y[n-n/4:])
		values[name], values[name+"_growth"] = late, 100*(late-early)/early
		s.Series(curveOf[name]+" by minutes", h.at, y)
	}
	return values, nil
}
