#!/usr/bin/env bash
# Adds or deletes a pod like a container runtime: pod.sh ADD|DEL NAME. The node is the network namespace "node".
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
verb=$1 name=$2
[ "$verb" = ADD ] && ip netns add "$name"
CNI_COMMAND=$verb CNI_CONTAINERID=$name CNI_NETNS=/run/netns/$name CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni \
  CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=$name" \
  nsenter --net=/run/netns/node "$root/apps/agent/dist/infra-cni.js" <"$root/examples/pods.conf"
if [ "$verb" = DEL ]; then ip netns del "$name"; fi
