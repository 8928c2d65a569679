package main

import (
	"fmt"
	"os"
	"syscall"

	"github.com/prometheus/procfs"
)

// touchMemory has the machine give this process much of its free memory for a moment. On a virtual machine whose host takes
// back what is free, the first write to a page costs many times what a write costs: whoever is measured first after a
// pause would pay for that, with most of its time. It is done before each system alike.
func touchMemory(atMost int) error {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return fmt.Errorf("how much memory is free: %w", err)
	}
	info, err := fs.Meminfo()
	if err != nil || info.MemAvailable == nil {
		return fmt.Errorf("how much memory is free: %w", err)
	}
	size := min(atMost, int(*info.MemAvailable)<<10/2)
	mem, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("map %d bytes: %w", size, err)
	}
	_ = syscall.Madvise(mem, syscall.MADV_HUGEPAGE) // without it, it takes longer
	for at := 0; at < size; at += os.Getpagesize() {
		mem[at] = 1
	}
	if err := syscall.Munmap(mem); err != nil {
		return fmt.Errorf("unmap: %w", err)
	}
	return nil
}
