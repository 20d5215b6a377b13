#!/usr/bin/env python3
"""Fails when a file under src/ includes a layer that is not to the left of its own (DESIGN.md)."""
import pathlib
import re
import sys

LAYERS = [
    ["base"],
    ["config", "metrics", "avro", "net"],
    ["store", "http", "registry", "kafka"],
    ["redis", "snapshot"],
    ["ingest", "api", "health", "embedded"],
    ["app"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
ROOT = pathlib.Path(__file__).resolve().parent.parent / "src"
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
# Two layers that must never meet, though their ranks would allow it (DESIGN.md).
NEVER = {("store", "kafka"), ("http", "avro"), ("http", "store")}
# A store knows no Kafka, no Avro, wherever its records are.
NEVER |= {("redis", other) for other in ("config", "avro", "http", "registry", "kafka")}
# A snapshot knows what records are and what schemas are, and nothing of where they come from.
NEVER |= {("snapshot", other) for other in ("config", "metrics", "avro", "net", "http", "kafka")}


def faults(root: pathlib.Path):
    for path in sorted(root.rglob("*")):
        if path.suffix not in {".h", ".cc"}:
            continue
        layer = path.relative_to(root).parts[0]
        if layer not in RANK:
            yield f"{path}: folder '{layer}' is no layer; add it to LAYERS in tests/check_layers.py"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target = match.group(1).split("/")[0]
            if not (root / match.group(1)).exists():
                yield f"{path}:{number}: '{match.group(1)}' is not below src/"
            elif target != layer and (RANK[target] >= RANK[layer] or (layer, target) in NEVER):
                yield f"{path}:{number}: {layer} may not include {target}"


if __name__ == "__main__":
    found = list(faults(ROOT))
    print("\n".join(found) or "layers: clean")
    sys.exit(1 if found else 0)
