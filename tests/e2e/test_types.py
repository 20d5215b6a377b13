"""All record types through a real broker, from populate_kafka and from an independent producer."""
import base64
import json
import math
import re

import pytest

from e2e.producing import TYPES, sample
from e2e.pushcache import run, write_config, write_secrets


def populate(folder, config, *arguments):
    done = run("-c", write_config(folder, config), "-s", write_secrets(folder, {}), *arguments,
               program="populate_kafka")
    assert done.returncode == 0, done
    return done.stdout + done.stderr


@pytest.mark.parametrize("kind", TYPES)
def test_populated_records_are_served(kafka, topic, config, service, tmp_path, kind):
    """What the tool wrote, decoded by Python with the registry's schema, is what the API answers."""
    route, schema, key_field = TYPES[kind]
    made = topic(partitions=3)
    settings = config(made.name)
    said = populate(tmp_path, settings, "-m", kind, "-n", "250")
    records = made.records()
    assert len(records) == 250
    assert all(record[key_field] == key and set(record) == {field["name"] for field in schema["fields"]}
               for key, record in records.items())
    running = service(settings).wait_ready()
    running.check_all(route, records)

    sizes = [len(value) for _, _, _, value in made.read()]
    assert "250" in said
    for size in (min(sizes), max(sizes)):
        assert re.search(rf"\b{size}\b", said), (size, said)
    assert kafka.registry.request("GET", f"/subjects/{made.name}-value/versions")[0] == 200


def test_populate_writes_tombstones(topic, config, service, tmp_path):
    made = topic(partitions=2)
    settings = config(made.name)
    populate(tmp_path, settings, "-n", "50")
    running = service(settings).wait_ready()
    assert len(running.keys("/customers")) == 50
    populate(tmp_path, settings, "-n", "50", "--tombstone")
    gone = {key.decode() for _, _, key, value in made.read() if value is None}
    assert gone
    running.wait(lambda: running.status()["records"]["tombstones"] >= len(gone), "the tombstones")
    running.check_all("/customers", made.records())


def test_populate_fails_clearly_without_a_broker(config, tmp_path):
    settings = config("nowhere")
    settings["kafka"]["brokers"] = "127.0.0.1:1"
    done = run("-c", write_config(tmp_path, settings), "-n", "1", program="populate_kafka")
    assert done.returncode != 0
    assert "127.0.0.1:1" in done.stderr + done.stdout, done


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_python_records_are_served(topic, config, service, partitions):
    """All four types in one topic; values with awkward content; the last of each key wins."""
    made = topic(partitions=partitions)
    expected = {}
    for kind, (route, schema, key_field) in TYPES.items():
        records = {}
        for round_ in range(2):
            for number in range(100):
                record = sample(kind, number, round_)
                # Each type's keys are its own: one key in several types would race between partitions.
                key = f"{kind}-{record[key_field]}"
                made.put(key, record, schema)
                records[key] = record
        expected[route] = records
    made.flush()
    running = service(config(made.name)).wait_ready()
    for route, records in expected.items():
        running.check_all(route, records)


def test_several_topics(topic, config, service):
    topics = {kind: topic(partitions=2) for kind in TYPES}
    expected = {}
    for kind, made in topics.items():
        route, schema, key_field = TYPES[kind]
        expected[route] = {record[key_field]: record for record in (sample(kind, n) for n in range(50))}
        made.put_all(expected[route], schema)
    running = service(config([made.name for made in topics.values()])).wait_ready()
    for route, records in expected.items():
        running.check_all(route, records)


def test_every_kind_of_avro_field(topic, config, service):
    """Plain JSON of nullable, multi-branch and nested types: no type tags of unions, exact integers."""
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": "int"}]}
    schema = {"type": "record", "name": "Everything", "namespace": "tests", "fields": [
        {"name": "nothing", "type": "null"}, {"name": "flag", "type": "boolean"},
        {"name": "int", "type": "int"}, {"name": "long", "type": "long"}, {"name": "float", "type": "float"},
        {"name": "double", "type": "double"}, {"name": "text", "type": "string"},
        {"name": "maybe", "type": ["null", "string"]}, {"name": "absent", "type": ["null", inner]},
        {"name": "branch", "type": ["string", "long", "tests.Inner"]},
        {"name": "list", "type": {"type": "array", "items": ["null", "tests.Inner"]}},
        {"name": "map", "type": {"type": "map", "values": "long"}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["ONE", "TWO"]}},
        {"name": "millis", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}
    record = {"nothing": None, "flag": True, "int": -2**31, "long": 2**63 - 1, "float": 0.5, "double": 1e-7,
              "text": "\u0000\"\\\U0001F600", "maybe": "yes", "absent": None, "branch": {"x": 7},
              "list": [None, {"x": 1}, {"x": 2}], "map": {"a": -1, "é": 2**53 + 1}, "kind": "TWO",
              "millis": 1_700_000_000_123}
    made = topic()
    made.put_all({"all": record}, schema)
    settings = config(made.name, cache={"stores": [{"name": "any", "type": "in_memory"}],
                                        "routes": [{"path": "/any", "store": "any"}]})
    running = service(settings).wait_ready()
    answer = running.api.record("/any", "all")
    assert answer.status == 200
    assert answer.json() == record
    assert list(answer.json()) == [field["name"] for field in schema["fields"]]
    assert str(2**63 - 1).encode() in answer.body


def test_values_of_a_megabyte_and_more(topic, config, service):
    made = topic(max_message_bytes=16_000_000)
    records = {str(size): {"accountId": str(size), "name": "é\"" * (size // 4), "address": "", "phone": "",
                           "createdAt": 0, "updatedAt": size} for size in (1_000_000, 5_000_000)}
    records["small"] = {**records["1000000"], "name": "small"}
    made.put_all(records)
    running = service(config(made.name)).wait_ready()
    running.check_all("/customers", records)
    assert len(json.dumps(records["5000000"])) > 5_000_000


def test_values_that_grow_when_they_are_shown(topic, config, service):
    """A control character becomes six characters, and three bytes of a value of bytes four."""
    schema = {"type": "record", "name": "Growing", "namespace": "tests", "fields": [
        {"name": "text", "type": "string"}, {"name": "bytes", "type": "bytes"}]}
    made = topic(max_message_bytes=16_000_000)
    size = 1_000_000
    made.put_all({"grows": {"text": "\x01" * size, "bytes": b"\x02\xff" * (size // 2)},
                  "small": {"text": "a", "bytes": b"b"}}, schema)
    settings = config(made.name, cache={"stores": [{"name": "any", "type": "in_memory"}],
                                        "routes": [{"path": "/any", "store": "any"}]})
    running = service(settings).wait_ready()
    answer = running.api.record("/any", "grows")
    assert answer.status == 200 and len(answer.body) > 7 * size
    content = base64.b64encode(b"\x02\xff" * (size // 2)).decode()
    assert answer.json() == {"text": "\x01" * size, "bytes": content}
    assert running.api.record("/any", "small").json() == {"text": "a", "bytes": "Yg=="}


def test_numbers_that_json_does_not_have(topic, config, service):
    """NaN and the infinities are answered as valid JSON all the same, and nothing else of the record suffers."""
    schema = {"type": "record", "name": "Numbers", "namespace": "tests", "fields": [
        {"name": "double", "type": "double"}, {"name": "float", "type": "float"}, {"name": "after", "type": "string"}]}
    made = topic()
    odd = {"nan": math.nan, "plus": math.inf, "minus": -math.inf}
    made.put_all({key: {"double": value, "float": value, "after": key} for key, value in odd.items()}, schema)
    settings = config(made.name, cache={"stores": [{"name": "any", "type": "in_memory"}],
                                        "routes": [{"path": "/any", "store": "any"}]})
    running = service(settings).wait_ready()

    def refuse(text):
        raise AssertionError(f"{text} is no JSON")
    for key in odd:
        answer = running.api.record("/any", key)
        assert answer.status == 200
        assert json.loads(answer.body, parse_constant=refuse) == {"double": None, "float": None, "after": key}
