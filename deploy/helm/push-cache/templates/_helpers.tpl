{{- define "push-cache.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "push-cache.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "push-cache.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "push-cache.selectorLabels" -}}
app.kubernetes.io/name: {{ include "push-cache.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "push-cache.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "push-cache.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "push-cache.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "push-cache.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "push-cache.secretName" -}}
{{- if .Values.secrets.existingSecret }}
{{- .Values.secrets.existingSecret }}
{{- else if .Values.secrets.values }}
{{- include "push-cache.fullname" . }}
{{- end }}
{{- end }}

{{- define "push-cache.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}

{{/* Whether each replica has a volume claim of its own: a StatefulSet then. */}}
{{- define "push-cache.stateful" -}}
{{- if and .Values.snapshots.enabled .Values.snapshots.persistence.enabled }}true{{ end }}
{{- end }}

{{- define "push-cache.kind" -}}
{{- if include "push-cache.stateful" . }}StatefulSet{{ else }}Deployment{{ end }}
{{- end }}

{{/* What the configuration has for the health port's paths. */}}
{{- define "push-cache.healthPrefix" -}}
{{- $hams := default dict .Values.config.hams }}
{{- $prefix := default "/hams" $hams.prefix | trimAll "/" }}
{{- if $prefix }}/{{ $prefix }}{{ end }}
{{- end }}

{{- define "push-cache.configuration" -}}
{{- $config := deepCopy .Values.config }}
{{- $_ := set $config "webservice" (mergeOverwrite (default dict $config.webservice) (dict "address" "0.0.0.0:8080")) }}
{{- $_ := set $config "hams" (mergeOverwrite (default dict $config.hams) (dict "address" "0.0.0.0:8079")) }}
{{- if .Values.snapshots.enabled }}
{{- $_ := set $config "snapshot" (mergeOverwrite (default dict $config.snapshot) (dict "dir" "/var/lib/push-cache")) }}
{{- end }}
{{- toYaml $config }}
{{- end }}
