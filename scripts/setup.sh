#!/usr/bin/env bash
# Installs what building and testing need: Debian packages, pnpm, npm dependencies. Safe to run again; quick when
# nothing is missing. With --dpdk: what the DPDK data plane needs, too. With --oracle or --cluster: what
# make oracle and make cluster need. With --test: what any test needs.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "setup: $*" >&2; exit 1; }

command -v node >/dev/null || fail "Node.js 20.19 or newer is needed; install it from https://nodejs.org"
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
  fail "Node.js 20.19 or newer is needed; this is $(node --version)"

# command:package
missing=()
for need in ip:iproute2 ping:iputils-ping arping:iputils-arping nsenter:util-linux curl:curl git:git; do
  command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
if [ "${1:-}" = --cluster ] || [ "${1:-}" = --test ]; then
  for need in buildah:buildah mmdebstrap:mmdebstrap; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
  done
fi
if [ "${1:-}" = --test ]; then
  for need in openssl:openssl runc:runc; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
  done
  command -v kubectl >/dev/null ||
    fail "kubectl 1.21 or newer is needed (Debian's kubernetes-client is older): https://kubernetes.io/docs/tasks/tools"
fi
if [ "${1:-}" = --oracle ] || [ "${1:-}" = --test ]; then
  for need in conntrack:conntrack nft:nftables; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
  done
fi
if [ "${1:-}" = --dpdk ] || [ "${1:-}" = --test ]; then
  for need in gcc:gcc make:make pkg-config:pkg-config; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
  done
  pkg-config --exists libdpdk 2>/dev/null || missing+=(libdpdk-dev)
fi
[ -x /usr/lib/cni/host-local ] || [ -x /opt/cni/bin/host-local ] || missing+=(containernetworking-plugins)
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || fail "missing: ${missing[*]}; install them (this script knows apt-get only)"
  [ "$(id -u)" = 0 ] || fail "missing Debian packages: ${missing[*]}; run as root, or: sudo apt-get install ${missing[*]}"
  echo "setup: installing ${missing[*]}"
  log=$(mktemp)
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "apt-get could not install ${missing[*]}"; }
  rm -f "$log"
fi

if [ "${1:-}" = --test ] && ! command -v promtool >/dev/null; then
  echo "setup: installing promtool"
  # By itself, since Debian's package would start a server, too.
  scratch=$(mktemp -d)
  { apt-get update && (cd "$scratch" && apt-get download prometheus && dpkg-deb --extract prometheus_*.deb .) &&
    install "$scratch/usr/bin/promtool" /usr/local/bin; } >"$scratch/log" 2>&1 || {
    tail -n 20 "$scratch/log" >&2
    echo "setup: without promtool, the tests of the alerting rules are skipped" >&2
  }
  rm -r "$scratch"
fi

wanted=$(node -p 'require("./package.json").packageManager.split("@")[1]')
if [ "$(pnpm --version 2>/dev/null || true)" != "$wanted" ]; then
  echo "setup: installing pnpm $wanted"
  npm install --global --silent "pnpm@$wanted" || fail "npm could not install pnpm $wanted"
fi
pnpm install --frozen-lockfile --silent || fail "pnpm install failed"
