"""The ten defects of the first form, each with the situation that showed it."""
import json

from confluent_kafka import Consumer, TopicPartition

from e2e.producing import CUSTOMER, Kafka, customer, datum, framed
from e2e.test_types import populate


def test_defect_01_restart_resumes_from_a_committed_offset(kafka, topic, config, service):
    """Even where an offset is committed for the very group: memory is empty after a restart, so all is read."""
    made = topic()
    records = {f"k{number}": customer(number) for number in range(100)}
    made.put_all(records)
    settings = config(made.name)
    committer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": settings["kafka"]["group_id"]})
    committer.commit(offsets=[TopicPartition(made.name, 0, 100)], asynchronous=False)
    committer.close()
    for _ in range(2):
        running = service(settings).wait_ready()
        running.check_all("/customers", records)
        assert running.stop() == 0


def test_defect_02_ready_before_partitions_are_assigned(topic, config, service):
    """From the first answer of the health port on: ready never comes before the records."""
    made = topic(partitions=6)
    made.put_all({f"k{number}": customer(number) for number in range(5000)})
    for _ in range(3):
        running = service(config(made.name))
        while not running.ready():
            answer = running.api.record("/customers", "k4999")
            assert answer.status == 503 or answer.json() == customer(4999)
        assert len(running.keys("/customers")) == 5000
        running.kill()
    # With no broker there are no partitions, and a lag of nothing.
    settings = config(made.name, startup_checks={"enabled": False})
    settings["kafka"]["brokers"] = "127.0.0.1:1"
    running = service(settings)
    running.wait_waiting()
    assert not running.status()["ready"]
    assert running.health.get("/ready").status == 503


def test_defect_03_evolution_and_keys_that_are_no_plain_strings(kafka, topic, config, service):
    made = topic()
    newer = {**CUSTOMER, "fields": [*CUSTOMER["fields"], {"name": "tier", "type": "int", "default": 0}]}
    number = kafka.registry.register(f"{made.name}-key", '"long"')
    made.put("text", customer(1))
    made.put("newer", {**customer(2), "tier": 3}, newer)
    made.put_raw(framed(number, datum("long", 42)), made.encode(customer(3), CUSTOMER))
    made.flush()
    running = service(config(made.name)).wait_ready()
    running.check_all("/customers", {"text": customer(1), "newer": {**customer(2), "tier": 3}, "42": customer(3)})


def test_defect_04_replicas_of_one_group_hold_half_each(topic, config, service):
    made = topic(partitions=4)
    records = {f"k{number}": customer(number) for number in range(400)}
    made.put_all(records)
    settings = config(made.name)
    replicas = [service(settings) for _ in range(2)]
    for replica in replicas:
        replica.wait_ready()
    for replica in replicas:
        replica.check_all("/customers", records)
    made.put_all({"k1": customer(1, name="changed"), "k2": None})
    for replica in replicas:
        replica.wait_record("/customers", "k1", customer(1, name="changed"))
        replica.wait_record("/customers", "k2", None)


def test_defect_05_schema_that_cannot_be_fetched_for_a_moment(topic, config, service, gate):
    made = topic()
    records = {f"k{number}": customer(number) for number in range(50)}
    made.put_all(records)
    settings = config(made.name, startup_checks={"enabled": False})
    settings["kafka"]["schema_registry_url"] = gate.url
    gate.only = []
    running = service(settings)
    running.wait(lambda: any("/schemas/ids/" in one for one in gate.requests), "a request that fails")
    running.wait_waiting("schema|registry")
    gate.only = None
    running.wait_ready()
    running.check_all("/customers", records)


def test_defect_06_list_copies_and_sorts_every_key(topic, config, service):
    """A page of a long list costs a small part of the whole, and point reads go on beside whole lists."""
    made = topic(partitions=2)
    count = 100_000
    for number in range(count):
        made.put(f"k{number:06}", customer(number))
    made.flush()
    running = service(config(made.name)).wait_ready()
    assert running.keys("/customers", "?limit=2&offset=50000") == ["k050000", "k050001"]
    before = running.cpu_seconds()
    for _ in range(20):
        assert len(running.keys("/customers")) == count
    whole = running.cpu_seconds() - before
    before = running.cpu_seconds()
    for _ in range(20):
        running.keys("/customers", "?limit=10")
    page = running.cpu_seconds() - before
    print(f"CPU of 20 lists: {whole:.2f} s, of 20 pages of 10 keys: {page:.2f} s")
    assert page < max(whole / 2, 0.2)


def test_defect_07_an_error_ends_the_consumer_unseen(own_cluster, registry, name, config, service):
    """When records do not come in any more, status and metrics say so, and they come in again afterwards."""
    cluster = own_cluster().start()
    made = Kafka(cluster.bootstrap(), registry).create(name)
    made.put_all({"x": customer(1)})
    settings = config(name)
    settings["kafka"]["brokers"] = cluster.bootstrap()
    running = service(settings).wait_ready()
    assert running.status()["kafka"]["connected"] is True
    cluster.kill()
    running.wait(lambda: running.status()["kafka"]["connected"] is False, "the loss to be noticed")
    assert running.status()["kafka"]["error"]
    assert running.metrics()["push_cache_kafka_connected"] == 0
    assert running.health.get("/live").status == 200
    cluster.start()
    made.put_all({"x": customer(2)})
    running.wait_record("/customers", "x", customer(2), seconds=120)
    running.wait(lambda: running.status()["kafka"]["connected"] is True, "the connection to be noticed")
    running.wait_ready(120)


def test_defect_08_a_read_builds_json_anew_and_knows_no_304(topic, config, service):
    made = topic()
    made.put_all({"x": customer(1)})
    running = service(config(made.name)).wait_ready()
    tag = running.api.record("/customers", "x").headers["ETag"]
    assert running.api.get("/customers/x", {"If-None-Match": tag}).status == 304
    made.put_all({"x": customer(1, updatedAt=5)})
    running.wait_record("/customers", "x", customer(1, updatedAt=5))
    answer = running.api.get("/customers/x", {"If-None-Match": tag})
    assert answer.status == 200 and answer.json() == customer(1, updatedAt=5)
    assert list(answer.json()) == [field["name"] for field in CUSTOMER["fields"]]  # the schema's order, kept


def test_defect_09_delete_answers_raw_bytes(topic, config, service):
    made = topic()
    made.put_all({"x": customer(1)})
    running = service(config(made.name)).wait_ready()
    answer = running.api.request("DELETE", "/customers/x")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert json.loads(answer.body) == customer(1)


def test_defect_10_populate_assumes_schema_id_1(kafka, topic, config, service, tmp_path):
    kafka.registry.register("another-subject", '{"type": "fixed", "name": "Another", "size": 3}')
    made = topic()
    settings = config(made.name)
    populate(tmp_path, settings, "-m", "ticket", "-n", "10")
    ids = {int.from_bytes(value[1:5], "big") for _, _, _, value in made.read()}
    status, version = kafka.registry.request("GET", f"/subjects/{made.name}-value/versions/latest")
    assert status == 200 and ids == {version["id"]}
    assert json.loads(kafka.registry.schema(version["id"]))["name"] == "SupportTicket"
    service(settings).wait_ready().check_all("/tickets", made.records())
