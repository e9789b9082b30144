package main

import "syscall"

// childAttributes lets the kernel kill a child when we die, even by SIGKILL, when no code of ours runs any more.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
