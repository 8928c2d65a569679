package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Status of a cell. Only Pass is green: it was checked, and what was to bite did.
type Status string

// The statuses of a cell.
const (
	Pass    Status = "pass"
	Fail    Status = "fail"
	Unknown Status = "unknown" // too little happened to mean anything
	Skip    Status = "skip"    // with its reason
)

// Served is records that replicas served in Fetch responses, by their role.
type Served struct {
	Leader   int64 `json:"leader"`
	Follower int64 `json:"follower"`
}

// Cell is one scenario with one client.
type Cell struct {
	Scenario           string  `json:"scenario"`
	Client             string  `json:"client"`
	ClientVersion      string  `json:"client_version"`
	Status             Status  `json:"status"`
	Reason             string  `json:"reason"`
	Records            int64   `json:"records"` // distinct records checked
	Bytes              int64   `json:"bytes"`   // their keys, values and headers
	Served             Served  `json:"served"`
	MaxUnavailability  int64   `json:"max_unavailability_ms"`
	WorstLagRecords    int64   `json:"worst_lag_records"`
	Seconds            float64 `json:"seconds"`
	Title              string  `json:"title"`
	ProxyBytesFollower int64   `json:"proxy_bytes_follower"` // that came down followers' client edges
	Reproduce          string  `json:"again"`                // the command that runs this cell again
	// Known is what the target is known to do differently, and why; the cell showed it.
	Known string `json:"known_difference,omitempty"`
	// Stop is where MaxUnavailability lies.
	Stop *Stop `json:"longest_stop,omitempty"`
	// Resume is for how long, in ms, this client stood still because of a fault, by who it was and which fault: "reader:
	// leader killed".
	Resume map[string]int64 `json:"resume_ms,omitempty"`
	// Delay is how long records took to their delivery, by how many came: "idle", "load".
	Delay map[string]Delay `json:"delay_ms,omitempty"`
	// Scaling is what the same readers were given by the leader alone, and by all nodes.
	Scaling *Scaling `json:"read_scaling,omitempty"`
}

// Stop is a time in which a producer or reader with something to do did nothing.
type Stop struct {
	Handle string `json:"handle"`
	From   int64  `json:"from"` // ns since 1970
	MS     int64  `json:"ms"`
}

// Delay compares two readers of the same records in one process, one on the leader and one on a follower, in ms from the
// moment they were handed to the writer. Extra is by how much later a record came from the follower; below 0 it came
// earlier.
type Delay struct {
	Records  int64  `json:"records"`
	Leader   Spread `json:"leader"`
	Follower Spread `json:"follower"`
	Extra    Spread `json:"extra"`
}

// Scaling compares readers that all read from the leader with the same readers spread over the nodes, with each node's link to its
// clients held to the same width.
type Scaling struct {
	LinkKBps int     `json:"link_kb_per_s"`
	Leader   Carried `json:"on_the_leader"`
	Spread   Carried `json:"spread"`
	Times    float64 `json:"times"` // as many bytes a second when they are spread
}

// Carried is what nodes' links carried to readers until the last of them had everything.
type Carried struct {
	Seconds float64       `json:"seconds"`
	Bytes   map[int]int64 `json:"bytes"` // by node, as the proxies counted them
}

// KBps is how much a node's link carried in a second, on average; of all nodes with node 0.
func (c Carried) KBps(node int) float64 {
	bytes := c.Bytes[node]
	if node == 0 {
		for _, n := range c.Bytes {
			bytes += n
		}
	}
	return float64(bytes) / 1000 / c.Seconds
}

// Spread is a distribution in ms.
type Spread struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// Results is a run: the format of results.json.
type Results struct {
	Target  string  `json:"target"`
	Runtime string  `json:"runtime"`
	Seed    uint64  `json:"seed"`
	Run     RunInfo `json:"run"`
	Cells   []Cell  `json:"cells"`

	mu sync.Mutex // guards Cells
}

// Add adds a finished cell.
func (r *Results) Add(c Cell) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Cells = append(r.Cells, c)
}

// Count is how many cells have the status.
func (r *Results) Count(s Status) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, c := range r.Cells {
		if c.Status == s {
			n++
		}
	}
	return n
}

// known is how many cells passed with a known difference.
func (r *Results) known() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, c := range r.Cells {
		if c.Status == Pass && c.Known != "" {
			n++
		}
	}
	return n
}

// Write writes results.json and junit.xml into dir.
func (r *Results) Write(dir string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Cells == nil {
		r.Cells = []Cell{}
	}
	body, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "results.json"), append(body, '\n'), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return writeJUnit(filepath.Join(dir, "junit.xml"), r)
}

// axes are the scenarios and clients that occur, each in the order of first appearance.
func axes(cells []Cell) (scenarios, clients []string) {
	for _, c := range cells {
		if !slices.Contains(scenarios, c.Scenario) {
			scenarios = append(scenarios, c.Scenario)
		}
		if !slices.Contains(clients, c.Client) {
			clients = append(clients, c.Client)
		}
	}
	return scenarios, clients
}
