#!/usr/bin/env bash
# What the image does, where no container engine runs: the same script installs the same files, those that the
# Dockerfile copies and no others; what it has installed speaks a sentence, and passes the image's health check.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d) service=
trap '[ -z "$service" ] || kill -KILL "$service" 2>/dev/null || true; rm -rf "$work"' EXIT
unset VIRTUAL_ENV PYTHONPATH

stage() { sed -n "/ AS $1\$/,/^FROM/p" Dockerfile; }
here() { # the image's folders, as they are here
  sed -e "s|/opt/chatterbox-api|$work/installed|g" -e "s|=/data|=$work/data|g" -e "s|\\\$PATH|$PATH|g"
}

mkdir "$work/source" "$work/data"
for path in $(stage install-cpu | sed -n 's/^COPY \(.*\) [^ ]*$/\1/p'); do cp -r "$path" "$work/source/"; done
find "$work/source" -name __pycache__ -prune -exec rm -rf {} +
install=$(stage install-cpu | sed -n 's/^RUN //p' | here)
(cd "$work/source" && sh -euc "$install")
rm -r "$work/source"

for pair in $(stage cpu | sed -n 's/^ENV //p' | here); do export "${pair?}"; done
export HOME=$work/data HOST=127.0.0.1 PORT=4197 DRAIN_NOTICE_S=0
check=$(stage cpu | sed -n 's/^ *CMD \(\["python3.*\)/\1/p')
start=$(stage cpu | sed -n 's/^CMD //p')
cd "$work/data"

chatterbox-api say "The quick brown fox jumps over the lazy dog." -o spoken.wav
python3 - spoken.wav <<'PYTHON'
import array, sys, wave

with wave.open(sys.argv[1]) as sound:
    seconds = sound.getnframes() / sound.getframerate()
    loudest = max(map(abs, array.array("h", sound.readframes(sound.getnframes()))))
print(f"spoke for {seconds:.1f} s, peak {loudest} of 32768")
assert 2 < seconds < 5 and loudest > 3000
PYTHON

run='import json, os, sys; words = json.loads(sys.argv[1]); os.execvp(words[0], words)'
python3 -c "$run" "$start" >service.log 2>&1 &
service=$!
for attempt in $(seq 100); do
  if python3 -c "$run" "$check" 2>/dev/null; then break; fi
  [ "$attempt" -lt 100 ] || { cat service.log; exit 1; }
  sleep 0.2
done
echo "healthy"
kill -TERM "$service"
wait "$service"
service=
grep stopped service.log
