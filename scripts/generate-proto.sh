#!/usr/bin/env bash
# Generates a package's wire code from its .proto files into src/gen: generate-proto.sh [MAP=IMPORT ...]
# Run in the package's folder. Hermetic: buf and ts-proto come from node_modules, nothing is fetched.
set -euo pipefail
package=$(pwd)
root=$(cd "$(dirname "$0")/.." && pwd)
options=(
  env=both esModuleInterop=true importSuffix=.js forceLong=bigint oneof=unions-value useOptionals=messages
  outputServices=grpc-js outputJsonMethods=false unrecognizedEnum=false
  removeEnumPrefix=false useDate=false
)
for mapping in "$@"; do options+=("M$mapping"); done
opt=$(IFS=,; echo "${options[*]}")
imports=${GENERATE_IMPORTS:-false}
# Fields that a message's type does not have yet are kept when it is written again.
[ "${KEEP_UNKNOWN_FIELDS:-false}" = false ] || opt+=,unknownFields=true,initializeFieldsAsUndefined=false
rm -rf "$package/src/gen"
cd "$root"
node_modules/.bin/buf generate "${package#"$root"/}/proto" --template "$(cat <<JSON
{ "version": "v2",
  "plugins": [{
    "local": "$root/node_modules/.bin/protoc-gen-ts_proto",
    "out": "$package/src/gen",
    "opt": "$opt",
    "include_imports": $imports,
    "include_wkt": $imports
  }] }
JSON
)"
# Fields of bytes that are not set share one empty array. With one for each, as ts-proto has it, most of the time that a million
# table entries take to be decoded goes into those: V8 makes an object much faster than a typed array.
for file in $(grep -rlF 'new Uint8Array(0)' "$package/src/gen" || true); do
  sed -i 's/new Uint8Array(0)/NO_BYTES/g' "$file"
  printf '\nconst NO_BYTES: Uint8Array = new Uint8Array(0);\n' >>"$file"
done
