#!/usr/bin/env bash
# Builds the images from the working tree as `make images` does, without a registry, and writes them as archives that a runtime
# imports:
#     images/archives.sh DIRECTORY
# What is built stays in ~/.cache/infra-offload/containers, so that only the first time is slow. Needs buildah and mmdebstrap.
# With AGNHOST and PAUSE, programs of Kubernetes' own tests, and DNS, the server of tools/cluster, the images of these, too.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?usage: archives.sh DIRECTORY}
mkdir -p "$target"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/infra-offload/containers
mkdir -p "$cache"
# One at a time.
exec 9>"$cache/lock"
flock 9

cat >"$cache/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$cache/graph"
runroot = "$cache/run"
END
export CONTAINERS_STORAGE_CONF=$cache/storage.conf BUILDAH_ISOLATION=chroot
# What a run that was killed has left would keep images from being removed.
buildah rm --all >/dev/null
export REGISTRY=docker.io/infra-offload
TAG=$(node -p 'require("./apps/agent/package.json").version')
export TAG
debian=localhost/debian:bookworm-slim node=localhost/node:20-bookworm-slim
buildah inspect --type image "$node" >/dev/null 2>&1 || images/debian-bases.sh "$debian" "$node"

sources=$(mktemp -d)
trap 'rm -rf "$sources"' EXIT
# With what is not committed yet; what was deleted is still in git's list.
git ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
  tar --create --null --files-from=- --mtime=@0 | tar --extract --directory "$sources"
"$sources/scripts/images.sh" --quiet --build-arg "NODE_IMAGE=$node" --build-arg "RUNTIME_IMAGE=$debian" >/dev/null

# save NAME FILE
save() { rm -f "$target/$2.tar" && buildah push --quiet "$1" "oci-archive:$target/$2.tar:$1"; }
for program in agent manager softswitch; do save "$REGISTRY/$program:$TAG" "$program"; done

# The tests run curl, wget, nc, dig, ip and ping in the image of agnhost, which serves TLS with a certificate of its own.
if [ -n "${AGNHOST:-}" ]; then
  mkdir "$sources/agnhost"
  cp "$AGNHOST" "$sources/agnhost/agnhost"
  cat >"$sources/agnhost/Dockerfile" <<END
FROM $debian
RUN apt-get update && apt-get install --yes --no-install-recommends curl dnsutils iproute2 iputils-ping netcat-openbsd openssl wget && \\
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=localhost -keyout /localhost.key -out /localhost.crt
COPY agnhost /agnhost
ENTRYPOINT ["/agnhost"]
CMD ["pause"]
END
  number=0
  for image in ${AGNHOST_IMAGES:?the names of images with agnhost}; do
    buildah build --quiet --layers --tag "$image" "$sources/agnhost" >/dev/null
    save "$image" "agnhost-$((number += 1))"
  done
fi
if [ -n "${DNS:-}" ]; then
  mkdir "$sources/dns"
  cp "$DNS" "$sources/dns/dns.mjs"
  cat >"$sources/dns/Dockerfile" <<END
FROM $node AS node
FROM $debian
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY dns.mjs /dns.mjs
ENTRYPOINT ["node", "/dns.mjs"]
END
  image=${DNS_IMAGE:?the name of the image with the DNS server}
  buildah build --quiet --layers --tag "$image" "$sources/dns" >/dev/null
  save "$image" dns
fi
if [ -n "${PAUSE:-}" ]; then
  mkdir "$sources/pause"
  cp "$PAUSE" "$sources/pause/pause"
  printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' >"$sources/pause/Dockerfile"
  image=${PAUSE_IMAGE:?the name of the image with pause}
  buildah build --quiet --layers --tag "$image" "$sources/pause" >/dev/null
  save "$image" pause
fi
buildah rmi --prune >/dev/null
