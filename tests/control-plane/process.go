package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A child is one running program of the cluster.
type child struct {
	name  string
	log   string
	cmd   *exec.Cmd
	ended chan struct{} // closed when the program has ended and `state` is set
	state string
}

// Every child of this process that has not been reaped, so that a second signal can end them all.
var (
	livingMutex sync.Mutex
	living      = map[*os.Process]struct{}{}
)

// killEverything ends all children and lets no other start.
func killEverything() {
	livingMutex.Lock() // For good: the process is about to end.
	for process := range living {
		_ = process.Kill()
	}
}

// starter runs what it is given on one operating system thread that lives as long as the process. The signal that
// Linux sends to a child at its parent's death is bound to the thread that started it, not to the process: on an
// ordinary goroutine the children would die when Go retires a thread.
var starter = func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
}()

func startCommand(cmd *exec.Cmd) error {
	result := make(chan error)
	starter <- func() {
		livingMutex.Lock()
		defer livingMutex.Unlock()
		err := cmd.Start()
		if err == nil {
			living[cmd.Process] = struct{}{}
		}
		result <- err
	}
	return <-result
}

func waitCommand(cmd *exec.Cmd) error {
	err := cmd.Wait()
	livingMutex.Lock()
	defer livingMutex.Unlock()
	delete(living, cmd.Process)
	return err
}

// spawn starts a program in the directory `home`, with its output in `log`; its end is told to `died`.
func spawn(program, log, home string, args []string, died chan<- *child) (*child, error) {
	name := filepath.Base(program)
	output, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	cmd := command(program, home, args)
	cmd.Stdout, cmd.Stderr = output, output
	if err := startCommand(cmd); err != nil {
		return nil, fmt.Errorf("%s cannot be started: %w", name, err)
	}
	c := &child{name: name, log: log, cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = waitCommand(cmd)
		c.state = cmd.ProcessState.String()
		close(c.ended)
		died <- c
	}()
	return c, nil
}

// output runs a program to its end. When the context ends first, the program is killed.
func output(ctx context.Context, program, home string, args ...string) (string, error) {
	cmd := command(program, home, args)
	var text strings.Builder
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := startCommand(cmd); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	err := waitCommand(cmd)
	return text.String(), err
}

// command has a group of its own, so that the terminal's Ctrl-C reaches the supervisor alone and the programs are
// stopped in order; and an environment of its own, because the programs read more of it than one expects (every
// ETCD_ variable, kubectl's and kwok's settings under HOME).
func command(program, home string, args []string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home}
	for _, name := range []string{"PATH", "TMPDIR", "GOMAXPROCS", "GOMEMLIMIT", "GOGC"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.SysProcAttr = childAttributes()
	return cmd
}

// stopChildren asks the children to end, waits for them until the deadline and then kills what is left. It tells
// whether the deadline has passed.
func stopChildren(children []*child, deadline <-chan time.Time) bool {
	for _, c := range children {
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
	}
	late := false
	for _, c := range children {
		select {
		case <-c.ended:
		case <-deadline:
			late, deadline = true, passed // Whoever comes next has no time left either.
			_ = c.cmd.Process.Kill()
			<-c.ended
		}
	}
	return late
}

// passed is a deadline that is over: a timer's own channel tells it only once.
var passed = func() <-chan time.Time {
	closed := make(chan time.Time)
	close(closed)
	return closed
}()

const tailLines = 20

// tail returns the last lines of a log, introduced by where it is.
func tail(log string) string {
	file, err := os.Open(log)
	if err != nil {
		return fmt.Sprintf("its log cannot be read: %v", err)
	}
	defer file.Close()
	const most = 64 << 10
	if info, err := file.Stat(); err == nil && info.Size() > most {
		_, _ = file.Seek(-most, io.SeekEnd)
	}
	text, _ := io.ReadAll(file)
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return fmt.Sprintf("the end of %s:\n    %s", log, strings.Join(lines, "\n    "))
}
