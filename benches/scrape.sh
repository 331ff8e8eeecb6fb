#!/usr/bin/env bash
# What a scrape costs: requests in a second, processor time of one, memory; hostnorm beside node_exporter.
#
#   benches/scrape.sh HOSTNORM [ARGUMENT...]      for example benches/scrape.sh target/dist/hostnorm
#
# All run at once on this machine and are asked one after the other by one connection of wrk, as a scraper has one.
# Times drift from run to run: compare within one. The processor time of hostnorm includes its readings.
# Everything shares one processor, CPU (0): to wake another one that sleeps takes an idle virtual machine 30 us, which
# is more than the scrape and the same for all.
# SECONDS_EACH (5) is how long each is asked; NODE_EXPORTER names another binary to compare with.
set -euo pipefail

(($# > 0)) || { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0"; exit 64; }
hostnorm=$1
shift
seconds=${SECONDS_EACH:-5}
for tool in wrk curl taskset; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install $tool" >&2; exit 1; }
done

taskset -cp "${CPU:-0}" $$ >/dev/null
work=$(mktemp -d)
pids=()
stop() {
  # Some may have ended by themselves.
  ((${#pids[@]})) && kill "${pids[@]}" 2>/dev/null
  wait 2>/dev/null
  rm -rf "$work"
}
trap stop EXIT

# The names and values that Prometheus 3 sends.
openmetrics='Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2'
gzip='Accept-Encoding: gzip'

# ready URL LOG: waits up to 10 s for an answer with values.
ready() {
  for ((i = 0; i < 100; i++)); do
    curl -fsS -o /dev/null "$1" 2>/dev/null && return
    sleep 0.1
  done
  echo "no answer from $1:" >&2
  cat "$2" >&2
  exit 1
}

# cpu PID: processor time until now, in ticks. What stands before the last parenthesis is the name.
cpu() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }

# ask NAME PID URL HEADER...: one line of the table.
ask() {
  local name=$1 pid=$2 url=$3 before after rest header args=() curl_args=()
  shift 3
  for header in "$@"; do args+=(-H "$header") curl_args+=(-H "$header"); done
  local bytes
  bytes=$(curl -fsS "${curl_args[@]}" "$url" | wc -c)
  before=$(cpu "$pid")
  wrk -t1 -c1 -d"${seconds}s" --latency "${args[@]}" "$url" >"$work/wrk"
  after=$(cpu "$pid")
  rest=$(awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" '
    $1 == "50%" { p50 = $2 } $1 == "99%" { p99 = $2 } $2 == "requests" { n = $1 } $1 == "Requests/sec:" { rps = $2 }
    /Non-2xx/ { bad = " with errors" }
    END { printf "%9d %10.1f %10s %10s%s", rps, ticks / hz / n * 1e6, p50, p99, bad }' "$work/wrk")
  printf '%-34s %7d %8d %s %7d\n' "$name" "$series" "$bytes" "$rest" "$(awk '/VmRSS/ { print $2 }' "/proc/$pid/status")"
}

# compare NAME URL PID: what a person, and what a scraper asks for.
compare() {
  series=$(curl -fsS "$2" | grep -vc '^#')
  ask "$1" "$3" "$2"
  ask "$1, openmetrics" "$3" "$2" "$openmetrics"
  ask "$1, openmetrics, gzip" "$3" "$2" "$openmetrics" "$gzip"
}

printf '%-34s %7s %8s %9s %10s %10s %10s %7s\n' '' series bytes scrapes/s 'CPU us' p50 p99 'RSS kB'
port=$((20000 + RANDOM % 8000))
"$hostnorm" --web.listen-address "127.0.0.1:$port" "$@" >"$work/hostnorm" 2>&1 &
pids+=($!)
ready "http://127.0.0.1:$port/metrics" "$work/hostnorm"
compare hostnorm "http://127.0.0.1:$port/metrics" $!

for peer in "${NODE_EXPORTER:-}" "$(command -v prometheus-node-exporter || true)" \
  "${TOOLS_DIR:-$HOME/.cache/test-tools/bin}/node_exporter"; do
  [[ -x $peer ]] || continue
  port=$((port + 1))
  "$peer" --web.listen-address="127.0.0.1:$port" >"$work/peer" 2>&1 &
  pids+=($!)
  ready "http://127.0.0.1:$port/metrics" "$work/peer"
  # One that was built without its release script does not know its version.
  version=$("$peer" --version 2>&1 | sed -n 's/.*, version \([0-9.]\{1,\}\) .*/\1/p')
  compare "node_exporter ${version:-?}" "http://127.0.0.1:$port/metrics" $!
done
