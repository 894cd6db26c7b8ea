{{- /* What values change in the objects of files/. Helpers without output change the object that they are given. */}}

{{- define "infra-offload.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- /* host and port: those of the values or, on clusters made by kubeadm, what joining nodes are told. */}}
{{- define "infra-offload.apiServer" -}}
{{- $host := .Values.apiServer.host }}
{{- $port := .Values.apiServer.port }}
{{- $info := lookup "v1" "ConfigMap" "kube-public" "cluster-info" }}
{{- if and (not $host) $info }}
{{- $kubeconfig := fromYaml $info.data.kubeconfig }}
{{- $url := urlParse (index $kubeconfig.clusters 0).cluster.server }}
{{- $host = $url.hostname }}
{{- $port = regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default "443" }}
{{- end -}}
host: {{ $host | quote }}
port: {{ $port | quote }}
{{- end }}

{{- /* The name without the hash of the content, which kubectl appends: Helm deletes ConfigMaps that a new version does not
       name, and pods of the old version may still start. */}}
{{- define "infra-offload.configMapName" -}}
{{ regexReplaceAll "-[2456789bcdfghkmt]{10}$" . "" }}
{{- end }}

{{- define "infra-offload.metadata" }}
{{- $namespace := .root.Release.Namespace }}
{{- $metadata := .object.metadata }}
{{- $labels := get $metadata "labels" | default (dict) }}
{{- range $label, $value := include "infra-offload.labels" .root | fromYaml }}
{{- $_ := set $labels $label $value }}
{{- end }}
{{- $_ := set $metadata "labels" $labels }}
{{- if eq (get $metadata "namespace") "infra-offload" }}
{{- $_ := set $metadata "namespace" $namespace }}
{{- end }}
{{- range get .object "subjects" | default (list) }}
{{- $_ := set . "namespace" $namespace }}
{{- end }}
{{- if eq .object.kind "ConfigMap" }}
{{- $_ := set $metadata "name" (include "infra-offload.configMapName" $metadata.name) }}
{{- end }}
{{- end }}

{{- define "infra-offload.config" }}
{{- $data := .object.data }}
{{- $values := .values }}
{{- if and (eq $values.dataplane.kind "dpdk") (hasKey $data "softswitch.yaml") }}
{{- $dpdk := dict "compile" false }}
{{- if $values.dataplane.hugePages }}
{{- $_ := set $dpdk "hugepages" true }}
{{- end }}
{{- include "infra-offload.override" (dict "data" $data "file" "softswitch.yaml" "with" (dict "dataplane" "dpdk" "dpdk" $dpdk)) }}
{{- end }}
{{- include "infra-offload.override" (dict "data" $data "file" "infraagent-config.yaml" "with" $values.agent.config) }}
{{- include "infra-offload.override" (dict "data" $data "file" "inframanager-config.yaml" "with" $values.manager.config) }}
{{- include "infra-offload.override" (dict "data" $data "file" "softswitch.yaml" "with" $values.softswitch.config) }}
{{- end }}

{{- /* A file of a ConfigMap, with settings replaced. */}}
{{- define "infra-offload.override" }}
{{- if and .with (hasKey .data .file) }}
{{- $config := fromYaml (get .data .file) }}
{{- include "infra-offload.merge" (dict "into" $config "from" .with) }}
{{- $_ := set .data .file (printf "%s\n" (toYaml $config)) }}
{{- end }}
{{- end }}

{{- /* Unlike mergeOverwrite, it takes false, 0 and "" for values. */}}
{{- define "infra-offload.merge" }}
{{- $into := .into }}
{{- range $key, $value := .from }}
{{- $present := get $into $key }}
{{- if and (kindIs "map" $value) (kindIs "map" $present) }}
{{- include "infra-offload.merge" (dict "into" $present "from" $value) }}
{{- else }}
{{- $_ := set $into $key $value }}
{{- end }}
{{- end }}
{{- end }}

{{- define "infra-offload.pod" }}
{{- $values := .root.Values }}
{{- $template := .set.spec.template }}
{{- $pod := $template.spec }}
{{- $annotations := get $template.metadata "annotations" | default (dict) }}
{{- range $volume := $pod.volumes }}
{{- $map := get $volume "configMap" }}
{{- if $map }}
{{- $name := include "infra-offload.configMapName" $map.name }}
{{- $_ := set $map "name" $name }}
{{- $_ := set $annotations (printf "checksum/%s" $name) (get $.checksums $name) }}
{{- end }}
{{- end }}
{{- $_ := set $template.metadata "annotations" $annotations }}
{{- range $key, $value := $values.nodeSelector }}
{{- $_ := set $pod.nodeSelector $key $value }}
{{- end }}
{{- $_ := set $pod "tolerations" $values.tolerations }}
{{- if $values.image.pullSecrets }}
{{- $_ := set $pod "imagePullSecrets" $values.image.pullSecrets }}
{{- end }}
{{- range $container := concat (get $pod "initContainers" | default (list)) $pod.containers }}
{{- $_ := set $container "image" (include "infra-offload.image" (dict "image" $container.image "values" $values)) }}
{{- if $values.image.pullPolicy }}
{{- $_ := set $container "imagePullPolicy" $values.image.pullPolicy }}
{{- end }}
{{- end }}
{{- $main := index $pod.containers 0 }}
{{- if and (eq $main.name "dataplane") (eq $values.dataplane.kind "dpdk") }}
{{- include "infra-offload.dpdk" (dict "container" $main "values" $values) }}
{{- end }}
{{- include "infra-offload.resources" (dict "container" $main "values" $values) }}
{{- end }}

{{- define "infra-offload.image" }}
{{- $program := base .image | splitList ":" | first }}
{{- $tag := base .image | splitList ":" | last }}
{{- $image := .values.image }}
{{- $own := get (get .values $program) "image" }}
{{- $own | default (printf "%s/%s:%s" ($image.registry | default (dir .image)) $program ($image.tag | default $tag)) }}
{{- end }}

{{- /* As deploy/components/dpdk and dpdk-huge-pages. */}}
{{- define "infra-offload.dpdk" }}
{{- $dpdk := get .values.softswitch.config "dpdk" | default (dict) }}
{{- $memoryMb := get $dpdk "memoryMb" | default 1024 | int }}
{{- $resources := .container.resources }}
{{- if .values.dataplane.hugePages }}
{{- $_ := set $resources "limits" (dict (printf "hugepages-%s" .values.dataplane.hugePages) (printf "%dMi" $memoryMb)) }}
{{- $_ := set .container.securityContext.capabilities "add" (list "SYS_NICE") }}
{{- else }}
{{- $base := trimSuffix "Mi" $resources.requests.memory | int }}
{{- $_ := set $resources.requests "memory" (printf "%dMi" (add $base $memoryMb)) }}
{{- end }}
{{- end }}

{{- define "infra-offload.resources" }}
{{- $component := get (dict "infraagent" "agent" "inframanager" "manager" "softswitch" "softswitch" "dataplane" "dataplane") .container.name }}
{{- if $component }}
{{- include "infra-offload.merge" (dict "into" .container.resources "from" (get .values $component).resources) }}
{{- end }}
{{- end }}
