#!/usr/bin/env bash
# Writes the files that the mixin makes: the rules of Prometheus and the dashboards of Grafana.
#
#   generate.sh            write them
#   generate.sh --check    say which of them differ, and in which line; exit status 1 if any does
#
# $JSONNET names the interpreter; Debian's and go-jsonnet give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/../.."

case ${1:-} in
  '' | --check) ;;
  *) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0"; exit 64 ;;
esac

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
# The interpreter of Debian makes no directories.
mkdir -p "$made/prometheus" "$made/grafana/dashboards"
files=$("${JSONNET:-jsonnet}" -S -m "$made" prometheus/mixin/generate.jsonnet)

status=0
while read -r file; do
  file=${file#"$made/"}
  if [[ -z ${1:-} ]]; then
    mkdir -p "$(dirname "$file")"
    cp "$made/$file" "$file"
  elif [[ ! -f $file ]]; then
    echo "$file:1: is missing; run prometheus/mixin/generate.sh"
    status=1
  elif ! cmp -s "$made/$file" "$file"; then
    # The first line that differs, as it is and as the mixin has it.
    line=$(cmp "$made/$file" "$file" 2>&1 | sed -n 's/.* line \([0-9]*\).*/\1/p' || true)
    echo "$file:$line: is out of step with the mixin; run prometheus/mixin/generate.sh"
    diff -u --label "$file" --label 'what the mixin makes' "$file" "$made/$file" | head -n 20 || true
    status=1
  fi
done <<<"$files"
exit $status
