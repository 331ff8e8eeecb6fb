#!/usr/bin/env bash
# Builds the static program for tarball, packages and image, and prints its path.
#
#   deploy/build.sh             for this machine
#   deploy/build.sh TARGET      for another one, such as aarch64-unknown-linux-musl; requires
#                               rustup target add TARGET and a C compiler (CC_aarch64_unknown_linux_musl=...)
#
# Builds are reproducible: equal sources, dependencies and compilers give equal bytes in any directory (docs/adr/033).
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${1:-$host}
out=${CARGO_TARGET_DIR:-$PWD/target}
cargo_home=${CARGO_HOME:-$HOME/.cargo}

# Replaces paths of this machine, which appear in panic messages and C assertions.
remap=("$PWD=/hostnorm" "$cargo_home=/cargo" "$out=/target")
flags="-C target-feature=+crt-static"
c_flags=""
for it in "${remap[@]}"; do
  flags+=" --remap-path-prefix=$it"
  c_flags+=" -ffile-prefix-map=$it"
done
# The time that C compilers use for __DATE__ and __TIME__.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH CFLAGS="${CFLAGS:-}$c_flags" RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }$flags"

# With --target, the flags do not apply to build scripts.
CARGO_TARGET_DIR=$out cargo build --locked --profile dist --target "$target" >&2
program=$out/$target/dist/hostnorm
# A program for this machine must run.
if [[ $target == "$host" ]]; then "$program" --version >&2; fi
printf '%s\n' "$program"
