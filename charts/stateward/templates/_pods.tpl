{{- /* What the pods of both components have in common. {root, component, values} */ -}}

{{- /* Annotations that tell what a process reads at its start alone, so that a change of it starts new pods. */ -}}
{{- define "stateward.checksums" -}}
{{- with .Values.profiles -}}
stateward.dev/profiles: {{ toJson . | sha256sum | trunc 16 | quote }}
{{- end -}}
{{- end -}}

{{- /* Metadata of the pods. No label of a chart's version: it would start new ones for nothing. */ -}}
{{- define "stateward.pod.metadata" -}}
labels:
  {{- mergeOverwrite (deepCopy .root.Values.commonLabels) .values.podLabels (include "stateward.selector" . | fromYaml) | toYaml | nindent 2 }}
{{- with mergeOverwrite (deepCopy .values.podAnnotations) .checksums }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Who the pods are and where they run. */ -}}
{{- define "stateward.pod.spec" -}}
serviceAccountName: stateward-{{ .component }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  # Certificates from a Secret are readable for this group.
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else }}
{{- $selector := include "stateward.selector" . }}
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  # Softly: a cluster of one node has to run it too.
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
    # Pods that a rollout is about to take away do not count.
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end -}}

{{- /* The container but its arguments, ports and volumes. */ -}}
{{- define "stateward.container" -}}
name: {{ .component }}
image: {{ include "stateward.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
env:
  - name: POD_NAMESPACE
    valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
  - name: STATEWARD_ADMIN_BIND
    value: {{ include "stateward.listen" (dict "root" .root "port" .values.adminPort) | quote }}
  - name: STATEWARD_LOG_LEVEL
    value: {{ .root.Values.logLevel | quote }}
  {{- if .root.Values.profiles }}
  # Both have to know them: the webhook expands by them, and the controller keeps what belongs to them.
  - name: STATEWARD_PROFILES
    value: /etc/stateward/profiles
  {{- end }}
  {{- with .values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
# Tied to nothing but the process: a restart mends neither an API server that is away nor a certificate.
livenessProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 10
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 5
  failureThreshold: 2
resources:
  {{- toYaml .values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{- /* A budget, unless it would block every drain. */ -}}
{{- define "stateward.budget" -}}
{{- if and .values.podDisruptionBudget.enabled (gt (int .values.replicas) 1) -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: stateward-{{ .component }}
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "stateward.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .values.podDisruptionBudget.maxUnavailable }}
  # A pod that does not work protects nothing, and must not hold a drain up.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "stateward.selector" . | nindent 6 }}
{{- end -}}
{{- end -}}

{{- /* The Service for whoever scrapes metrics. */ -}}
{{- define "stateward.metrics" -}}
apiVersion: v1
kind: Service
metadata:
  name: stateward-{{ .component }}-metrics
  namespace: {{ .root.Release.Namespace | quote }}
  labels:
    {{- include "stateward.labels" . | nindent 4 }}
    stateward.dev/metrics: "true"
spec:
  type: ClusterIP
  # Each pod is scraped by itself.
  clusterIP: None
  selector:
    {{- include "stateward.selector" . | nindent 4 }}
  ports:
    - {name: metrics, port: {{ int .values.adminPort }}, targetPort: admin, protocol: TCP}
{{- end -}}
