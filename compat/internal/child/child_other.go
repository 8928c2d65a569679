//go:build !linux

package child

import "syscall"

// Attributes puts a child in a group of its own: Ctrl-C is for the suite, which then closes its children.
func Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
