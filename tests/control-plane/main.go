// Control-plane starts a real Kubernetes on loopback, for stateward's tests, for `make up` and for the demo:
// etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and kwok in place of the nodes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

const usage = `usage: control-plane up --data DIR [--bin DIR] [--stop-on-eof]

Starts a Kubernetes cluster on loopback and stays in the foreground. When the
cluster is ready, one line of JSON on stdout says where it is. Each start
begins with an empty cluster.

  --data DIR      where everything is kept: data, certificates, kubeconfigs, logs
  --bin DIR       where the programs are (default: beside this one); those in the
                  directory that KUBEBUILDER_ASSETS names come first
  --stop-on-eof   stop when stdin ends, so that the cluster ends with its caller

It stops on SIGINT or SIGTERM, at once on a second one, and when one of its
programs ends.
`

// errInterrupted is the cause of a stop that was asked for.
var errInterrupted = errors.New("interrupted")

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	if len(args) == 0 || args[0] != "up" {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	data := flags.String("data", "", "")
	bin := flags.String("bin", "", "")
	stopOnEOF := flags.Bool("stop-on-eof", false, "")
	switch err := flags.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case *data == "" || flags.NArg() > 0:
		fmt.Fprint(os.Stderr, usage)
		return 2
	}

	// Tokens and keys are written below; the programs' own files need no other readers either.
	syscall.Umask(0o077)

	directory, err := openDirectory(*data)
	if err != nil {
		return failed(err)
	}
	tools, err := findTools(*bin, os.Getenv("KUBEBUILDER_ASSETS"))
	if err != nil {
		return failed(err)
	}
	ctx := untilStopped(*stopOnEOF)
	return supervise(ctx, newCluster(directory, tools))
}

// supervise starts the cluster, reports it and stays until it is told to stop or one of the programs ends.
func supervise(ctx context.Context, c *cluster) int {
	err := c.start(ctx)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(c.report())
	}
	if err == nil {
		err = c.wait(ctx)
	}
	started := c.ready
	if errors.Is(err, errInterrupted) {
		say("stopping")
	} else {
		failed(err)
	}
	c.stop()
	switch {
	case !errors.Is(err, errInterrupted):
		return 1
	case !started:
		return 130 // The caller must not take a start that was cut short for a cluster that has been.
	default:
		return 0
	}
}

// untilStopped returns a context that ends with the first signal, or with the end of stdin. A second signal ends
// everything at once.
func untilStopped(stopOnEOF bool) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // Under nohup it is to stay ignored.
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		<-signals
		cancel(errInterrupted)
		<-signals
		say("killed at once")
		killEverything()
		os.Exit(130)
	}()
	if stopOnEOF {
		go func() {
			// An error is an end too: there is nobody left to wait for.
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel(errInterrupted)
		}()
	}
	return ctx
}

// openDirectory makes the data directory and takes hold of it for as long as this process lives.
func openDirectory(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", err
	}
	lockPath := filepath.Join(path, "control-plane.lock")
	// An earlier cluster's files are removed from here, so it must not be just any directory.
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(lockPath); err != nil && len(entries) > 0 {
		return "", fmt.Errorf("%s is not empty and no cluster's directory: give --data a new or an empty one", path)
	}
	lock, err := os.OpenFile(lockPath, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return "", fmt.Errorf("%s is in use by a cluster that is running: stop that one or give --data another directory", path)
	}
	heldLock = lock
	return path, nil
}

// heldLock keeps the lock's file from being closed by the garbage collector.
var heldLock *os.File

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "control-plane: "+format+"\n", args...)
}

func failed(err error) int {
	say("%v", err)
	return 1
}
