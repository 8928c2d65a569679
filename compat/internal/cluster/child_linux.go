package cluster

import "syscall"

// childAttributes puts a child in a group of its own (Ctrl-C is for the suite, which then closes its children) and has
// the kernel kill it when the suite dies without closing anything.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
