#!/usr/bin/env bash
# Generates the rules of Prometheus and the dashboards of Grafana from the mixin.
#
#   generate.sh            write the files
#   generate.sh --check    report outdated files with the first line that differs; exit status 1 if there is one
#
# $JSONNET names the interpreter. Debian's and go-jsonnet differ in indentation and in the digits of numbers, so Python
# formats their output.
set -euo pipefail
cd "$(dirname "$0")/../.."

case ${1:-} in
  '' | --check) ;;
  *) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0"; exit 64 ;;
esac

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
# Debian's interpreter does not create directories.
mkdir -p "$made/raw" "$made/prometheus" "$made/grafana/dashboards"
all=prometheus/mixin/generate.jsonnet
"${JSONNET:-jsonnet}" -S -e "(import '$all').rules" >"$made/prometheus/hostnorm-rules.yml"
"${JSONNET:-jsonnet}" -m "$made/raw" -e "(import '$all').dashboards" >/dev/null
# The chart puts the address of Grafana in the place of this one, or removes the links.
mkdir -p "$made/helm/hostnorm/files"
"${JSONNET:-jsonnet}" -S -e "(import 'prometheus/mixin/files.libsonnet')((import 'prometheus/mixin/mixin.libsonnet') {
  _config+:: { grafanaURL: 'https://grafana.invalid' },
}).rules" >"$made/helm/hostnorm/files/hostnorm-rules.yml"
files=prometheus/hostnorm-rules.yml$'\n'helm/hostnorm/files/hostnorm-rules.yml
for raw in "$made"/raw/*.json; do
  file=grafana/dashboards/${raw##*/}
  python3 -m json.tool --indent 2 --no-ensure-ascii "$raw" "$made/$file"
  files+=$'\n'$file
done

status=0
while read -r file; do
  if [[ -z ${1:-} ]]; then
    mkdir -p "$(dirname "$file")"
    cp "$made/$file" "$file"
  elif [[ ! -f $file ]]; then
    echo "$file:1: is missing; run prometheus/mixin/generate.sh"
    status=1
  elif ! cmp -s "$made/$file" "$file"; then
    # The first line that differs.
    line=$(cmp "$made/$file" "$file" 2>&1 | sed -n 's/.* line \([0-9]*\).*/\1/p' || true)
    echo "$file:$line: is out of step with the mixin; run prometheus/mixin/generate.sh"
    diff -u --label "$file" --label 'what the mixin makes' "$file" "$made/$file" | head -n 20 || true
    status=1
  fi
done <<<"$files"
exit $status
