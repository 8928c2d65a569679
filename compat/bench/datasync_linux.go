package main

import (
	"os"
	"syscall"
)

// datasync is fdatasync: what a broker's log pays for durability.
func datasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
