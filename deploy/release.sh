#!/usr/bin/env bash
# Builds a release in DIRECTORY: tarball, deb, rpm, SBOM and sha256sums.txt.
#
#   deploy/release.sh DIRECTORY                     for this machine
#   deploy/release.sh DIRECTORY --target TARGET     for another one, see deploy/build.sh
#   ... --program FILE                              with an existing program of deploy/build.sh
#   ... --draft                                     of a version that is unreleased in CHANGELOG.md
#
# Requires cargo-deb, cargo-generate-rpm and cargo-cyclonedx (cargo install --locked NAME). Tarballs and packages are
# reproducible; tests/live/test_release.py checks this.
set -euo pipefail
usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0" >&2; exit 64; }
fail() { printf 'release: %s\n' "$*" >&2; exit 1; }

[[ ${1:---} != --* ]] || usage
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
[[ ${1:-} != --program ]] || set -- "$1" "$(realpath "${2:-.}")" "${@:3}"
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
target=$host program='' draft=''
while (($#)); do
  case $1 in
    --target) target=${2:-} ;;
    --program) program=${2:-} ;;
    --draft) draft=yes ;;
    *) usage ;;
  esac
  [[ $1 == --draft ]] || { [[ -n ${2:-} ]] || usage; shift; }
  shift
done

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
case ${target%%-*} in
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
  armv7) architecture=armv7 ;;
  *) fail "unknown target $target; add its architecture to $0" ;;
esac

# A release has a dated entry in the changelog.
entry=$(grep -m1 "^## $version / " CHANGELOG.md) || fail "CHANGELOG.md has no entry '## $version / YYYY-MM-DD'"
if ! [[ ${entry##*/ } =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]]; then
  [[ -n $draft ]] || fail "CHANGELOG.md says '${entry##*/ }' of $version, not a date; use --draft to build anyway"
fi

SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C
[[ -n $program ]] || program=$(deploy/build.sh "$target")
[[ -x $program ]] || fail "$program does not exist or is not executable"
# A program for another machine does not run here; this machine's program prints the same manual.
speaker=$program
"$speaker" --version >/dev/null 2>&1 || speaker=$(deploy/build.sh "$host")
"$speaker" --version | grep -q "^hostnorm $version " || fail "$speaker is not version $version; rebuild it"

# Generated files.
stage=target/stage
rm -rf $stage
mkdir -p $stage/man $stage/completions
install -m 755 "$program" $stage/hostnorm
"$speaker" man | gzip -9n >$stage/man/hostnorm.1.gz
for it in $("$speaker" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p'); do
  "$speaker" man "$it" | gzip -9n >"$stage/man/hostnorm-$it.1.gz"
done
"$speaker" completions bash >$stage/completions/hostnorm
"$speaker" completions zsh >$stage/completions/_hostnorm
"$speaker" completions fish >$stage/completions/hostnorm.fish
# The changelog in Debian's format.
{
  printf 'hostnorm (%s-1) unstable; urgency=medium\n\n' "$version"
  sed -n "/^## $version /,/^## /s/^\* /  * /p" CHANGELOG.md | fold -s -w 74 | sed 's/^\([^ ]\)/    \1/; s/ *$//'
  printf '\n -- The hostnorm authors <hostnorm@users.noreply.github.com>  %s\n' "$(date -R -d "@$SOURCE_DATE_EPOCH")"
} >$stage/debian-changelog

# The tarball, with names and layout like those of Prometheus.
name=hostnorm-$version.linux-$architecture
root=$stage/tarball/$name
mkdir -p "$root"
cp -r $stage/hostnorm $stage/man $stage/completions LICENSE NOTICE CHANGELOG.md deploy/hostnorm.yaml deploy/web-config.yml deploy/systemd "$root"
mkdir -p "$root/prometheus" "$root/grafana"
cp -r prometheus/*.yml prometheus/templates prometheus/examples "$root/prometheus"
cp -r grafana/dashboards grafana/provisioning "$root/grafana"
find "$root" -type d -exec chmod 755 {} + && find "$root" -type f -exec chmod 644 {} + && chmod 755 "$root/hostnorm"
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --format=gnu \
  --directory $stage/tarball "$name" | gzip -9n >"$out/$name.tar.gz"
find $stage deploy/systemd deploy/hostnorm.* -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

cargo deb --quiet --no-build --no-strip --target "$target" --output "$out/hostnorm_$version-1_$architecture.deb"
# A draft is not compressed.
packing=zstd
[[ -z $draft ]] || packing=none
cargo generate-rpm --payload-compress "$packing" --target "$target" --output "$out/hostnorm-$version-1.${target%%-*}.rpm" \
  --source-date "$SOURCE_DATE_EPOCH"

# The SBOM, without serial number, time and paths, which would make it irreproducible.
cargo cyclonedx --quiet --format json --target "$target" --override-filename hostnorm-sbom
jq 'del(.serialNumber, .metadata.timestamp)' hostnorm-sbom.json | sed -E "s,file://$PWD#(hostnorm@)?,file:///hostnorm#hostnorm@,g; s,file://$PWD,file:///hostnorm,g" >"$out/hostnorm-$version.cdx.json"
rm hostnorm-sbom.json

cd "$out"
sha256sum -- *.tar.gz *.deb *.rpm *.cdx.json >sha256sums.txt
printf '%s\n' "$out"/*
