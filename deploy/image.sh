#!/usr/bin/env bash
# Builds the image with buildah from programs of deploy/build.sh. Needs no daemon and no root.
#
#   deploy/image.sh DESTINATION ARCHITECTURE=PROGRAM...
#   deploy/image.sh docker-archive:hostnorm.tar amd64=target/x86_64-unknown-linux-gnu/dist/hostnorm
#   deploy/image.sh docker://ghcr.io/hostnorm/hostnorm:v0.1.0 amd64=... arm64=...
#
# DESTINATION is as for `buildah push`; with several architectures it gets a manifest list. Nothing runs during the build, so
# no architecture is emulated. BUILDAH sets other options, such as "buildah --storage-driver vfs --root DIR --runroot DIR".
set -euo pipefail
(($# >= 2)) || { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0" >&2; exit 64; }
destination=$1
shift

deploy=$(cd "$(dirname "$0")" && pwd)
read -ra buildah <<<"${BUILDAH:-buildah}"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$deploy/../Cargo.toml" | head -1)
revision=${BUILD_REVISION:-$(git -C "$deploy" rev-parse HEAD 2>/dev/null || echo unknown)}
created=${SOURCE_DATE_EPOCH:-$(git -C "$deploy" log -1 --format=%ct 2>/dev/null || echo 0)}

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/state"
cp "$deploy/../LICENSE" "$deploy/../NOTICE" "$context"

list=localhost/hostnorm:$version
"${buildah[@]}" manifest rm "$list" >/dev/null 2>&1 || true
"${buildah[@]}" manifest create "$list" >/dev/null
for it in "$@"; do
  architecture=${it%%=*}
  install -m 755 "${it#*=}" "$context/hostnorm-linux-$architecture"
  # Docker's format, because OCI's has no HEALTHCHECK.
  image=$("${buildah[@]}" bud --quiet --format docker --isolation chroot --layers=false --timestamp "$created" \
    --platform "linux/$architecture" --build-arg "TARGETARCH=$architecture" --build-arg "VERSION=$version" \
    --build-arg "REVISION=$revision" --build-arg "CREATED=$(date -u -d "@$created" +%Y-%m-%dT%H:%M:%SZ)" \
    --file "$deploy/Dockerfile" "$context" | tail -1)
  "${buildah[@]}" manifest add "$list" "$image" >/dev/null
done
if (($# == 1)); then
  "${buildah[@]}" push --quiet "$image" "$destination"
else
  "${buildah[@]}" manifest push --quiet --all --format v2s2 "$list" "$destination"
fi
"${buildah[@]}" manifest rm "$list" >/dev/null
