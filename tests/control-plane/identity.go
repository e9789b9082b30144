package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"
)

// An identity is a user of the cluster with a token and a kubeconfig. What each may do is in bootstrap.yaml and in
// the roles that Kubernetes brings.
type identity struct {
	name   string
	user   string
	groups []string
	public bool // handed to the caller
}

var identities = []identity{
	{name: "admin", user: "admin", groups: []string{"system:masters"}, public: true},
	{
		name: "stateward-controller",
		user: "system:serviceaccount:stateward-system:stateward-controller",
		groups: []string{
			"system:serviceaccounts", "system:serviceaccounts:stateward-system", "system:authenticated",
		},
		public: true,
	},
	{name: "developer", user: "developer", groups: []string{"developers"}, public: true},
	{name: "kube-controller-manager", user: "system:kube-controller-manager"},
	{name: "kube-scheduler", user: "system:kube-scheduler"},
	{name: "kwok", user: "kwok"},
}

func (c *cluster) kubeconfig(name string) string {
	return c.path("kubeconfig", name+".yaml")
}

// writeIdentities makes certificates, keys, tokens and kubeconfigs, new ones for each start.
func (c *cluster) writeIdentities() error {
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	if err := c.writePEM("ca.crt", "CERTIFICATE", ca.certificate.Raw); err != nil {
		return err
	}
	for _, name := range []string{"server", "etcd-client"} {
		certificate, key, err := ca.issue(name)
		if err != nil {
			return err
		}
		if err := c.writePEM(name+".crt", "CERTIFICATE", certificate); err != nil {
			return err
		}
		if err := c.writeKey(name+".key", key); err != nil {
			return err
		}
	}
	signing, err := newKey()
	if err != nil {
		return err
	}
	if err := c.writeKey("service-accounts.key", signing); err != nil {
		return err
	}

	authority := base64.StdEncoding.EncodeToString(pemOf("CERTIFICATE", ca.certificate.Raw))
	var tokens strings.Builder
	c.tokens = map[string]string{}
	for _, i := range identities {
		token := rand.Text()
		c.tokens[i.name] = token
		fmt.Fprintf(&tokens, "%s,%s,%s,\"%s\"\n", token, i.user, i.name, strings.Join(i.groups, ","))
		text := fmt.Sprintf(kubeconfigTemplate, c.server(), authority, i.name, token)
		if err := os.WriteFile(c.kubeconfig(i.name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := os.WriteFile(c.path("pki", "tokens.csv"), []byte(tokens.String()), 0o600); err != nil {
		return err
	}
	c.api = newAPIClient(c.server(), c.tokens["admin"], ca.certificate)
	return nil
}

const kubeconfigTemplate = `apiVersion: v1
kind: Config
clusters:
  - name: local
    cluster:
      server: %[1]s
      certificate-authority-data: %[2]s
users:
  - name: %[3]s
    user:
      token: %[4]s
contexts:
  - name: local
    context:
      cluster: local
      user: %[3]s
      namespace: default
current-context: local
`

func (c *cluster) writePEM(name, kind string, der []byte) error {
	return os.WriteFile(c.path("pki", name), pemOf(kind, der), 0o600)
}

func (c *cluster) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return c.writePEM(name, "EC PRIVATE KEY", der)
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// An authority is the cluster's own certificate authority. Its key is never written.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template, err := newTemplate("stateward-local-ca")
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{certificate: certificate, key: key}, nil
}

// issue signs a certificate that serves both ways: etcd presents its own when it calls itself.
func (a *authority) issue(name string) ([]byte, *ecdsa.PrivateKey, error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	template, err := newTemplate(name)
	if err != nil {
		return nil, nil, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.DNSNames = []string{
		"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
	}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 0, 0, 1)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	return der, key, err
}

func newTemplate(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour), // for a clock that is set back a little
		NotAfter:     time.Now().AddDate(1, 0, 0),
	}, nil
}
