#!/bin/sh
# Inside the build stage of the images: builds both apps from the sources, and bundles them.
#     images/build.sh DIRECTORY
set -eu
cd "$(dirname "$0")/.."
npm install --global --silent "$(node -p 'require("./package.json").packageManager')"
pnpm install --frozen-lockfile --silent
pnpm exec turbo run build --output-logs=errors-only --filter=@infra-offload/agent --filter=@infra-offload/manager
for app in agent manager; do node images/bundle.mjs "$app" "$1/$app"; done
