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
	topic, err := newTopic(ctx, s.Cluster, partitions)
	if err != nil {
		return nil, err
	}
	counted, warm := s.Bench.Count(600_000, 200_000), s.Bench.Count(200_000, 100_000)
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
