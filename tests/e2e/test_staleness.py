"""readiness.max_staleness: ready falls when what is served may be older than that, and comes back by itself."""
import time

import pytest

from e2e.checking import check_truth
from e2e.history import History, Writer, make_seed, soak
from e2e.producing import Kafka
from services import Network

pytestmark = pytest.mark.faults


@pytest.fixture
def proxied(own_cluster, registry, name, config):
    def start(seed, max_staleness):
        cluster = own_cluster(proxied=True).start()
        topic = Kafka(cluster.bootstrap(), registry).create(name, 2)
        history = History()
        writer = Writer(topic, history, seed, keys=5_000).fill()
        settings = config(name, readiness={"max_staleness": max_staleness})
        settings["kafka"]["brokers"] = cluster.bootstrap("PROXIED")
        return cluster, topic, history, writer, settings
    return start


@pytest.mark.timeout(240)
@pytest.mark.parametrize("loss", ["black hole", "refused", "killed"])
def test_ready_falls_when_kafka_is_not_heard_and_comes_back(proxied, watched, loss):
    """The API answers 503 then, as before the load; it is alive all the time. Back by itself, with what was missed."""
    seed = make_seed()
    cluster, topic, history, writer, settings = proxied(seed, "3s")
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        for _ in range(soak(1, 10)):
            lost = time.monotonic()
            if loss == "killed":
                cluster.kill()
            else:
                cluster.set_network(Network(black_hole=loss == "black hole", refuse=loss == "refused"))
                cluster.cut_connections() if loss == "refused" else None
            running.wait_waiting("max_staleness|stale|not heard|older", seconds=30)
            took = time.monotonic() - lost
            print(f"not ready {took:.2f} s after the loss: {running.reasons()}")
            assert took > 1.5
            assert running.api.get("/customers").status == 503
            assert running.health.get("/live").status == 200
            if loss == "killed":
                cluster.start()
            else:
                cluster.set_network(Network())
            for _ in range(500):
                writer.write_random()
            writer.flush()
            running.wait_ready(60)
            check_truth(running, topic, seconds=10)
    downs = [ready for _, ready, _ in watcher.changes[1:]].count(False)
    assert downs >= soak(1, 10), watcher.changes


@pytest.mark.timeout(240)
def test_ready_stays_while_kafka_is_heard(proxied, watched):
    """An idle topic, a busy one, and connections that are cut but made again in time: none is stale."""
    seed = make_seed()
    cluster, topic, history, writer, settings = proxied(seed, "5s")
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        watcher.wait(soak(7, 30))  # longer than may be stale, with nothing written
        assert not watcher.fell(), watcher.changes
        writer.start(per_second=1_000)
        for _ in range(4):
            cluster.cut_connections()
            watcher.wait(1)
        writer.stop()
        check_truth(running, topic, seconds=30)
    assert not watcher.fell(), watcher.changes


@pytest.mark.timeout(240)
def test_reader_that_falls_behind_is_stale(proxied, watched):
    """Kafka answers, but its records come in slower than they are written."""
    seed = make_seed()
    cluster, topic, history, writer, settings = proxied(seed, "2s")
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        cluster.set_network(Network(rate=20_000))
        writer.start(per_second=3_000)
        running.wait_waiting("max_staleness|stale|older|behind", seconds=60)
        writer.stop()
        cluster.set_network(Network())
        running.wait_ready(60)
        check_truth(running, topic, seconds=10)


@pytest.mark.timeout(240)
def test_without_the_option_ready_stays(proxied, watched):
    """As it was: what is loaded is served on. /status says that Kafka is away."""
    seed = make_seed()
    cluster, topic, history, writer, settings = proxied(seed, "2s")
    del settings["readiness"]
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        cluster.kill()
        running.wait(lambda: running.status()["kafka"]["connected"] is False, "the loss to be noticed")
        watcher.wait(soak(3, 60))
        assert running.ready()
        lag = max(part["lag_seconds"] for part in running.status()["kafka"]["partitions"])
        assert lag > 1, running.status()
        cluster.start()
        running.wait(lambda: running.status()["kafka"]["connected"], "Kafka to be reached again")
    assert not watcher.fell(), watcher.changes
