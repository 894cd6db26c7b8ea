#!/usr/bin/env bash
# Installs on the cluster of the current kubectl context, or removes everything again.
#     scripts/deploy.sh up standalone|host|calico|split
#     scripts/deploy.sh down
# KUBECTL is the client to use. API_SERVER is the API server's own address, host:port, if it cannot be found. Images are named as in deploy/overlays/*/kustomization.yaml.
set -euo pipefail
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

up() {
  local overlay=$1
  [ -d "overlays/$overlay" ] || fail "no overlay '$overlay'; there are: $(ls overlays | tr '\n' ' ')"
  local secrets=(agent-client-secret)
  [ "$overlay" = split ] || secrets+=(manager-server-secret manager-client-secret)
  $kubectl apply -f base/common/namespace.yaml
  for secret in "${secrets[@]}"; do
    $kubectl --namespace "$namespace" get secret "$secret" >/dev/null 2>&1 ||
      fail "Secret $secret is missing in namespace $namespace: run make tls-secrets first"
  done
  local server
  server=$(api_server)
  $kubectl --namespace "$namespace" create configmap kubernetes-services-endpoint --dry-run=client --output yaml \
    --from-literal "KUBERNETES_SERVICE_HOST=$(sed 's/^\[\(.*\)\]$/\1/' <<<"${server%:*}")" \
    --from-literal "KUBERNETES_SERVICE_PORT=${server##*:}" | $kubectl apply -f -
  $kubectl apply -k "overlays/$overlay"
  for set in $($kubectl --namespace "$namespace" get daemonsets --output name); do
    $kubectl --namespace "$namespace" rollout status "$set" --timeout "${TIMEOUT:-300s}"
  done
}

down() {
  $kubectl get namespace "$namespace" >/dev/null 2>&1 || { echo "deploy: nothing is deployed"; return; }
  $kubectl --namespace "$namespace" delete daemonset --all --wait
  # Files, state and addresses on the nodes.
  $kubectl apply -k cleanup
  $kubectl --namespace "$namespace" rollout status daemonset/infra-offload-cleanup --timeout "${TIMEOUT:-300s}"
  $kubectl delete -k cleanup --wait
  $kubectl delete clusterrole,clusterrolebinding --selector app.kubernetes.io/part-of=infra-offload
  $kubectl --namespace kube-system delete role,rolebinding --selector app.kubernetes.io/part-of=infra-offload
}

case ${1:-} in
  up) up "${2:?usage: deploy.sh up standalone|host|calico|split}" ;;
  down) down ;;
  *) fail "usage: deploy.sh up standalone|host|calico|split, or deploy.sh down" ;;
esac
