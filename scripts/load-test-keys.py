#!/usr/bin/env python3
"""load-test-keys.py BASE_URL MAX FILE: learns keys of a route and checks some answers in full.

Writes a line a key: its path, a tab, and the text that every answer for it must hold ("{" when nothing better
is known). Exits with 1, and says why, when the route cannot be loaded or answers wrongly.
"""
import json
import random
import sys
import urllib.error
import urllib.parse
import urllib.request

SAMPLE = 200


def fail(text):
    print(f"load-test: {text}", file=sys.stderr)
    sys.exit(1)


def get(url):
    """(status, parsed JSON); the JSON is None when the body is none."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    except OSError as error:
        fail(f"{url}: {error}")
    try:
        return status, json.loads(body)
    except ValueError:
        return status, None


def main():
    base, most, file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    status, keys = get(f"{base}?limit={most}")
    if status != 200 or not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        fail(f"{base} does not list its keys: {status} {json.dumps(keys)[:200]}")
    if not keys:
        fail(f"{base} has no keys: populate it first")

    holds_key = True
    for key in random.sample(keys, min(SAMPLE, len(keys))):
        status, record = get(f"{base}/{urllib.parse.quote(key, safe='')}")
        if status != 200 or not isinstance(record, dict):
            fail(f"WRONG: {key!r} is in the list, but its answer is {status} {json.dumps(record)[:200]}")
        holds_key = holds_key and key in record.values()
    absent = f"no-such-key-{random.getrandbits(64):016x}"
    status, error = get(f"{base}/{absent}")
    right = status == 404 and isinstance(error, dict) and error.get("code") == "not_found"
    if not right or not isinstance(error.get("message"), str):
        fail(f"WRONG: the absent {absent!r} is answered by {status} {json.dumps(error)[:200]}")

    with open(file, "w", encoding="utf-8") as stream:
        for key in keys:
            expected = json.dumps(key, ensure_ascii=False) if holds_key and key.isprintable() else "{"
            stream.write(f"{urllib.parse.quote(key, safe='')}\t{expected}\n")
    print(f"load-test: {len(keys)} keys learned" + (", each record holds its key" if holds_key else ""), flush=True)


main()
