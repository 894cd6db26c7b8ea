#!/bin/sh
# Gets the two headers that compiled programs need and Debian does not install, from the source package of the libdpdk
# that is installed: fetch-headers.sh DIRECTORY. Needs no root, and changes nothing but DIRECTORY.
set -eu
output=$1
fail() { echo "fetch-headers: $*" >&2; exit 1; }

command -v apt-get >/dev/null || fail "apt-get is not here; take lib/pipeline/rte_swx_pipeline_*.h from DPDK's sources"
version=$(dpkg-query -W -f '${source:Version}' libdpdk-dev 2>/dev/null) || fail "libdpdk-dev is not installed"
[ -f "$output/version" ] && [ "$(cat "$output/version")" = "$version" ] && exit 0

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Where the installed version comes from: `500 http://deb.debian.org/debian bookworm/main amd64 Packages`.
apt-cache madison libdpdk-dev | awk -F '|' -v version="$version" '
  { gsub(/^ +| +$/, "", $2); if ($2 == version && split($3, part, " ") >= 2) {
      split(part[2], suite, "/"); print "deb-src " part[1] " " suite[1] " " suite[2]; exit } }' >"$scratch/sources.list"
[ -s "$scratch/sources.list" ] || fail "no archive has libdpdk-dev $version any more (apt-get upgrade?)"
mkdir -p "$scratch/lists/partial" "$scratch/cache"
apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$scratch/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State::lists="$scratch/lists" -o Dir::Cache="$scratch/cache" -o APT::Sandbox::User=root "$@"
}
cd "$scratch"
apt update >log 2>&1 && apt source --download-only "dpdk=$version" >>log 2>&1 || { cat log >&2; fail "no source of dpdk $version"; }
mkdir headers
tar -xf dpdk_*.orig.tar.* -C headers --strip-components=3 --wildcards '*/lib/pipeline/rte_swx_pipeline_*.h'
cd "$OLDPWD"
mkdir -p "$output"
cp "$scratch"/headers/*.h "$output/"
echo "$version" >"$output/version"
