package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The programs that the cluster consists of, and those that are only handed on to whoever uses it.
var (
	neededTools = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubectl"}
	handedTools = []string{"helm"}
)

// findTools looks for every program in `assets` (KUBEBUILDER_ASSETS, which in other projects holds etcd,
// kube-apiserver and kubectl alone) and then in `bin`.
func findTools(bin, assets string) (map[string]string, error) {
	if bin == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		bin = filepath.Dir(self)
	}
	places := []string{bin}
	if assets != "" {
		places = []string{assets, bin}
	}
	found := map[string]string{}
	for _, name := range append(append([]string{}, neededTools...), handedTools...) {
		for _, place := range places {
			path, err := filepath.Abs(filepath.Join(place, name))
			if err != nil {
				return nil, err
			}
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				found[name] = path
				break
			}
		}
	}
	var missing []string
	for _, name := range neededTools {
		if found[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, errors.New("missing " + strings.Join(missing, ", ") + ": looked in " + strings.Join(places, " and ") +
			"; tests/control-plane/build builds them")
	}
	return found, nil
}

func (c *cluster) etcdArgs() []string {
	client := fmt.Sprintf("https://127.0.0.1:%d", c.ports.etcd)
	peer := fmt.Sprintf("http://127.0.0.1:%d", c.ports.etcdPeer)
	return []string{
		"--name=local",
		"--data-dir=" + c.path("etcd"),
		"--unsafe-no-fsync", // The data is thrown away with the cluster.
		"--log-level=warn",
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=local=" + peer,
		// Without certificates every user of the machine could read and write it, and an API server that lost a race
		// for a port could take another cluster's etcd for its own.
		"--client-cert-auth",
		"--trusted-ca-file=" + c.path("pki", "ca.crt"),
		"--cert-file=" + c.path("pki", "server.crt"),
		"--key-file=" + c.path("pki", "server.key"),
	}
}

func (c *cluster) apiserverArgs() []string {
	return []string{
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.ports.apiserver),
		"--endpoint-reconciler-type=none", // A loopback address is no legal endpoint.
		"--service-cluster-ip-range=10.0.0.0/16",
		"--authorization-mode=RBAC",
		"--token-auth-file=" + c.path("pki", "tokens.csv"),
		"--allow-privileged=true",
		// Its plugin would mount tokens into every pod, which takes a kubelet.
		"--disable-admission-plugins=ServiceAccount",
		// On some clusters whoever names an owner that is to wait has to have a right to that owner's finalizers.
		"--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
		"--audit-policy-file=" + c.path("config", "audit.yaml"),
		"--audit-log-path=" + c.path("logs", "audit.log"),
		"--audit-log-maxsize=50", // Megabytes; a cluster of `make up` may run for days.
		"--audit-log-maxbackup=1",
		fmt.Sprintf("--etcd-servers=https://127.0.0.1:%d", c.ports.etcd),
		"--etcd-cafile=" + c.path("pki", "ca.crt"),
		"--etcd-certfile=" + c.path("pki", "etcd-client.crt"),
		"--etcd-keyfile=" + c.path("pki", "etcd-client.key"),
		"--tls-cert-file=" + c.path("pki", "server.crt"),
		"--tls-private-key-file=" + c.path("pki", "server.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.path("pki", "service-accounts.key"),
		"--service-account-signing-key-file=" + c.path("pki", "service-accounts.key"),
	}
}

func (c *cluster) controllerManagerArgs() []string {
	return []string{
		"--kubeconfig=" + c.kubeconfig("kube-controller-manager"),
		"--leader-elect=false",
		"--secure-port=0",
		"--enable-hostpath-provisioner=true",
		// As on a real cluster each controller has an identity of its own: a webhook sees them as users.
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + c.path("pki", "service-accounts.key"),
		"--root-ca-file=" + c.path("pki", "ca.crt"),
		// The default rate suits a cluster that others share; here tests wait for it.
		"--kube-api-qps=200",
		"--kube-api-burst=400",
	}
}

func (c *cluster) schedulerArgs() []string {
	return []string{
		"--kubeconfig=" + c.kubeconfig("kube-scheduler"),
		"--leader-elect=false",
		"--secure-port=0",
	}
}

func (c *cluster) kwokArgs() []string {
	return []string{
		"--kubeconfig=" + c.kubeconfig("kwok"),
		"--config=" + c.path("config", "stages.yaml"),
		"--manage-all-nodes=true",
		"--node-ip=127.0.0.1",
		"--cidr=10.244.0.0/16",
		// Nodes that renew no lease are taken for dead after a minute.
		"--node-lease-duration-seconds=40",
		"--v=WARN", // It tells each renewal of a lease otherwise.
	}
}
