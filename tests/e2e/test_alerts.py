"""Real faults, and the alerts that a real Prometheus finds a reason for then. How long each must last until somebody is told
is a matter of tests/deploy/monitoring."""
import json
import random

import pytest

import monitoring
from e2e.producing import Kafka, customer
from e2e.pushcache import LIMIT, shared_store
from services import wait_for


@pytest.fixture
def alerts(tmp_path):
    """Waits until there is a reason for all of these alerts of a service: alerts(service, names, busy=None). `busy` is
    called meanwhile, after the first scrape."""
    made = []

    def check(running, names, busy=lambda: None):
        port = running.health.connection.port
        server = monitoring.prometheus(tmp_path / "prometheus", [port]).start()
        made.append(server)
        wait_for(lambda: server.query("up"), LIMIT, "a scrape")

        def missing():
            busy()
            return {(name, port) for name in names} - monitoring.not_inactive(server)
        wait_for(lambda: not missing(), LIMIT, lambda: f"{missing()}; there are {json.dumps(server.api('alerts'))}")
    yield check
    for server in made:
        server.end()


def test_registry_away_while_loading(topic, config, service, gate, alerts):
    made = topic()
    made.put_all({"C1": customer(1)})
    settings = config(made.name)
    settings["kafka"]["schema_registry_url"] = gate.url
    gate.shut()
    running = service(settings)
    running.wait_waiting("schema")
    alerts(running, {"PushCacheLoadStuck", "PushCacheLoadSlow", "PushCacheRegistryUnavailable"})


def test_schema_unknown(topic, config, service, alerts):
    made = topic()
    made.put_all({"C1": customer(1)})
    running = service(config(made.name)).wait_ready()
    made.put_raw("C2", b"\0\x7f\xff\xff\x00rest")
    made.flush()
    running.wait(lambda: running.metrics()["push_cache_registry_schemas_waiting"] == 1, "the schema to be missed")
    alerts(running, {"PushCacheSchemaUnknown"})


def test_redis_goes_away(topic, config, service, redis_server, alerts):
    made = topic()
    made.put_all({"C1": customer(1)})
    redis = redis_server()
    running = service(config(made.name, cache=shared_store(redis, timeout="200ms"))).wait_ready()
    redis.kill()

    def read():
        assert running.api.record("/customers", "C1").status == 503
    alerts(running, {"PushCacheNotReady", "PushCacheRedisDisconnected", "PushCacheRedisErrors", "PushCacheServerErrors"}, read)


def test_redis_is_full(topic, config, service, redis_server, alerts):
    made = topic()
    made.put_all({"C1": customer(1)})
    redis = redis_server(config={"maxmemory": "8mb"})
    running = service(config(made.name, cache=shared_store(redis))).wait_ready()
    redis.client().config_set("maxmemory", "1mb")
    made.put_all({f"C{number}": customer(number) for number in range(100)})
    alerts(running, {"PushCacheRedisOutOfMemory", "PushCacheStoreErrors", "PushCachePartitionsWaiting"})


def test_store_is_full(topic, config, service, alerts):
    made = topic()
    count = 40_000
    made.put_all({f"key-{i:06}": customer(i) for i in range(count)})
    cache = {"stores": [{"name": "small", "type": "in_memory", "memory_max_bytes": "2MiB"}],
             "routes": [{"path": "/customers", "store": "small"}]}
    running = service(config(made.name, cache=cache))
    running.wait(lambda: running.status()["load"]["records_total"] == count, "all records to be read")
    assert running.metrics()["push_cache_ready"] == 0  # as /hams/ready says, although all was read
    alerts(running, {"PushCacheStoreFull", "PushCacheStoreNearlyFull"})


def test_kafka_goes_away(own_cluster, registry, name, config, service, alerts):
    cluster = own_cluster().start()
    made = Kafka(cluster.bootstrap(), registry).create(name)
    made.put_all({"C1": customer(1)})
    settings = config(name)
    settings["kafka"]["brokers"] = cluster.bootstrap()
    running = service(settings).wait_ready()
    cluster.kill()
    running.wait(lambda: running.metrics()["push_cache_kafka_connected"] == 0, "the loss to be noticed")
    alerts(running, {"PushCacheKafkaDisconnected"})


def test_service_ends(topic, config, service, alerts):
    made = topic()
    made.put_all({"C1": customer(1)})
    running = service(config(made.name)).wait_ready()
    assert running.stop() == 0
    alerts(running, {"PushCacheDown"})


def test_dead_letters_wait(topic, config, service, alerts):
    """For a topic that does not take messages as large as they are."""
    made = topic()
    made.put_all({"C1": customer(1)})
    letters = topic(max_message_bytes=1000)
    running = service(config(made.name, kafka={"on_bad_record": "dead_letter", "dead_letter_topic": letters.name}))
    running.wait_ready()

    def write():
        made.put_raw("bad", b"x" + random.Random(1).randbytes(5000))  # which no compression makes small
        made.flush()
    write()
    alerts(running, {"PushCacheDeadLettersWaiting", "PushCacheBadRecords"}, write)


def test_snapshots_fail(topic, config, service, tmp_path, alerts):
    made = topic()
    made.put_all({"C1": customer(1)})
    folder = tmp_path / "snapshots"
    running = service(config(made.name, snapshot={"dir": str(folder), "interval": "1s"})).wait_ready()
    running.wait(lambda: (folder / "push-cache.snapshot").exists(), "a snapshot")
    folder.rename(tmp_path / "elsewhere")
    alerts(running, {"PushCacheSnapshotFails"})
