#!/usr/bin/env bash
# Installs on the cluster of the current kubectl context, or removes everything again, or writes what it would apply into files or a
# Helm chart.
#     scripts/deploy.sh up standalone|host|calico|split|DIRECTORY
#     scripts/deploy.sh down
#     scripts/deploy.sh manifests DIRECTORY
#     scripts/deploy.sh chart DIRECTORY
# DIRECTORY of up is an overlay of one's own. KUBECTL is the client to use. API_SERVER is the API server's own address, host:port, if it cannot be found. Images are named as in
# deploy/overlays/*/kustomization.yaml, or by REGISTRY and TAG as scripts/images.sh does.
set -euo pipefail
here=$PWD
cd "$(dirname "$0")/../deploy"

kubectl=${KUBECTL:-kubectl}
namespace=infra-offload
fail() { echo "deploy: $*" >&2; exit 1; }
command -v "${kubectl%% *}" >/dev/null || fail "$kubectl is not installed"

# Where nodes reach the API server before there is a data plane that serves its ClusterIP: what kubeadm tells nodes that join, or what
# kubectl itself uses.
api_server() {
  local url=${API_SERVER:-}
  [ -n "$url" ] || url=$($kubectl --namespace kube-public get configmap cluster-info \
    --output 'jsonpath={.data.kubeconfig}' 2>/dev/null | sed -n 's/^ *server: *//p')
  [ -n "$url" ] || url=$($kubectl config view --minify --output 'jsonpath={.clusters[0].cluster.server}')
  url=${url#*://}
  url=${url%%/*}
  case $url in
    127.* | localhost* | '[::1]'* | '') fail "the API server's address is not known: API_SERVER=host:port, as nodes reach it" ;;
    *]:* | [!\[]*:*) ;;
    *) url=$url:443 ;;
  esac
  echo "$url"
}

# The manifests of a folder of deploy/, with the images named.
rendered() {
  $kubectl kustomize "$1" | sed -E \
    -e "${TAG:+s|(image: infra-offload/.*):.*|\1:$TAG|}" \
    -e "${REGISTRY:+s|(image: )infra-offload/|\1$REGISTRY/|}"
}

# The ConfigMap that tells the agents where the API server is.
endpoint() {
  $kubectl --namespace "$namespace" create configmap kubernetes-services-endpoint --dry-run=client --output yaml \
    --from-literal "KUBERNETES_SERVICE_HOST=$(sed 's/^\[\(.*\)\]$/\1/' <<<"${1%:*}")" \
    --from-literal "KUBERNETES_SERVICE_PORT=${1##*:}" | sed '/creationTimestamp: null/d'
}

up() {
  local overlay=$1 folder=overlays/$1
  case $overlay in */*) folder=$(cd "$here" && realpath "$overlay") ;; esac
  [ -d "$folder" ] || fail "no overlay '$overlay'; there are: $(ls overlays | tr '\n' ' ')"
  local secrets=(agent-client-secret)
  [ "$overlay" = split ] || secrets+=(manager-server-secret manager-client-secret target-server-secret)
  $kubectl apply -f base/common/namespace.yaml
  for secret in "${secrets[@]}"; do
    $kubectl --namespace "$namespace" get secret "$secret" >/dev/null 2>&1 ||
      fail "Secret $secret is missing in namespace $namespace: run make tls-secrets first"
  done
  local server
  server=$(api_server)
  endpoint "$server" | $kubectl apply -f -
  rendered "$folder" | $kubectl apply -f -
  # Others are replaced when somebody deletes their pods, and agents are not ready without them.
  local rolling='jsonpath={range .items[?(@.spec.updateStrategy.type=="RollingUpdate")]}daemonset/{.metadata.name}{"\n"}{end}'
  for set in $($kubectl --namespace "$namespace" get daemonsets --output "$rolling"); do
    $kubectl --namespace "$namespace" rollout status "$set" --timeout "${TIMEOUT:-300s}"
  done
}

down() {
  $kubectl get namespace "$namespace" >/dev/null 2>&1 || { echo "deploy: nothing is deployed"; return; }
  local image cleanup
  image=$($kubectl --namespace "$namespace" get daemonset infraagent-ds --ignore-not-found \
    --output 'jsonpath={.spec.template.spec.containers[0].image}')
  # With their pods, which would write their files once more.
  $kubectl --namespace "$namespace" delete daemonset --all --cascade=foreground --wait --timeout "${TIMEOUT:-300s}"
  # Files, state and addresses on the nodes, by the image that they have.
  cleanup=$(rendered cleanup | sed "${image:+s|image: .*/agent:.*|image: $image|}")
  $kubectl apply -f - <<<"$cleanup"
  $kubectl --namespace "$namespace" rollout status daemonset/infra-offload-cleanup --timeout "${TIMEOUT:-300s}"
  $kubectl delete -k cleanup --wait
  $kubectl delete clusterrole,clusterrolebinding --selector app.kubernetes.io/part-of=infra-offload
  $kubectl --namespace kube-system delete role,rolebinding --selector app.kubernetes.io/part-of=infra-offload
}

manifests() {
  local overlay
  for overlay in overlays/*/; do
    overlay=$(basename "$overlay")
    {
      rendered "overlays/$overlay"
      [ -z "${API_SERVER:-}" ] || { echo ---; endpoint "$API_SERVER"; }
    } >"$1/$overlay.yaml"
  done
}

# The chart of helm/, with the manifests of every overlay in it; as a folder and as what `helm package` makes of it.
chart() {
  local chart=$1/infra-offload folder
  rm -rf "$chart"
  mkdir -p "$chart/files"
  cp -R helm/infra-offload/. "$chart"
  for folder in overlays/*/ cleanup; do
    rendered "$folder" >"$chart/files/$(basename "$folder").yaml"
  done
  sed "${TAG:+s|^appVersion: .*|appVersion: \"$TAG\"|}" helm/infra-offload/Chart.yaml >"$chart/Chart.yaml"
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --create --directory "$1" infra-offload |
    gzip --no-name >"$1/infra-offload-$(sed -n 's/^version: //p' "$chart/Chart.yaml").tgz"
}

case ${1:-} in
  up) up "${2:?usage: deploy.sh up OVERLAY}" ;;
  down) down ;;
  manifests) manifests "$(cd "$here" && realpath "${2:?usage: deploy.sh manifests DIRECTORY}")" ;;
  chart) chart "$(cd "$here" && realpath "${2:?usage: deploy.sh chart DIRECTORY}")" ;;
  *) fail "usage: deploy.sh up OVERLAY, deploy.sh down, or deploy.sh manifests|chart DIRECTORY" ;;
esac
