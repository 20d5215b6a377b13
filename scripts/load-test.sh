#!/usr/bin/env bash
# Loads one route of a running service with lookups, hits and misses mixed, and checks every answer.
#
#   BASE_URL=http://localhost:8080/cache/customers scripts/load-test.sh
#
# Environment: BASE_URL     the route (default: http://localhost:8080/cache/customers)
#              DURATION     seconds (default: 10)
#              CONNECTIONS  kept open and busy (default: 64)
#              MISS_RATIO   share of the lookups that ask for a key that is not there (default: 0.1)
#              KEYS         how many keys to learn from the route's list at most (default: 10000, at most 100000)
#
# A hit must be 200 with a JSON object; when the records learned at first all hold their key, each hit must hold
# its own. A miss must be 404 with {"code": "not_found", "message": ...}. Exit code: 0 when all answers were right, else 1.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
base=${BASE_URL:-http://localhost:8080/cache/customers}
base=${base%/}
duration=${DURATION:-10}
duration=${duration%s}
connections=${CONNECTIONS:-64}
miss_ratio=${MISS_RATIO:-0.1}
keys=${KEYS:-10000}

say() { printf 'load-test: %s\n' "$*"; }
die() { printf 'load-test: %s\n' "$*" >&2; exit 1; }
# Each connection has a thread of wrk's with a copy of the keys, some 350 bytes a key.
[ "$keys" -le 100000 ] || die "KEYS is $keys: at most 100000"
for tool in wrk python3; do
  command -v $tool >/dev/null || die "$tool is missing (scripts/setup installs it)"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$here/load-test-keys.py" "$base" "$keys" "$work/keys" || exit 1

# One connection a thread: only so does a script of wrk know which request an answer belongs to.
say "$connections connections for $duration s on $base, $miss_ratio of the lookups for absent keys"
wrk -t "$connections" -c "$connections" -d "${duration}s" --timeout 10s -s "$here/load-test.lua" "$base" -- \
  "$work/keys" "$miss_ratio" >"$work/wrk.log" 2>"$work/result" &
wrk_pid=$!
trap 'kill "$wrk_pid" 2>/dev/null || true; rm -rf "$work"' EXIT
started=$SECONDS
while sleep 1; kill -0 "$wrk_pid" 2>/dev/null; do
  elapsed=$((SECONDS - started))
  if [ $((elapsed % 5)) = 0 ]; then say "$elapsed of $duration s"; fi
done
code=0
wait "$wrk_pid" || code=$?
cat "$work/result"
grep -q '^load-test: rate' "$work/result" || { cat "$work/wrk.log" >&2; die "wrk ended with $code"; }
[ "$code" = 0 ] || die "FAILED"
say "passed"
