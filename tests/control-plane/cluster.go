package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed stages.yaml
var stagesYAML []byte

//go:embed bootstrap.yaml
var bootstrapYAML []byte

//go:embed audit.yaml
var auditYAML []byte

const (
	// startLimit is generous, for a machine that is busy compiling; an idle one needs a few seconds.
	startLimit = 3 * time.Minute
	// stopLimit is for all programs together.
	stopLimit = 5 * time.Second
	// startAttempts: a port that was free a moment ago may be taken when a program binds it.
	startAttempts = 5
)

// errPortTaken means that another program was quicker to bind one of our ports.
var errPortTaken = errors.New("a port was taken by another program meanwhile")

// A cluster is the programs of one local Kubernetes and the directory that holds all that is theirs.
type cluster struct {
	dir      string
	tools    map[string]string // the path of each program
	ports    ports
	tokens   map[string]string // the token of each identity
	ready    bool
	api      *apiClient
	children []*child // in the order of their start
	died     chan *child
}

type ports struct{ etcd, etcdPeer, apiserver int }

func newCluster(dir string, tools map[string]string) *cluster {
	return &cluster{dir: dir, tools: tools, died: make(chan *child, 16)}
}

// A report is what the caller reads from stdout when the cluster is ready.
type report struct {
	Server      string            `json:"server"`
	Dir         string            `json:"dir"`
	Bin         string            `json:"bin"`
	Kubeconfigs map[string]string `json:"kubeconfigs"`
}

func (c *cluster) report() report {
	kubeconfigs := map[string]string{}
	for _, i := range identities {
		if i.public {
			kubeconfigs[i.name] = c.kubeconfig(i.name)
		}
	}
	return report{Server: c.server(), Dir: c.dir, Bin: c.path("bin"), Kubeconfigs: kubeconfigs}
}

func (c *cluster) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

func (c *cluster) server() string {
	return fmt.Sprintf("https://127.0.0.1:%d", c.ports.apiserver)
}

// start returns when the cluster is ready for use. What it started when it fails is for `stop` to end.
func (c *cluster) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, errors.New("the cluster took too long to start"))
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := c.startOnce(ctx)
		if err == nil {
			c.ready = true
			return nil
		}
		if !errors.Is(err, errPortTaken) || attempt == startAttempts {
			return err
		}
		c.stop()
	}
}

func (c *cluster) startOnce(ctx context.Context) error {
	if err := c.prepare(); err != nil {
		return err
	}
	if err := c.spawn("etcd", c.etcdArgs()); err != nil {
		return err
	}
	if err := c.spawn("kube-apiserver", c.apiserverArgs()); err != nil {
		return err
	}
	if err := c.until(ctx, "the API server answers that it is ready", "kube-apiserver", c.api.ready); err != nil {
		return err
	}
	if err := c.spawn("kube-controller-manager", c.controllerManagerArgs()); err != nil {
		return err
	}
	if err := c.spawn("kube-scheduler", c.schedulerArgs()); err != nil {
		return err
	}
	if err := c.createBootstrapObjects(ctx); err != nil {
		return err
	}
	if err := c.spawn("kwok", c.kwokArgs()); err != nil {
		return err
	}
	if err := c.until(ctx, "the nodes are Ready", "kwok", c.api.nodesReady); err != nil {
		return err
	}
	return c.until(ctx, "the namespaces have their service accounts", "kube-controller-manager", c.api.controllersReady)
}

// prepare makes the files of an empty cluster.
func (c *cluster) prepare() error {
	for _, part := range []string{"etcd", "bin", "logs", "home", "pki", "kubeconfig", "config"} {
		if err := os.RemoveAll(c.path(part)); err != nil {
			return err
		}
		if err := os.Mkdir(c.path(part), 0o700); err != nil {
			return err
		}
	}
	// An earlier cluster's count would be taken for this one's.
	if err := os.RemoveAll(c.path("crashes")); err != nil {
		return err
	}
	for name, program := range c.tools {
		if err := os.Symlink(program, c.path("bin", name)); err != nil {
			return err
		}
	}
	for name, text := range map[string][]byte{
		"stages.yaml": stagesYAML, "bootstrap.yaml": bootstrapYAML, "audit.yaml": auditYAML,
	} {
		if err := os.WriteFile(c.path("config", name), text, 0o600); err != nil {
			return err
		}
	}
	if err := shareVolumes(); err != nil {
		return err
	}
	free, err := freePorts(3)
	if err != nil {
		return fmt.Errorf("no free port on loopback: %w", err)
	}
	c.ports = ports{etcd: free[0], etcdPeer: free[1], apiserver: free[2]}
	return c.writeIdentities()
}

// sharedVolumes is where the host-path provisioner makes every volume; Kubernetes has no option for it. Volumes have
// random names and stay empty, so clusters do not meet there.
const sharedVolumes = "/tmp/hostpath_pv"

// shareVolumes makes that directory, so that the first user of a machine does not lock the others out.
func shareVolumes() error {
	if err := os.Mkdir(sharedVolumes, 0o700); err == nil {
		return os.Chmod(sharedVolumes, 0o777|os.ModeSticky)
	}
	probe, err := os.MkdirTemp(sharedVolumes, "probe")
	if err != nil {
		return fmt.Errorf("the volumes of the local Kubernetes go to %s, which is not writable: %w", sharedVolumes, err)
	}
	return os.Remove(probe)
}

// removeVolumes takes the volumes away that the cluster still had at its end.
func removeVolumes(paths []string) {
	for _, path := range paths {
		if filepath.Dir(path) == sharedVolumes {
			_ = os.Remove(path) // Only an empty directory: nothing that anybody put there is lost.
		}
	}
}

func (c *cluster) spawn(name string, args []string) error {
	started, err := spawn(c.tools[name], c.path("logs", name+".log"), c.path("home"), args, c.died)
	if err != nil {
		return err
	}
	c.children = append(c.children, started)
	return nil
}

// createBootstrapObjects creates nodes, storage class, namespace and roles with the real client.
func (c *cluster) createBootstrapObjects(ctx context.Context) error {
	text, err := output(ctx, c.tools["kubectl"], c.path("home"), "create",
		"--kubeconfig", c.kubeconfig("admin"), "--filename", c.path("config", "bootstrap.yaml"))
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		select {
		case died := <-c.died: // That is why.
			return deathOf(died)
		default:
		}
		return fmt.Errorf("kubectl could not create the nodes, the storage class and the roles (%w):\n%s", err, text)
	}
	return nil
}

// until polls a condition. `responsible` is the program whose log tells most when it does not come true.
func (c *cluster) until(ctx context.Context, what, responsible string, holds func(context.Context) error) error {
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		select {
		case died := <-c.died:
			return deathOf(died)
		case <-ctx.Done():
			cause := context.Cause(ctx)
			if errors.Is(cause, errInterrupted) {
				return cause
			}
			return fmt.Errorf("%w: waited until %s (%v); %s",
				cause, what, err, tail(c.path("logs", responsible+".log")))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// wait returns when the cluster is to end, with the reason.
func (c *cluster) wait(ctx context.Context) error {
	crashes := make(chan os.Signal, 1)
	signal.Notify(crashes, syscall.SIGUSR1)
	defer signal.Stop(crashes)
	for count := 1; ; count++ {
		select {
		case <-crashes:
			if err := c.crashAPIServer(ctx, count); err != nil {
				return err
			}
		case died := <-c.died:
			return deathOf(died)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// crashAPIServer ends the API server with no word to anybody, as a node's failure would, and starts it again on the
// same etcd and the same port. The number of times that this was done goes to the file `crashes`.
func (c *cluster) crashAPIServer(ctx context.Context, count int) error {
	for i, one := range c.children {
		if one.name == "kube-apiserver" {
			c.children = append(c.children[:i:i], c.children[i+1:]...)
			_ = one.cmd.Process.Kill()
			<-one.ended
			if died := <-c.died; died != one {
				return deathOf(died)
			}
			break
		}
	}
	if err := c.spawn("kube-apiserver", c.apiserverArgs()); err != nil {
		return err
	}
	if err := c.until(ctx, "the API server answers again", "kube-apiserver", c.api.ready); err != nil {
		return err
	}
	return os.WriteFile(c.path("crashes"), []byte(strconv.Itoa(count)), 0o600)
}

func deathOf(c *child) error {
	end := tail(c.log)
	if strings.Contains(end, "address already in use") {
		return fmt.Errorf("%w: %s has ended (%s); %s", errPortTaken, c.name, c.state, end)
	}
	return fmt.Errorf("%s has ended (%s); %s", c.name, c.state, end)
}

// stop ends the programs in the reverse order of their start: the API server outlives its clients and etcd outlives
// the API server, so that none is seen waiting for another that has gone.
func (c *cluster) stop() {
	deadline := time.After(stopLimit)
	if c.ready {
		defer removeVolumes(c.api.volumes())
	}
	var clients, servers []*child
	for _, one := range c.children {
		if one.name == "etcd" || one.name == "kube-apiserver" {
			servers = append([]*child{one}, servers...)
		} else {
			clients = append([]*child{one}, clients...)
		}
	}
	if stopChildren(clients, deadline) {
		deadline = passed
	}
	for _, server := range servers {
		if stopChildren([]*child{server}, deadline) {
			deadline = passed
		}
	}
	c.children = nil
	c.died = make(chan *child, 16) // The deaths that we caused ourselves are no news.
}

// freePorts asks the system for ports, all held at once so that they differ.
func freePorts(count int) ([]int, error) {
	var free []int
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		free = append(free, listener.Addr().(*net.TCPAddr).Port)
	}
	return free, nil
}
