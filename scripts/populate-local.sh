#!/usr/bin/env bash
# Fills a topic of the local broker with sample records.
#
#   MESSAGE_TYPE=bill COUNT=1000 scripts/populate-local.sh
#
# Environment: MESSAGE_TYPE  customer, bill, usage or ticket (default: customer)
#              COUNT         records (default: 100)
#              TOPIC         default: customers, bills, usage or tickets, by the type
#              CONFIG        where broker and registry are named (default: examples/local.yaml)
#              SECRETS       a folder of secrets for them, if any
#              BIN           where the programs are (default: build/release/bin)
# More arguments go to populate_kafka, such as --tombstone.
set -euo pipefail
root=$(dirname "$(realpath "$0")")/..
type=${MESSAGE_TYPE:-customer}
count=${COUNT:-100}
case $type in
  customer | bill | ticket) topic=${TOPIC:-${type}s} ;;
  usage) topic=${TOPIC:-usage} ;;
  *) echo "populate-local: MESSAGE_TYPE is '$type': customer, bill, usage or ticket" >&2; exit 2 ;;
esac
program=${BIN:-$root/build/release/bin}/populate_kafka
[ -x "$program" ] || { echo "populate-local: $program is not built: make build" >&2; exit 2; }
exec "$program" --config "${CONFIG:-$root/examples/local.yaml}" ${SECRETS:+--secrets "$SECRETS"} \
  --message-type "$type" --topic "$topic" --count "$count" "$@"
