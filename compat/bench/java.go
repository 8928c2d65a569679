package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"lockstep/compat/internal/child"
)

// javaTool runs one of Apache Kafka's own command line tools and returns what it printed.
func javaTool(ctx context.Context, b *Bench, class string, args ...string) (string, error) {
	lib := filepath.Join(b.Root, "java", "target", "lib", "*")
	cmd := exec.CommandContext(ctx, "java", append([]string{"-Xmx512m", "-cp", lib, class}, args...)...)
	cmd.SysProcAttr = child.Attributes()
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("run %s: %w\n%s", class, err, complaints.String())
	}
	return out.String(), nil
}

// produceJava has Kafka's own tool produce records, of which the first are not counted.
func produceJava(ctx context.Context, s *System) (map[string]float64, error) {
	if s.Bench.Quick {
		return nil, errNotQuick
	}
	topic, err := newTopic(ctx, s.Cluster, partitions)
	if err != nil {
		return nil, err
	}
	if err := touchMemory(9 << 30); err != nil {
		return nil, err
	}
	const counted, warm = 400_000, 200_000
	var rate float64
	values, err := cost(s, func() (float64, float64, error) {
		out, err := javaTool(ctx, s.Bench, "org.apache.kafka.tools.ProducerPerformance",
			"--topic", topic, "--num-records", strconv.Itoa(counted+warm), "--warmup-records", strconv.Itoa(warm),
			"--record-size", strconv.Itoa(recordSize), "--throughput", "-1",
			"--bootstrap-server", strings.Join(s.Cluster.Bootstrap(), ","), "--command-property", "acks=all")
		if err != nil {
			return 0, 0, err
		}
		rate, err = recordsPerSecond(out)
		return float64(counted+warm) * recordSize, 1, err
	})
	if err != nil {
		return nil, err
	}
	values["throughput"] = rate * recordSize / mb // of those counted; the CPU time is that of all
	return values, nil
}

// summary is the last line of ProducerPerformance: of all records that were not for warming up.
var summary = regexp.MustCompile(`\d+ records sent, ([\d.]+) records/sec .* 99\.9th`)

func recordsPerSecond(out string) (float64, error) {
	all := summary.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return 0, fmt.Errorf("ProducerPerformance printed no summary:\n%s", out)
	}
	return strconv.ParseFloat(all[len(all)-1][1], 64)
}

// javaRows are Kafka's other two tools, as a second opinion beside the generators here.
func javaRows() []Row {
	return []Row{
		{Name: "fetch-java", Class: Defaults, Pairs: 3, Measure: fetchJava,
			What:    "Kafka's own ConsumerPerformance reads a topic of 6 partitions from its beginning, by its time spent fetching; not in a quick run",
			Figures: []Figure{{Name: "throughput", Unit: "MB/s"}, {Name: "per_core", Unit: "MB/s", Goal: ratioAtLeast(1.2)}}},
		{Name: "latency-java", Class: Defaults, Pairs: 3, Measure: latencyJava,
			What:    "Kafka's own EndToEndLatency: one record of 100 bytes after the other, produced with acks=all and read; not in a quick run",
			Figures: []Figure{{Name: "mean", Unit: "ms"}, {Name: "p50", Unit: "ms"}, {Name: "p99", Unit: "ms", Goal: ratioAtMost(0.5)}}},
	}
}

// errNotQuick is why rows that start a JVM of their own, or take minutes, are left out of a quick run.
var errNotQuick = fmt.Errorf("%w in a quick run (QUICK=1)", ErrCannot)

func fetchJava(ctx context.Context, s *System) (map[string]float64, error) {
	if s.Bench.Quick {
		return nil, errNotQuick
	}
	topic, bytes, err := stock(ctx, s, partitions)
	if err != nil {
		return nil, err
	}
	return perCore(cost(s, func() (float64, float64, error) {
		out, err := javaTool(ctx, s.Bench, "org.apache.kafka.tools.ConsumerPerformance", "--hide-header", "--topic", topic,
			"--bootstrap-server", strings.Join(s.Cluster.Bootstrap(), ","), "--num-records", strconv.Itoa(int(bytes/recordSize)))
		if err != nil {
			return 0, 0, err
		}
		return fetched(out)
	}))
}

// fetched reads the line of ConsumerPerformance: two times, MiB, MiB a second, records, records a second, and the
// milliseconds that went into finding a group and into fetching.
func fetched(out string) (bytes, seconds float64, err error) {
	for line := range strings.Lines(out) {
		fields := strings.Split(strings.TrimSpace(line), ", ")
		const mib, spent, all = 2, 7, 10
		if len(fields) != all {
			continue
		}
		size, err1 := strconv.ParseFloat(fields[mib], 64)
		ms, err2 := strconv.ParseFloat(fields[spent], 64)
		if err1 == nil && err2 == nil && ms > 0 {
			return size * (1 << 20), ms / 1000, nil
		}
	}
	return 0, 0, fmt.Errorf("ConsumerPerformance printed no result:\n%s", out)
}

func latencyJava(ctx context.Context, s *System) (map[string]float64, error) {
	if s.Bench.Quick {
		return nil, errNotQuick
	}
	topic, err := newTopic(ctx, s.Cluster, 1)
	if err != nil {
		return nil, err
	}
	out, err := javaTool(ctx, s.Bench, "org.apache.kafka.tools.EndToEndLatency",
		strings.Join(s.Cluster.Bootstrap(), ","), topic, "2000", "all", "100")
	if err != nil {
		return nil, err
	}
	return endToEndOf(out)
}

var (
	meanLatency = regexp.MustCompile(`Avg latency: ([\d.]+) ms`)
	percentLine = regexp.MustCompile(`Percentiles: 50th = ([\d.]+), 99th = ([\d.]+), 99\.9th = ([\d.]+)`)
)

func endToEndOf(out string) (map[string]float64, error) {
	mean, percent := meanLatency.FindStringSubmatch(out), percentLine.FindStringSubmatch(out)
	if mean == nil || percent == nil {
		return nil, fmt.Errorf("EndToEndLatency printed no result:\n%s", out)
	}
	values := map[string]float64{}
	for name, text := range map[string]string{"mean": mean[1], "p50": percent[1], "p99": percent[2]} {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("EndToEndLatency's %s: %w", name, err)
		}
		values[name] = v
	}
	return values, nil
}
