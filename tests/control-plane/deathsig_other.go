//go:build !linux

package main

import "syscall"

// childAttributes: only Linux can be asked to end a child with its parent. Elsewhere the children are stopped on
// every ordinary end, but outlive a supervisor that is itself killed by SIGKILL.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
