//go:build !linux

package main

import "os"

// datasync is the nearest there is to fdatasync.
func datasync(f *os.File) error { return f.Sync() }
