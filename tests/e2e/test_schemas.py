"""Schemas by the registry: away, slow, new ones, references; keys in Avro."""
import pytest

from e2e.producing import BILL, CUSTOMER, NAMESPACE, PAYMENT, customer, datum, framed, record_type, sample

# The next version of a Customer: one more field, with a default.
CUSTOMER_2 = {**CUSTOMER, "fields": [*CUSTOMER["fields"], {"name": "email", "type": "string", "default": ""}]}


def test_new_field_of_the_writer_shows_without_a_restart(topic, config, service):
    made = topic()
    made.put_all({"x": customer(1), "y": customer(2)})
    running = service(config(made.name)).wait_ready()
    changed = {**customer(1), "email": "x@example.com"}
    made.put_all({"x": changed}, CUSTOMER_2)
    running.wait_record("/customers", "x", changed)
    running.wait_record("/customers", "y", customer(2))


def test_registry_away_when_a_new_schema_comes(topic, config, service, gate):
    """Nothing is lost: the record is set aside, all others are applied, and status and metrics say so. What was
    there at the start is still there, so it stays ready."""
    made = topic(partitions=2)
    made.put("a", customer(1), partition=0)
    made.put("b", customer(2), partition=1)
    made.flush()
    settings = config(made.name)
    settings["kafka"]["schema_registry_url"] = gate.url
    running = service(settings).wait_ready()
    changed = {**customer(3), "email": "new"}
    made.id_of(CUSTOMER_2)
    gate.shut()
    made.put("a", changed, CUSTOMER_2, partition=0)
    made.put("c", customer(4), partition=0)  # behind it, of the known schema
    made.put("a2", None, partition=0)
    made.put("b", customer(5), partition=1)
    made.flush()

    running.wait_record("/customers", "c", customer(4))
    running.wait_record("/customers", "b", customer(5))
    running.wait(lambda: running.api.record("/customers", "a").status == 503, "the old value to be served no more")
    status = running.status()
    assert status["ready"] and running.metrics()["push_cache_partitions_waiting"] == 0
    assert running.metrics()["push_cache_set_aside_records"] == 1
    assert [one["schema_id"] for one in status["registry"]["waiting"]] == [made.id_of(CUSTOMER_2)]
    assert sum(status["records"]["bad"].values()) == 0
    assert running.health.get("/live").status == 200
    gate.open()
    running.wait_record("/customers", "a", changed)
    running.wait_ready()
    running.check_all("/customers", {"a": changed, "b": customer(5), "c": customer(4)})
    assert running.status()["registry"]["waiting"] == []


def test_registry_started_after_the_service(topic, config, service, gate):
    made = topic()
    made.put_all({"x": customer(1)})
    gate.shut()
    settings = config(made.name, startup_checks={"enabled": False})
    settings["kafka"]["schema_registry_url"] = gate.url
    running = service(settings)
    running.wait_waiting("schema|registry")
    assert running.api.record("/customers", "x").status == 503
    gate.open()
    running.wait_ready()
    running.check_all("/customers", {"x": customer(1)})


def test_registry_that_fails_for_a_moment(topic, config, service, gate):
    """An answer of 500 is no reason to give a record up."""
    made = topic()
    made.put_all({"x": customer(1)})
    settings = config(made.name)
    settings["kafka"]["schema_registry_url"] = gate.url
    gate.failures = 3
    running = service(settings).wait_ready()
    running.check_all("/customers", {"x": customer(1)})
    assert gate.failures == 0


def test_each_schema_is_fetched_once(topic, config, service, gate):
    made = topic(partitions=3)
    made.put_all({f"k{number}": customer(number) for number in range(1000)})
    settings = config(made.name)
    settings["kafka"]["schema_registry_url"] = gate.url
    service(settings).wait_ready()
    fetched = [one for one in gate.requests if f"/schemas/ids/{made.id_of(CUSTOMER)}" in one]
    assert len([one for one in fetched if "versions" not in one and "subjects" not in one]) == 1, gate.requests


def test_schema_that_refers_to_another(kafka, topic, config, service):
    made = topic()
    kafka.registry.register(f"{made.name}-payment", PAYMENT)
    bill = record_type("CustomerBill", ("accountId", "string"), ("year", "int"), ("totalAmount", "double"),
                       ("payments", {"type": "array", "items": f"{NAMESPACE}.Payment"}))
    reference = {"name": f"{NAMESPACE}.Payment", "subject": f"{made.name}-payment", "version": 1}
    number = kafka.registry.register(f"{made.name}-value", bill, [reference])
    records = {f"k{index}": sample("bill", index) for index in range(20)}
    for key, record in records.items():
        made.put_raw(key, framed(number, datum(BILL, record)))
    made.flush()
    running = service(config(made.name)).wait_ready()
    running.check_all("/bills", records)


@pytest.mark.parametrize("kind, keys", [
    ("string", ["plain", "with / slash", "ключ"]), ("int", [0, -1, 2**31 - 1]), ("long", [7, -2**63, 2**63 - 1])])
def test_keys_in_avro(kafka, topic, config, service, kind, keys):
    made = topic()
    number = kafka.registry.register(f"{made.name}-key", f'"{kind}"')
    records = {str(key): customer(index) for index, key in enumerate(keys)}
    for key in keys:
        made.put_raw(framed(number, datum(kind, key)), made.encode(records[str(key)], CUSTOMER))
    made.put_raw(framed(number, datum(kind, keys[0])), None)
    made.put("plain text beside them", customer(9))
    made.flush()
    del records[str(keys[0])]
    records["plain text beside them"] = customer(9)
    running = service(config(made.name)).wait_ready()
    running.check_all("/customers", records)
    assert sum(running.status()["records"]["bad"].values()) == 0


ODD_SCHEMAS = {
    "a namespace with hyphens": '{"type":"record","name":"Customer","namespace":"cdc-eu-1.sales",%s}',
    "aliases that are no names": '{"type":"record","name":"Customer","aliases":["ref-no",".Old"],%s}',
    "comments": '/** of a customer **/ {"type":"record","name":"Customer", // its name\n %s}',
    "half of a surrogate pair, escaped": '{"type":"record","name":"Customer","doc":"cut \\ud83d",%s}',
    "half of a surrogate pair": '{"type":"record","name":"Customer","doc":"cut \ud83d",%s}',
}
ODD_FIELDS = ('"fields":[{"name":"größe","type":"int","default":"none","aliases":["gr-1"]},'
              '{"name":"none","type":{"type":"array","items":[]}},{"name":"m","type":{"type":"map","values":"int"}}]')


def test_schemas_with_parts_that_play_no_role(topic, config, service, gate):
    """What Java's producers register is read: each such schema's records are there, and nothing is bad. A map's key
    that repeats is there once."""
    made = topic()
    gate.schemas = {1_000_000 + index: text % ODD_FIELDS for index, text in enumerate(ODD_SCHEMAS.values())}
    for number, key in zip(gate.schemas, ODD_SCHEMAS):
        made.put_raw(key, framed(number, bytes.fromhex("0e00" "0602610202620402610600")))
    made.flush()
    settings = config(made.name)
    settings["kafka"]["schema_registry_url"] = gate.url
    running = service(settings).wait_ready()
    running.check_all("/customers", {key: {"größe": 7, "none": [], "m": {"b": 2, "a": 3}} for key in ODD_SCHEMAS})
    assert sum(running.status()["records"]["bad"].values()) == 0


def test_a_schema_of_no_use_says_its_cause_once(topic, config, service, gate):
    made = topic()
    gate.schemas = {1_000_000: '{"type":"record","name":"a-b","fields":[]}'}
    made.put_raw("x", framed(1_000_000, b""))
    made.flush()
    settings = config(made.name)
    settings["kafka"]["schema_registry_url"] = gate.url
    running = service(settings).wait_ready()
    running.wait(lambda: running.status()["records"]["bad"]["schema_failed"] == 1, "the bad record")
    cause = "name: 'a-b' is not a name (letters, digits and _)"
    assert [one["error"] for one in running.status()["registry"]["waiting"]] == [cause]
    assert [one["detail"] for one in running.status()["bad_records"]] == [f"schema 1000000: {cause}"]


def test_preloaded_schemas_are_fetched_at_the_start(topic, config, service, gate):
    made = topic()
    number = made.id_of(CUSTOMER)
    settings = config(made.name)
    settings["kafka"]["schema_registry_url"] = gate.url
    settings["kafka"]["preload_schemas"] = [number]
    running = service(settings).wait_ready()
    running.wait(lambda: any(f"/schemas/ids/{number}" in one for one in gate.requests), "the fetch")
    gate.shut()
    made.put_all({"x": customer(1)})
    running.wait_record("/customers", "x", customer(1))
