//go:build !linux

package cluster

import "syscall"

// childAttributes puts a child in a group of its own: Ctrl-C is for the suite, which then closes its children.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
