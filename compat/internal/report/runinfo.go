package report

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// RunInfo is under what circumstances a run was made.
type RunInfo struct {
	Why           string    `json:"why"` // why this runtime
	Started       time.Time `json:"started"`
	Seconds       float64   `json:"seconds"`        // from the start of the cluster to the end of the last cell
	TargetVersion string    `json:"target_version"` // "" where the target does not tell
	Engine        string    `json:"engine"`         // what ran the nodes
	Machine       Machine   `json:"machine"`
	Again         string    `json:"again"` // the command that makes this run again
}

// Machine is where a run was made.
type Machine struct {
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory_bytes"` // 0 where it cannot be told
	OS     string `json:"os"`           // with the kernel's version, where it can be told
	Go     string `json:"go"`
}

// ThisMachine describes the machine it is called on.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	if f, err := os.Open("/proc/meminfo"); err == nil {
		m.Memory = totalMemory(f)
		f.Close()
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		// Only the version: what follows it names the build, and often whose it is.
		version, _, _ := strings.Cut(strings.TrimSpace(string(kernel)), "-")
		m.OS += " " + version
	}
	return m
}

// totalMemory reads /proc/meminfo; 0 where there is no such line.
func totalMemory(r io.Reader) int64 {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var kib int64
		if n, _ := fmt.Sscanf(lines.Text(), "MemTotal: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}
