#!/usr/bin/env bash
# Compares a tag with the versions in the files, and prints what a release of it publishes, one NAME=VALUE a line.
#
#   deploy/plan.sh v0.1.0
#
# Exit status 1, with the reason, if the tag is not the version of Cargo.toml and the chart, or the changelog has no date for it.
set -euo pipefail
(($# == 1)) || { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0" >&2; exit 64; }
cd "$(dirname "$0")/.."
fail() { printf 'plan: %s\n' "$*" >&2; exit 1; }

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
[[ $1 == "v$version" ]] || fail "the tag is $1, and Cargo.toml has version $version"
for key in version appVersion; do
  chart=$(sed -n "s/^$key: //p" helm/hostnorm/Chart.yaml)
  [[ $chart == "$version" ]] || fail "the tag is $1, and helm/hostnorm/Chart.yaml has $key $chart"
done
grep -qE "^## $version / [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md || fail "CHANGELOG.md has no entry '## $version / YYYY-MM-DD'"

# shellcheck source=.github/publish.env
. .github/publish.env
printf '%s\n' "version=$version" "registry=$REGISTRY" "image=$REGISTRY/$OWNER/$REPOSITORY" "charts=$REGISTRY/$OWNER/charts"
