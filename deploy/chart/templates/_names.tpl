{{- define "plimsoll.name" -}}
{{- if eq .Release.Name .Chart.Name }}{{ .Chart.Name }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "plimsoll.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "plimsoll.labels" -}}
{{ include "plimsoll.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "plimsoll.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end }}

{{- define "plimsoll.endSeconds" -}}
{{ add (dig "limits" "lameDuckSeconds" 0 .Values.config | int) (dig "limits" "drainSeconds" 600 .Values.config | int) }}
{{- end }}

{{/* What the chart writes has precedence, because the probes and the Service rely on it. */}}
{{- define "plimsoll.config" -}}
{{- $name := include "plimsoll.name" . -}}
{{- $local := printf "%s.%s" $name .Release.Namespace -}}
{{- $names := list $name $local (printf "%s.svc" $local) (printf "%s.svc.cluster.local" $local) -}}
{{- $listen := dict "host" "0.0.0.0" "port" 8787 -}}
{{- $metrics := dict "host" "0.0.0.0" "port" 9464 "names" (concat $names .Values.metricsNames) -}}
{{- toYaml (merge (dict "listen" $listen "metrics" $metrics) .Values.config) -}}
{{- end }}
