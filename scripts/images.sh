#!/usr/bin/env bash
# Builds the images with docker, podman or buildah, whichever is there.
#     scripts/images.sh [option of the builder …]
# REGISTRY and TAG say how they are called: $REGISTRY/agent:$TAG, $REGISTRY/manager:$TAG, $REGISTRY/softswitch:$TAG.
set -euo pipefail
cd "$(dirname "$0")/.."

registry=${REGISTRY:-infra-offload}
tag=${TAG:-$(node -p 'require("./apps/agent/package.json").version')}
for builder in docker podman buildah; do
  command -v "$builder" >/dev/null || continue
  # docker is often there without its engine.
  [ "$builder" != docker ] || docker version >/dev/null 2>&1 || continue
  found=$builder
  break
done
[ -n "${found:-}" ] || { echo "images: docker, podman or buildah is needed; on Debian: apt-get install buildah" >&2; exit 1; }
for program in agent manager softswitch; do
  options=(--file "images/$program/Dockerfile" --tag "$registry/$program:$tag")
  [ "$found" = docker ] || options+=(--layers)
  "$found" build "${options[@]}" "$@" .
done
