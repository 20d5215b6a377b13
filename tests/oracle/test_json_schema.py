"""The JSON Schemas that openapi.json has for Avro schemas, against a validator by others: what is shown
validates, and what the encoder takes and refuses is what validates and does not. Random as test_avro_oracle.py."""
import json
import math
import os
import random

import pytest
from jsonschema import Draft202012Validator

from oracle.test_avro_oracle import SEED, ask, random_pair, run_tool

PAIRS = int(os.environ.get("AVRO_ORACLE_PAIRS", "2500")) // 2


def validators(mode, schemas):
    """For each Avro schema the validators of what is shown and of what is taken."""
    made = []
    for answer in ask("json_schema_tool", [f"{mode}\t{json.dumps(schema)}" for schema in schemas]):
        whole = json.loads(answer)
        pair = []
        for use in ("shown", "taken"):
            schema = {**whole[use], "components": whole["components"]}
            Draft202012Validator.check_schema(schema)
            pair.append(Draft202012Validator(schema))
        made.append(pair)
    return made


@pytest.mark.parametrize("mode", ["numbers", "readable"])
@pytest.mark.parametrize("resolved", [False, True])
def test_what_is_shown_validates(mode, resolved):
    """By the writer's schema, or by the reader's."""
    print(f"AVRO_ORACLE_SEED={SEED}")
    rng = random.Random(SEED + 2)
    pairs = run_tool([random_pair(rng, resolved) for _ in range(PAIRS)], mode)
    seen = 0
    for pair, (shown, _) in zip(pairs, validators(mode, [pair.reader or pair.writer for pair in pairs])):
        if pair.answer.startswith("error"):
            continue  # some data of a resolved pair
        value = json.loads(pair.answer)
        faults = [error.message for error in shown.iter_errors(value)]
        assert not faults, f"{pair}\n{shown.schema}\n{faults}"
        seen += 1
    assert seen > PAIRS / 2


def changed(rng, value):
    """The value with one thing changed somewhere."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        out = dict(value)
        kind = rng.randrange(6)
        if kind == 0:
            del out[key]
        elif kind == 1:
            out[key + "x"] = out[key]
        else:
            out[key] = changed(rng, out[key])
        return out
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        return [changed(rng, one) if i == place else one for i, one in enumerate(value)]
    return rng.choice([None, True, 7, -2**31 - 1, 2**63, 2.5, "text", "AAAA", [], {}, ["x"], {"k": 1}])


def whole_as_float(value):
    """Whether it has a number such as 5.0 or beyond 64 bits, which JSON Schema counts as whole and Avro does not."""
    if isinstance(value, float):
        return value.is_integer() or math.isinf(value)
    if isinstance(value, dict):
        return any(map(whole_as_float, value.values()))
    return isinstance(value, list) and any(map(whole_as_float, value))


def test_what_is_taken_is_what_validates():
    print(f"AVRO_ORACLE_SEED={SEED}")
    rng = random.Random(SEED + 3)
    pairs = run_tool([random_pair(rng, False) for _ in range(PAIRS)], "numbers")
    checks = validators("numbers", [pair.writer for pair in pairs])
    asked = []
    for pair, (_, taken) in zip(pairs, checks):
        value = json.loads(pair.answer)
        asked += [(pair, taken, value), *((pair, taken, changed(rng, value)) for _ in range(3))]
    asked = [row for row in asked if not whole_as_float(row[2])]
    answers = ask("json_schema_tool", [f"taken\t{json.dumps(pair.writer)}\t{json.dumps(value)}" for pair, _, value in asked])
    counts = {True: 0, False: 0}
    for (pair, taken, value), answer in zip(asked, answers):
        valid = taken.is_valid(value)
        assert valid == (answer == "taken"), f"{pair}\n{taken.schema}\n{json.dumps(value)}\n{answer}"
        counts[valid] += 1
    assert min(counts.values()) > PAIRS / 2, counts
