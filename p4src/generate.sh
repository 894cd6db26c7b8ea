#!/usr/bin/env bash
# Generates the typed programs from the P4Info that p4c wrote.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p src/gen
node --import tsx --conditions @infra-offload/source ../packages/p4info/src/cli.ts dpdk/k8s_dp.p4info.txtpb --name k8sDp --out src/gen/k8s-dp.ts
