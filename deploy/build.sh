#!/usr/bin/env bash
# Builds the static program that the tarball, the packages and the image hold, and prints where it is.
#
#   deploy/build.sh             for this machine
#   deploy/build.sh TARGET      for another one, such as aarch64-unknown-linux-musl: that takes
#                               rustup target add TARGET, and a C compiler for it (CC_aarch64_unknown_linux_musl=...)
#
# The same sources, dependencies and compilers give the same bytes, wherever they lie (docs/adr/033).
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
target=${1:-$host}
out=${CARGO_TARGET_DIR:-$PWD/target}
cargo_home=${CARGO_HOME:-$HOME/.cargo}

# Paths of this machine are in messages of panics and of assertions in C; they are replaced by names.
remap=("$PWD=/hostnorm" "$cargo_home=/cargo" "$out=/target")
flags="-C target-feature=+crt-static"
c_flags=""
for it in "${remap[@]}"; do
  flags+=" --remap-path-prefix=$it"
  c_flags+=" -ffile-prefix-map=$it"
done
# Seconds since the epoch in what C compilers are told of time and date.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH CFLAGS="${CFLAGS:-}$c_flags" RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }$flags"

# With a target, flags are not for build scripts, which are no part of the program.
CARGO_TARGET_DIR=$out cargo build --locked --profile dist --target "$target" >&2
program=$out/$target/dist/hostnorm
# One that is for this machine has to run.
if [[ $target == "$host" ]]; then "$program" --version >&2; fi
printf '%s\n' "$program"
