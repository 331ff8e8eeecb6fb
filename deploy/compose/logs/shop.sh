#!/bin/sh
# A shop that writes logs and breaks now and then: the application of deploy/compose-logs.yaml.
#
# Each second it writes some lines to its output, and pushes them to Loki as an agent would. For two minutes in twenty its
# database is gone: errors, and a line that nobody has seen before. LOKI is the address of Loki.
set -u

until wget -q -O /dev/null "$LOKI/ready"; do
  echo "level=info msg=\"waiting for Loki\""
  sleep 2
done

# line TEXT: one value of the stream; lines of a second differ by their nanosecond.
line() {
  number=$((number + 1))
  echo "$1"
  text=$(echo "$1" | sed 's/\\/\\\\/g; s/"/\\"/g')
  values="$values${values:+,}[\"$second$(printf %09d $number)\",\"$text\"]"
}

started=$(date +%s)
order=0
while :; do
  second=$(date +%s) number=0 values=''
  for _ in 1 2 3 4 5; do
    order=$((order + 1))
    line "level=info msg=\"order placed\" order=$order duration=$((20 + order * 7 % 40))ms"
  done
  if [ $((order % 55)) -eq 0 ]; then line "level=warn msg=\"payment took long\" order=$order duration=1$((order % 10))00ms"; fi
  if [ $(((second - started) % 1200)) -ge 1080 ]; then
    for it in 1 2 3 4 5 6; do
      line "level=error msg=\"cannot save order\" order=$((order - it)) error=\"connection to database refused\""
    done
    line "level=error msg=\"circuit breaker opened\" peer=10.0.0.7:5432 failures=$((order % 90))"
  fi
  wget -q -O /dev/null --header 'Content-Type: application/json' \
    --post-data "{\"streams\":[{\"stream\":{\"app\":\"shop\"},\"values\":[$values]}]}" "$LOKI/loki/api/v1/push" ||
    echo 'level=warn msg="Loki refuses lines"'
  sleep 1
done
