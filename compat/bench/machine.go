package main

import (
	"os"
	"runtime"
	"strings"

	"github.com/prometheus/procfs"
)

// Facts are the machine that results were taken on.
type Facts struct {
	Cores  int     `json:"cores"`
	CPU    string  `json:"cpu"`
	Memory float64 `json:"memory_gib"`
	Kernel string  `json:"kernel"`
	Go     string  `json:"go"`
	Date   string  `json:"date"`
	Load   float64 `json:"load_before"` // one minute's load average as the run began: what else was going on
}

// facts are as far as they can be known.
func facts(date string) Facts {
	f := Facts{Cores: runtime.NumCPU(), Go: runtime.Version(), Date: date}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		f.Kernel = strings.TrimSpace(string(b))
	}
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return f
	}
	if info, err := fs.CPUInfo(); err == nil && len(info) > 0 {
		f.CPU = info[0].ModelName
	}
	if m, err := fs.Meminfo(); err == nil && m.MemTotal != nil {
		f.Memory = float64(*m.MemTotal) / (1 << 20)
	}
	if l, err := fs.LoadAvg(); err == nil {
		f.Load = l.Load1
	}
	return f
}
