"""Networks that are slow, cut connections, or swallow them: between the service and Kafka, and the registry."""
import random
import time

import pytest

from e2e.checking import check_truth
from e2e.history import History, Writer, make_seed, soak
from e2e.producing import CUSTOMER, Kafka
from e2e.pushcache import slow
from services import Network, Proxy

pytestmark = pytest.mark.faults

BAD = {
    "delay": Network(delay=0.15),
    "trickle": Network(rate=400_000),
    "cut": Network(cut_after=150_000),
    "cut and delay": Network(cut_after=400_000, delay=0.02),
}


@pytest.fixture
def behind_proxies(own_cluster, registry, name, config):
    """Starts brokers that the service reaches through proxies alone, with a filled topic."""
    def start(seed, nodes=1, keys=10_000, changes=10_000):
        cluster = own_cluster(nodes=nodes, proxied=True).start()
        topic = Kafka(cluster.bootstrap(), registry).create(name, 4)
        history = History()
        writer = Writer(topic, history, seed, keys).fill(changes)
        settings = config(name)
        settings["kafka"]["brokers"] = cluster.bootstrap("PROXIED")
        return cluster, topic, history, writer, settings
    return start


@pytest.mark.timeout(soak(240, 900))
@pytest.mark.parametrize("kind", soak(["delay", "trickle", "cut"], list(BAD)))
def test_bad_network_to_kafka(behind_proxies, watched, kind):
    """From the start on, and while records stream in: late, but true and complete."""
    seed = make_seed()
    cluster, topic, history, writer, settings = behind_proxies(seed)
    if "cut" in kind:
        slow(settings)  # an answer that is never whole cannot be used: smaller ones than what passes
    cluster.set_network(BAD[kind])
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready(120)
        check_truth(running, topic)
        writer.start(per_second=500)
        watcher.wait(soak(2, 60))
        writer.stop()
        check_truth(running, topic, seconds=90)
    assert sum(node.proxy.connections for node in cluster.nodes) > (10 if "cut" in kind else 0)
    assert not watcher.fell(), watcher.changes


@pytest.mark.timeout(soak(240, 900))
def test_connections_cut_at_random(behind_proxies, watched):
    """3 brokers behind proxies, whose connections are reset again and again, during the load and after."""
    seed = make_seed()
    chance = random.Random(seed)
    cluster, topic, history, writer, settings = behind_proxies(seed, nodes=3)
    cluster.set_network(Network(rate=1_000_000))  # or the load were over at once
    running, watcher = watched(settings, history, seed)
    with watcher:
        for _ in range(5):
            watcher.wait(chance.uniform(0, 0.3))
            cluster.cut_connections()
        running.wait_ready(120)
        check_truth(running, topic)
        writer.start(per_second=500)
        for _ in range(soak(8, 200)):
            watcher.wait(chance.uniform(0, 0.5))
            cluster.cut_connections()
        writer.stop()
        check_truth(running, topic, seconds=60)
    assert not watcher.fell(), watcher.changes


@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", [Network(black_hole=True), Network(refuse=True)], ids=["black hole", "refused"])
def test_network_gone_then_back(behind_proxies, watched, way):
    """Absent at the start, and lost later: not ready until the load was possible; then it serves on and says so."""
    seed = make_seed()
    cluster, topic, history, writer, settings = behind_proxies(seed)
    settings["kafka"]["fetch_metadata_timeout"] = "1s"
    cluster.set_network(way)
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait(lambda: running.status()["kafka"]["error"], "the fault to be said")
        watcher.wait(1)
        assert not running.ready()
        cluster.set_network(Network())
        cluster.cut_connections()  # what hangs; it would be given up after minutes
        running.wait_ready(120)
        check_truth(running, topic)

        cluster.set_network(way)
        cluster.cut_connections()
        writer.start(per_second=500)
        running.wait(lambda: running.status()["kafka"]["connected"] is False, "the loss to be noticed")
        assert running.ready()
        writer.stop()
        cluster.set_network(Network())
        cluster.cut_connections()
        check_truth(running, topic, seconds=120)
    assert not watcher.fell(), watcher.changes


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ["delay", "trickle", "cut", "black hole"])
def test_bad_network_to_the_registry(topic, config, registry, watched, kind):
    """New schemas come while the registry is hard to reach: records wait for them, and none is lost."""
    seed = make_seed()
    proxy = Proxy(registry.port).start()
    proxy.network = {"delay": Network(delay=0.5), "trickle": Network(rate=2_000), "cut": Network(cut_after=100),
                     "black hole": Network(black_hole=True)}[kind]
    try:
        made = topic(partitions=2)
        history = History()
        writer = Writer(made, history, seed, keys=2_000).fill()
        settings = config(made.name, startup_checks={"enabled": False})
        settings["kafka"]["schema_registry_url"] = registry.url.replace(str(registry.port), str(proxy.port))
        settings["kafka"]["schema_registry"] = {"timeout": "2s"}
        running, watcher = watched(settings, history, seed)
        with watcher:
            if kind in ("cut", "black hole"):
                running.wait_waiting("schema")
                watcher.wait(1)
                proxy.network = Network()
                proxy.cut()
            running.wait_ready(120)
            check_truth(running, made)
            # And one more schema while it serves.
            proxy.network = Network(delay=0.3)
            for number in range(0, 2_000, 7):
                writer.write(number, schema=with_field(kind), extra=number)
            started = time.monotonic()
            writer.flush()
            check_truth(running, made, seconds=60)
            print(f"took {time.monotonic() - started:.1f} s")
        assert sum(running.status()["records"]["bad"].values()) == 0
    finally:
        proxy.stop()


_schemas = {}


def with_field(kind):
    """A schema of one more field, the same object each time for the same kind."""
    default = sum(kind.encode())  # so that no two kinds have the same schema
    field = {"name": "extra", "type": "long", "default": default}
    return _schemas.setdefault(kind, {**CUSTOMER, "fields": [*CUSTOMER["fields"], field]})
