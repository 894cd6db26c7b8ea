#!/usr/bin/env bash
# Makes src/gen from the artifacts of p4c in dpdk/ and es2k/: the typed descriptors, and the artifacts' texts as TypeScript, so
# that the package needs no files beside its code. Hermetic.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p src/gen
codegen() { node --import tsx --conditions @infra-offload/source ../packages/p4info/src/cli.ts "$@"; }
codegen dpdk/k8s_dp.p4info.txtpb --name k8sDp --out src/gen/k8s-dp.ts
codegen es2k/k8s_dp.p4info.txtpb --name es2kDp --out src/gen/es2k-dp.ts
node scripts/embed-artifacts.mjs
