// The CustomResourceDefinitions that tests install: those of kinds which only some clusters serve. Nothing is built from
// them.
module stateward.dev/tests/crds

go 1.26

require (
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/gateway-api v1.6.3
)
