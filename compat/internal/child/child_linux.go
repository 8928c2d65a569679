package child

import "syscall"

// Attributes puts a child in a group of its own (Ctrl-C is for the suite, which then closes its children) and has
// the kernel kill it when the suite dies without closing anything.
func Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
