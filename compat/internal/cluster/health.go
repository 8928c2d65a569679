package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"lockstep/compat/internal/raw"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Status is what a node tells of itself at /replicas.
type Status struct {
	Node     int             `json:"node"`
	Version  string          `json:"version"`
	Shards   []ShardStatus   `json:"shards"`
	Replicas []ReplicaStatus `json:"replicas"`
}

// ShardStatus is one Raft group as one node sees it. Leader is -1 when unknown; Followers are told by the leader.
type ShardStatus struct {
	Shard         int              `json:"shard"`
	Role          string           `json:"role"`
	Ready         bool             `json:"ready"`
	Leader        int              `json:"leader"`
	Epoch         int32            `json:"epoch"`
	CommitIndex   uint64           `json:"commit_index"`
	AppliedIndex  uint64           `json:"applied_index"`
	LastIndex     uint64           `json:"last_index"`
	FirstIndex    uint64           `json:"first_index"` // oldest entry kept
	LastContactMS int64            `json:"last_contact_ms"`
	Followers     []FollowerStatus `json:"followers"`
}

// FollowerStatus is a follower as its leader sees it.
type FollowerStatus struct {
	Node          int    `json:"node"`
	MatchIndex    uint64 `json:"match_index"`
	LastContactMS int64  `json:"last_contact_ms"`
}

// ReplicaStatus is one partition on one node.
type ReplicaStatus struct {
	Topic         string  `json:"topic"`
	Partition     int32   `json:"partition"`
	Shard         int     `json:"shard"`
	Role          string  `json:"role"`
	Leader        int     `json:"leader"`
	Epoch         int32   `json:"epoch"`
	LogStart      int64   `json:"log_start"`
	HighWatermark int64   `json:"high_watermark"`
	LogEnd        int64   `json:"log_end"`
	LastContactMS int64   `json:"last_contact_ms"`
	LagRecords    int64   `json:"lag_records"`
	LagSeconds    float64 `json:"lag_seconds"`
}

// maxHTTP bounds what is read of a node's answer, in bytes.
const maxHTTP = 32 << 20

func (c *Cluster) get(ctx context.Context, node int, path string) ([]byte, error) {
	return httpGet(ctx, "http://"+c.plan.direct[node].http+path)
}

func httpGet(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHTTP))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return body, fmt.Errorf("%s: %s: %s", url, resp.Status, strings.TrimSpace(string(body)))
	}
	return body, nil
}

func (c *Cluster) httpOK(ctx context.Context, node int, path string) error {
	_, err := c.get(ctx, node, path)
	return err
}

// Status asks a node for its state.
func (c *Cluster) Status(ctx context.Context, node int) (Status, error) {
	if !c.Features().Replicas {
		return Status{}, fmt.Errorf("node %d's state: no HTTP address of it is known: %w", node, ErrCannot)
	}
	s, err := statusAt(ctx, c.plan.direct[node].http)
	if err != nil {
		return s, fmt.Errorf("state of node %d: %w", node, err)
	}
	return s, nil
}

func statusAt(ctx context.Context, addr string) (Status, error) {
	var s Status
	body, err := httpGet(ctx, "http://"+addr+"/replicas")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, fmt.Errorf("%s/replicas: %w", addr, err)
	}
	return s, nil
}

// allKnown: every node knows all brokers, and every partition has all its replicas in sync.
func allKnown(ctx context.Context, c *Cluster) error {
	for _, n := range c.Members() {
		conn, err := raw.Dial(ctx, c.Direct(n))
		if err != nil {
			return fmt.Errorf("node %d: %w", n, err)
		}
		m, err := conn.MetadataAll(ctx)
		conn.Close()
		if err != nil {
			return fmt.Errorf("node %d: %w", n, err)
		}
		if len(m.Brokers) != len(c.Members()) {
			return fmt.Errorf("node %d knows %d brokers", n, len(m.Brokers))
		}
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil || len(p.ISR) != len(p.Replicas) {
					return fmt.Errorf("node %d: %s-%d has %d of %d replicas in sync, error %v", n, *t.Topic, p.Partition, len(p.ISR), len(p.Replicas), err)
				}
			}
		}
	}
	return nil
}

// Counts are records and bytes served in Fetch responses, by the role of the replica that served them.
type Counts struct{ Leader, Follower, LeaderBytes, FollowerBytes int64 }

// Minus gives what was served since.
func (c Counts) Minus(before Counts) Counts {
	return Counts{c.Leader - before.Leader, c.Follower - before.Follower,
		c.LeaderBytes - before.LeaderBytes, c.FollowerBytes - before.FollowerBytes}
}

// NodeCounts asks every node that answers for its counters. A node that was restarted in between starts at 0 again:
// see Since.
func (c *Cluster) NodeCounts(ctx context.Context) map[int]Counts {
	out := map[int]Counts{}
	if !c.Features().Counters {
		return out
	}
	for _, n := range c.Members() {
		body, err := c.get(ctx, n, "/metrics")
		if err != nil {
			continue
		}
		m := parseMetrics(string(body))
		role := func(metric, role string) int64 { return int64(m.sum(metric, "role", role)) }
		out[n] = Counts{
			role("lockstep_fetch_records_total", "leader"), role("lockstep_fetch_records_total", "follower"),
			role("lockstep_fetch_bytes_total", "leader"), role("lockstep_fetch_bytes_total", "follower"),
		}
	}
	return out
}

// Since sums up what was served between two looks. A counter that went back belongs to a node that was restarted, and
// counts from 0; what that node served before its end and after the first look is lost to us, so a sum is never
// too high.
func Since(before, after map[int]Counts) Counts {
	var sum Counts
	for n, a := range after {
		b := before[n]
		if a.Leader < b.Leader || a.Follower < b.Follower {
			b = Counts{}
		}
		d := a.Minus(b)
		sum.Leader += d.Leader
		sum.Follower += d.Follower
		sum.LeaderBytes += d.LeaderBytes
		sum.FollowerBytes += d.FollowerBytes
	}
	return sum
}

// sample is one line of the Prometheus text format.
type sample struct {
	name   string
	labels map[string]string
	value  float64
}

type samples []sample

// sum adds up the samples of a metric whose label has the value.
func (s samples) sum(name, label, value string) float64 {
	var total float64
	for _, x := range s {
		if x.name == name && x.labels[label] == value {
			total += x.value
		}
	}
	return total
}

// parseMetrics reads the Prometheus text format, as far as counters and gauges go.
func parseMetrics(text string) samples {
	var out samples
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		s := sample{labels: map[string]string{}}
		rest := ""
		if open := strings.IndexByte(line, '{'); open >= 0 {
			end := strings.LastIndexByte(line, '}')
			if end < open {
				continue
			}
			s.name, rest = line[:open], line[end+1:]
			parseLabels(line[open+1:end], s.labels)
		} else {
			s.name, rest, _ = strings.Cut(line, " ")
		}
		value, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		s.value = v
		out = append(out, s)
	}
	return out
}

func parseLabels(text string, into map[string]string) {
	for text != "" {
		name, rest, found := strings.Cut(text, "=")
		if !found {
			return
		}
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return
		}
		into[strings.TrimSpace(name)] = value
		text = strings.TrimPrefix(strings.TrimSpace(rest[len(quoted):]), ",")
	}
}

// overseen is a target in which one node decides for all which of them are alive.
type overseen interface {
	overseer(context.Context, *Cluster) (int, error)
}

var _ overseen = Kafka{}

// Overseer is the node that decides at present which nodes are alive; 0 where each decides for itself.
func (c *Cluster) Overseer(ctx context.Context) (int, error) {
	t, one := c.target.(overseen)
	if !one {
		return 0, nil
	}
	n, err := t.overseer(ctx, c)
	if err != nil {
		return 0, fmt.Errorf("ask who decides which nodes are alive: %w", err)
	}
	return n, nil
}
