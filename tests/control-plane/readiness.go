package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// An apiClient asks the API server, as admin, how far the cluster has come and what it leaves.
type apiClient struct {
	server string
	token  string
	http   *http.Client
}

func newAPIClient(server, token string, ca *x509.Certificate) *apiClient {
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	return &apiClient{server: server, token: token, http: &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}}
}

// get reads an object; with nil in `into`, success alone counts.
func (a *apiClient) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.server+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	response, err := a.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, response.Status)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}

func (a *apiClient) ready(ctx context.Context) error {
	return a.get(ctx, "/readyz", nil)
}

// expectedNodes is the number of nodes in bootstrap.yaml.
const expectedNodes = 3

// nodesReady: kwok reports a node Ready, and the controller manager then takes off the taint that each new node has.
func (a *apiClient) nodesReady(ctx context.Context) error {
	var nodes struct {
		Items []struct {
			Spec   struct{ Taints []struct{ Key string } }
			Status struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := a.get(ctx, "/api/v1/nodes", &nodes); err != nil {
		return err
	}
	ready := 0
	for _, node := range nodes.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type == "Ready" && condition.Status == "True" && len(node.Spec.Taints) == 0 {
				ready++
			}
		}
	}
	if ready != expectedNodes {
		return fmt.Errorf("%d of %d nodes are Ready and without taints", ready, expectedNodes)
	}
	return nil
}

// controllersReady: a service account in each of the namespaces shows that they exist and that controllers run.
func (a *apiClient) controllersReady(ctx context.Context) error {
	for _, namespace := range []string{"default", "stateward-system"} {
		if err := a.get(ctx, "/api/v1/namespaces/"+namespace+"/serviceaccounts/default", nil); err != nil {
			return err
		}
	}
	return nil
}

// volumes lists the directories of the volumes that exist, as well as a cluster that is being stopped can tell.
func (a *apiClient) volumes() []string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var volumes struct {
		Items []struct {
			Spec struct{ HostPath struct{ Path string } }
		}
	}
	_ = a.get(ctx, "/api/v1/persistentvolumes", &volumes)
	var paths []string
	for _, volume := range volumes.Items {
		paths = append(paths, volume.Spec.HostPath.Path)
	}
	return paths
}
