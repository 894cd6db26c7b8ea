#!/usr/bin/env bash
# Records the hashes of the P4 sources and of what p4c made of them. Run it only after p4c has made the artifacts anew from
# the sources as they are: a test compares the record with the files.
set -euo pipefail
cd "$(dirname "$0")/.."
for program in dpdk es2k; do
  (cd "$program" && sha256sum -- *.p4 k8s_dp.p4info.txtpb k8s_dp.spec context.json bf-rt.json > SOURCES.sha256)
done
