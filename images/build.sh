#!/bin/sh
# Inside the build stage of the images: builds the programs from the sources, and bundles them.
#     images/build.sh DIRECTORY
set -eu
cd "$(dirname "$0")/.."
npm install --global --silent "$(node -p 'require("./package.json").packageManager')"
pnpm install --frozen-lockfile --silent
pnpm exec turbo run generate --output-logs=errors-only
# The plugins; the rest is bundled from the sources.
pnpm --silent --filter @infra-offload/agent run build
for program in agent manager softswitch; do node images/bundle.mjs "$program" "$1/$program"; done
