"""Records that cannot be used: counted by their cause, and nothing else suffers."""
import json
import struct

import pytest

from e2e.producing import CUSTOMER, customer, datum

GOOD = datum(CUSTOMER, customer(1))
BAD = {
    "no magic": ("bad_magic", lambda number: b"\x01" + struct.pack(">I", number) + GOOD),
    "plain JSON": ("bad_magic", lambda number: b'{"accountId": "x"}'),
    "header cut": ("truncated", lambda number: b"\x00\x00\x00"),
    "empty": ("truncated", lambda number: b""),
    "datum cut": ("undecodable", lambda number: struct.pack(">bI", 0, number) + GOOD[:-3]),
    "datum too long": ("undecodable", lambda number: struct.pack(">bI", 0, number) + GOOD + b"\x00"),
    "garbage": ("undecodable", lambda number: struct.pack(">bI", 0, number) + b"\xff" * 50),
    "nothing after the header": ("undecodable", lambda number: struct.pack(">bI", 0, number)),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_value(topic, config, service, kind):
    """Before, between and after good ones; while loading and while running; a key keeps its last good value."""
    cause, make = BAD[kind]
    made = topic(partitions=2)
    bad = make(made.id_of(CUSTOMER))

    def mix(first):
        made.put_raw("only bad", bad, partition=0)
        made.put(f"good-{first}", customer(first), partition=0)
        made.put("kept", customer(first), partition=0)
        made.put_raw("kept", bad, partition=0)
        made.put(f"other-{first}", customer(first), partition=1)
        made.put_raw("last", bad, partition=1)
        made.flush()
    mix(1)
    running = service(config(made.name)).wait_ready()
    expected = {"good-1": customer(1), "kept": customer(1), "other-1": customer(1)}
    running.check_all("/customers", expected)
    counted = running.status()["records"]["bad"]
    assert counted[cause] == 3 and sum(counted.values()) == 3, counted
    mix(2)
    expected |= {"good-2": customer(2), "kept": customer(2), "other-2": customer(2)}
    running.wait(lambda: sum(running.status()["records"]["bad"].values()) == 6, "the bad ones to be counted")
    running.check_all("/customers", expected)
    assert running.ready()
    mismatch = [value for name, value in running.metrics().items() if name.startswith("schema_mismatch_count")]
    assert sum(mismatch) >= 0 and mismatch


def test_null_key_and_key_that_is_no_text(topic, config, service):
    made = topic()
    made.put(None, customer(1))
    made.put(None, None)
    made.put_raw(b"\xff\xfe", made.encode(customer(2), CUSTOMER))
    made.put("good", customer(3))
    made.flush()
    running = service(config(made.name)).wait_ready()
    running.check_all("/customers", {"good": customer(3)})
    counted = running.status()["records"]["bad"]
    assert counted["null_key"] == 2 and counted["bad_key"] == 1 and sum(counted.values()) == 3, counted


def test_schema_id_that_the_registry_does_not_know(topic, config, service):
    """A real registry says "not found": the record is set aside, for the schema may come late, and nothing else waits."""
    made = topic(partitions=2)
    unknown = struct.pack(">bI", 0, 2_000_000_000) + GOOD
    made.put("first", customer(0), partition=0)
    made.put_raw("x", unknown, partition=0)
    made.put("behind", customer(1), partition=0)
    made.put("other", customer(2), partition=1)
    made.flush()
    running = service(config(made.name)).wait_ready()
    running.check_all("/customers", {"other": customer(2), "first": customer(0), "behind": customer(1)})
    answer = running.api.record("/customers", "x")
    assert (answer.status, answer.json()["code"], answer.headers["Retry-After"]) == (503, "schema_unknown", "1")
    status = running.status()
    assert [part["state"] for part in status["kafka"]["partitions"]] == ["caught_up", "caught_up"]
    running.wait(lambda: any(one["schema_id"] == 2_000_000_000 and one["attempts"] >= 2 and "2000000000" in one["error"]
                             for one in running.status()["registry"]["waiting"]), "the schema to be asked for again")
    assert running.api.record("/bills", "x").status == 503, "it may be of any type: never a false 404"
    made.put("other", customer(3), partition=1)
    made.flush()
    running.wait_record("/customers", "other", customer(3))
    assert sum(status["records"]["bad"].values()) == 0, status


def test_schema_that_is_not_avro(kafka, topic, config, service):
    made = topic()
    status, answer = kafka.registry.request("POST", f"/subjects/{made.name}-json/versions",
                                            {"schemaType": "JSON", "schema": json.dumps(
                                                {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"})})
    assert status == 200, answer
    made.put_raw("x", struct.pack(">bI", 0, answer["id"]) + b'{"a": 1}')
    made.put("good", customer(1))
    made.flush()
    running = service(config(made.name)).wait_ready(120)
    running.check_all("/customers", {"good": customer(1)})
    assert running.status()["records"]["bad"]["schema_failed"] == 1


def test_schema_that_no_store_takes(topic, config, service):
    """Counted as unrouted, not as bad."""
    made = topic()
    other = {**CUSTOMER, "name": "Unknown"}
    made.put("x", customer(1), other)
    made.put("good", customer(2))
    made.flush()
    running = service(config(made.name)).wait_ready()
    running.check_all("/customers", {"good": customer(2)})
    counted = running.status()["records"]
    assert counted["unrouted"] == 1 and sum(counted["bad"].values()) == 0, counted
    assert sum(value for name, value in running.metrics().items()
               if name.startswith("schema_unrouted_count")) == 1
