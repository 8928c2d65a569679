package main

import (
	"fmt"

	"lockstep/compat/internal/cluster"

	"github.com/prometheus/procfs"
)

// Usage is what all nodes of a cluster together have used, or hold.
type Usage struct {
	CPU      float64 // seconds since they started, user and system
	Resident float64 // bytes, anonymous and of mapped files (binary, jars), without the page cache
	Files    int     // open descriptors
	Threads  int     // of the operating system
}

// usage looks at every node that runs.
func usage(c *cluster.Cluster) (Usage, error) {
	var sum Usage
	for _, n := range c.Members() {
		if !c.Running(n) {
			continue
		}
		u, err := usageOf(c.PID(n))
		if err != nil {
			return sum, fmt.Errorf("node %d: %w", n, err)
		}
		sum.CPU += u.CPU
		sum.Resident += u.Resident
		sum.Files += u.Files
		sum.Threads += u.Threads
	}
	return sum, nil
}

func usageOf(pid int) (Usage, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return Usage{}, fmt.Errorf("look at process %d: %w: %w", pid, err, ErrCannot)
	}
	stat, err := p.Stat()
	if err != nil {
		return Usage{}, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	status, err := p.NewStatus()
	if err != nil {
		return Usage{}, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	files, err := p.FileDescriptorsLen()
	if err != nil {
		return Usage{}, fmt.Errorf("descriptors of process %d: %w", pid, err)
	}
	return Usage{CPU: stat.CPUTime(), Resident: float64(status.RssAnon + status.RssFile), Files: files, Threads: stat.NumThreads}, nil
}
