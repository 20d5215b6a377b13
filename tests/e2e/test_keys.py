"""What keys are: kafka.key_format, and the keys that nobody could guess."""
import struct
import uuid

import pytest

from e2e.producing import CUSTOMER, customer, datum, framed
from e2e.pushcache import shared_store
from e2e.test_verify import counts, differences, url_of, verify

INTEGERS = [0, 1, 42, -42, 0x2A2A2A2A, 2**31 - 1, -2**31]
LONGS = [*INTEGERS, 2**33 + 5, 2**63 - 1, -2**63]
UUIDS = [uuid.UUID(int=0), uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), uuid.UUID(int=2**128 - 1)]
FORMATS = {
    "int": {struct.pack(">i", key): str(key) for key in INTEGERS},
    "long": {struct.pack(">q", key): str(key) for key in LONGS},
    "uuid": {key.bytes: str(key) for key in UUIDS},
    "bytes": {b"plain": "plain", "漢".encode(): "漢", b"\x00\xff": "0x00ff", b"\xff": "0xff", b"0xff": "0x30786666"},
    "text": {b"plain": "plain", b"\x00\x00\x00\x00\x07x": "\x00\x00\x00\x00\x07x", b"1234": "1234"},
}


def settings_of(config, made, key_format, **kafka):
    settings = config(made.name)
    settings["kafka"].update(key_format=key_format, **kafka)
    return settings


@pytest.mark.parametrize("key_format", FORMATS)
def test_key_format(topic, config, service, key_format):
    """Records, tombstones, and keys of another format, which are bad and say what to set."""
    made = topic(partitions=2)
    keys = FORMATS[key_format]
    expected = {}
    for number, (key, text) in enumerate(keys.items()):
        made.put(key, customer(number))
        expected[text] = customer(number)
    gone = next(iter(keys))
    made.put(gone, None)
    del expected[keys[gone]]
    wrong = 0 if key_format == "bytes" else 1
    if wrong:
        made.put(b"\xffwrong", customer(99))
    made.flush()
    running = service(settings_of(config, made, key_format)).wait_ready()
    running.check_all("/customers", expected)
    status = running.status()
    assert status["records"]["bad"]["bad_key"] == wrong == sum(status["records"]["bad"].values())
    if wrong:
        assert "kafka.key_format" in status["bad_records"][0]["detail"]


def test_integer_keys_are_never_guessed(topic, config, service):
    """Not even those that look like text would be right, but only text can be meant by them."""
    made = topic()
    for number, key in enumerate([struct.pack(">i", -42), struct.pack(">i", 7), struct.pack(">q", 42), b"\xff" * 16]):
        made.put(key, customer(number))
    made.put("C1", customer(9))
    made.flush()
    running = service(config(made.name)).wait_ready()
    running.check_all("/customers", {"C1": customer(9)})
    status = running.status()
    assert status["records"]["bad"]["bad_key"] == 4
    details = " ".join(one["detail"] for one in status["bad_records"])
    for advice in ("key_format: int", "key_format: long", "key_format: uuid", "schema id 0"):
        assert advice in details, details
    assert not status["registry"]["waiting"]


def test_a_key_that_waits_for_its_schema_is_told_of(topic, config, service):
    """A number of 8 bytes may begin as the wire format does: nobody knows but who wrote it."""
    made = topic()
    made.put(struct.pack(">q", 1_750_000_000_000), customer(1))
    made.flush()
    running = service(config(made.name))
    running.wait(lambda: "kafka.key_format: long" in running.logged(), "a line that says what to set")


# kind of schema -> the schema, and datum -> the text of its key
AVRO_KEYS = {
    "one field": ({"type": "record", "name": "Key", "fields": [{"name": "id", "type": "long"}]},
                  [({"id": 17}, "17"), ({"id": -3}, "-3")]),
    "one nullable field": ({"type": "record", "name": "Key", "fields": [
        {"name": "id", "type": ["null", "string"], "default": None}]}, [({"id": "a b"}, "a b")]),
    "several fields": ({"type": "record", "name": "Key", "fields": [
        {"name": "tenant", "type": "string"}, {"name": "id", "type": "int"}]},
                       [({"id": 7, "tenant": 'x"y'}, '{"tenant":"x\\"y","id":7}')]),
    "a record within": ({"type": "record", "name": "Key", "fields": [{"name": "outer", "type": {
        "type": "record", "name": "In", "fields": [{"name": "id", "type": "string"}]}}]},
                        [({"outer": {"id": "deep"}}, "deep")]),
    "enum": ({"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}, [("GREEN", "GREEN")]),
    "boolean": ({"type": "boolean"}, [(True, "true")]),
    "double": ({"type": "double"}, [(2.5, "2.5"), (0.1, "0.1")]),
    "bytes": ({"type": "bytes"}, [(b"plain", "plain"), (b"\xff\x00", "0xff00")]),
    "fixed uuid": ({"type": "fixed", "name": "Id", "size": 16, "logicalType": "uuid"},
                   [(UUIDS[1].bytes, str(UUIDS[1]))]),
    "string uuid": ({"type": "string", "logicalType": "uuid"}, [(str(UUIDS[1]), str(UUIDS[1]))]),
}


@pytest.mark.parametrize("kind", AVRO_KEYS)
def test_avro_keys(kafka, topic, config, service, kind):
    """Debezium's keys are records; a key's text is that of its field, or JSON. json.logical_types changes none."""
    made = topic()
    schema, keys = AVRO_KEYS[kind]
    number = kafka.registry.register(f"{made.name}-key", schema)
    writer = dict(schema) if isinstance(schema, dict) else schema
    if isinstance(writer, dict):
        writer.pop("logicalType", None)  # what fastavro takes as bytes
    for index, (key, _) in enumerate(keys):
        made.put(framed(number, datum(writer, key)), customer(index))
    made.flush()
    expected = {text: customer(index) for index, (_, text) in enumerate(keys)}
    for logical_types in ("numbers", "readable"):
        settings = config(made.name, json={"logical_types": logical_types})
        running = service(settings).wait_ready()
        running.check_all("/customers", expected)
        assert sum(running.status()["records"]["bad"].values()) == 0


def test_keys_by_format_in_redis(topic, config, service, redis_server):
    """And another format is another configuration: the topic is read again."""
    made = topic()
    numbers = [0, 1, 42, -42]  # of larger ones auto would wait for a schema
    for number in numbers:
        made.put(struct.pack(">q", number), customer(abs(number)))
    made.flush()
    redis = redis_server()
    settings = config(made.name, cache=shared_store(redis))
    running = service(settings).wait_ready()
    assert running.status()["records"]["bad"]["bad_key"] == len(numbers)
    assert running.stop() == 0
    settings["kafka"]["key_format"] = "long"
    running = service(settings).wait_ready()
    assert sorted(running.keys("/customers")) == sorted(map(str, numbers))
    for number in numbers:
        assert running.api.record("/customers", str(number)).json() == customer(abs(number))


def test_another_key_format_refuses_the_snapshot(topic, config, service, tmp_path):
    made = topic()
    made.put(struct.pack(">i", 42), customer(1))  # "*" at its end, and byte 0 first
    made.put(struct.pack(">i", 0x41424344), customer(2))
    made.flush()
    settings = config(made.name, snapshot={"dir": str(tmp_path / "snapshots"), "interval": "0s"})
    running = service(settings).wait_ready()
    running.check_all("/customers", {"ABCD": customer(2)})
    assert running.stop() == 0
    settings["kafka"]["key_format"] = "int"
    running = service(settings).wait_ready()
    running.check_all("/customers", {"42": customer(1), "1094861636": customer(2)})


def test_verify_reads_keys_by_their_format(topic, config, service, tmp_path):
    """It finds no difference, and would find one if it read keys otherwise."""
    made = topic()
    for number in INTEGERS:
        made.put(struct.pack(">i", number), customer(abs(number) % 1000))
    made.flush()
    settings = settings_of(config, made, "int")
    running = service(settings).wait_ready()
    result = verify(tmp_path / "verify", settings, url_of(running))
    assert counts(result, "/customers")["keys"] == len(INTEGERS), result
    settings["kafka"]["key_format"] = "bytes"
    result = verify(tmp_path / "verify", settings, url_of(running), code=1)
    assert differences(result)
