{{- /* Which requests concern us. Shared by the two webhook configurations and the policy, so that they agree: what the
webhook leaves alone, the policy must not refuse for being unexpanded. */ -}}

{{- /* Namespaces: never kube-system, whose sets have to start before us, and never our own. {root} */ -}}
{{- define "stateward.namespaces" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values: {{ concat (list "kube-system" "kube-node-lease" .root.Release.Namespace) .root.Values.webhook.excludedNamespaces | uniq | toJson }}
{{- with .root.Values.webhook.namespaceSelector.matchExpressions }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "stateward.conditions" -}}
# Nothing may keep an object from going.
- name: not-being-deleted
  expression: "!has(object.metadata.deletionTimestamp)"
{{- with .root.Values.webhook.matchConditions }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "stateward.rules" -}}
- apiGroups: [apps]
  apiVersions: [v1]
  resources: [statefulsets]
  operations: [CREATE, UPDATE]
  scope: Namespaced
{{- end -}}

{{- /* What both entries of a configuration have in common. Fields with a default are written out, so that tools that
compare what is stored with what was rendered find no difference. caBundle is not: in two of three modes it belongs to
whoever keeps the certificates, and a chart that renders it would take it back at each upgrade. {root, verb} */ -}}
{{- define "stateward.entry" -}}
clientConfig:
  service:
    name: stateward
    namespace: {{ .root.Release.Namespace | quote }}
    path: /{{ .verb }}
    port: {{ int .root.Values.webhook.service.port }}
  {{- if eq .root.Values.certificates.mode "given" }}
  caBundle: {{ .root.Values.certificates.given.caBundle | b64enc }}
  {{- end }}
rules:
  {{- include "stateward.rules" . | nindent 2 }}
admissionReviewVersions: [v1]
failurePolicy: {{ .root.Values.webhook.failurePolicy }}
matchPolicy: Equivalent
{{- if eq .verb "mutate" }}
# Called again after another webhook, we would count our own work as the user's.
reinvocationPolicy: Never
{{- end }}
sideEffects: None
timeoutSeconds: {{ int .root.Values.webhook.timeoutSeconds }}
{{- end -}}

{{- /* Judges profiles. A fault that gets in all the same hurts nobody: it is passed over, and told in its status. No
deletion is refused: whoever deletes one is told what becomes of others. {root} */ -}}
{{- define "stateward.profiles" -}}
- name: profiles.validate.stateward.dev
  clientConfig:
    service:
      name: stateward
      namespace: {{ .root.Release.Namespace | quote }}
      path: /validate
      port: {{ int .root.Values.webhook.service.port }}
    {{- if eq .root.Values.certificates.mode "given" }}
    caBundle: {{ .root.Values.certificates.given.caBundle | b64enc }}
    {{- end }}
  rules:
    - apiGroups: [stateward.dev]
      apiVersions: [v1alpha1]
      resources: [statefulsetprofiles]
      operations: [CREATE, UPDATE, DELETE]
      scope: Cluster
  admissionReviewVersions: [v1]
  failurePolicy: Ignore
  matchPolicy: Equivalent
  namespaceSelector: {}
  objectSelector: {}
  sideEffects: None
  timeoutSeconds: {{ int .root.Values.webhook.timeoutSeconds }}
{{- end -}}

{{- /* The entries of one configuration. {root, verb} */ -}}
{{- define "stateward.entries" -}}
{{- $values := .root.Values.webhook -}}
# Whatever the label says, also "yes" and "True": those are refused with the remedy.
- name: labelled.{{ .verb }}.stateward.dev
  objectSelector:
    {{- with $values.objectSelector.matchLabels }}
    matchLabels:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    matchExpressions:
      - {key: stateward.dev/managed, operator: Exists}
      {{- with $values.objectSelector.matchExpressions }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  namespaceSelector:
    {{- with $values.namespaceSelector.matchLabels }}
    matchLabels:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    matchExpressions:
      {{- include "stateward.namespaces" . | nindent 6 }}
  matchConditions:
    {{- include "stateward.conditions" . | nindent 4 }}
  {{- include "stateward.entry" . | nindent 2 }}
# Charts of others often cannot label the set, so a namespace may opt all its sets in.
- name: namespaced.{{ .verb }}.stateward.dev
  objectSelector:
    {{- with $values.objectSelector.matchLabels }}
    matchLabels:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    matchExpressions:
      - {key: stateward.dev/managed, operator: DoesNotExist}
      {{- with $values.objectSelector.matchExpressions }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  namespaceSelector:
    {{- with $values.namespaceSelector.matchLabels }}
    matchLabels:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    matchExpressions:
      - {key: stateward.dev/managed, operator: In, values: ["true"]}
      {{- include "stateward.namespaces" . | nindent 6 }}
  matchConditions:
    {{- include "stateward.conditions" . | nindent 4 }}
    # A selector matches when either object does: a request that adds or removes the label would come here too, a
    # second time.
    - name: label-on-neither
      expression: >-
        [object, oldObject].all(o, o == null || !has(o.metadata.labels)
        || !("stateward.dev/managed" in o.metadata.labels))
  {{- include "stateward.entry" . | nindent 2 }}
{{- end -}}
