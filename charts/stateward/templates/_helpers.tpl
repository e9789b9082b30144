{{- /* The names are fixed and not made of the release's: there is one stateward in a cluster, and a second install has
to fail on the first object that it finds taken, instead of expanding everything twice. */ -}}

{{- /* Labels by which Services, budgets and constraints find the pods of a component. Never another one: a Deployment's
selector is immutable. No app.kubernetes.io/instance, here or anywhere: tools that track by it prune what carries it. */ -}}
{{- define "stateward.selector" -}}
app.kubernetes.io/name: stateward
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- /* Labels of every object. {root, component} */ -}}
{{- define "stateward.labels" -}}
{{- $ours := include "stateward.selector" . | fromYaml -}}
{{- $_ := set $ours "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- mergeOverwrite (deepCopy .root.Values.commonLabels) $ours | toYaml -}}
{{- end -}}

{{- define "stateward.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* What the leaf of the serving certificate is valid for; the API server asks for exactly this name. */ -}}
{{- define "stateward.serverName" -}}
stateward.{{ .Release.Namespace }}.svc
{{- end -}}

{{- /* Where a component listens. {root, port} */ -}}
{{- define "stateward.listen" -}}
{{ .root.Values.listenAddress }}:{{ int .port }}
{{- end -}}

{{/*
The kinds that the controller is to do without, as its argument names them: those that values switch off.
*/}}
{{- define "stateward.without" -}}
{{- $kinds := list }}
{{- if not .ingresses }}{{ $kinds = append $kinds "ingresses" }}{{ end }}
{{- if not .gatewayRoutes }}{{ $kinds = concat $kinds (list "httproutes" "tcproutes" "tlsroutes") }}{{ end }}
{{- if not .secrets }}{{ $kinds = append $kinds "secrets" }}{{ end }}
{{- if not .networkPolicies }}{{ $kinds = append $kinds "networkpolicies" }}{{ end }}
{{- if not .serviceAccounts }}{{ $kinds = append $kinds "serviceaccounts" }}{{ end }}
{{- if not .serviceMonitors }}{{ $kinds = append $kinds "servicemonitors" }}{{ end }}
{{- join "," $kinds }}
{{- end }}
