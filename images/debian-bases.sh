#!/usr/bin/env bash
# Makes the two images that ours are built from out of Debian packages and this machine's Node.js, for where no registry
# can be reached. Needs buildah and mmdebstrap.
#     images/debian-bases.sh RUNTIME_IMAGE NODE_IMAGE
set -euo pipefail
runtime=${1:?usage: debian-bases.sh RUNTIME_IMAGE NODE_IMAGE} node=${2:?usage: debian-bases.sh RUNTIME_IMAGE NODE_IMAGE}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# As small as Debian's slim images: no documentation, and no Perl beside perl-base, which only usrmerge asks for.
mmdebstrap --quiet --variant=apt \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook='chroot "$1" sh -c "apt-get install -qq --yes usr-is-merged usrmerge- && apt-get purge -qq --yes perl-modules-5.36 && apt-get autoremove -qq --yes --purge"' \
  bookworm "$scratch/root.tar" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
printf 'FROM scratch\nADD root.tar /\nCMD ["bash"]\n' >"$scratch/Dockerfile"
buildah build --quiet --tag "$runtime" "$scratch" >/dev/null

modules=$(npm root --global)
mkdir "$scratch/lib"
cp "$(command -v node)" "$scratch/node"
cp -r "$modules/npm" "$scratch/lib/"
# A machine behind a proxy may have an authority of its own.
cp /etc/ssl/certs/ca-certificates.crt "$scratch/"
cat >"$scratch/Dockerfile" <<END
FROM $runtime
COPY ca-certificates.crt /etc/ssl/certs/
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
COPY node /usr/local/bin/
COPY lib /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && \
    ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
END
buildah build --quiet --tag "$node" "$scratch" >/dev/null
