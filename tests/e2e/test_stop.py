"""The service is told to stop (SIGTERM) at random moments, and while what it needs is gone: it ends by itself, in time,
and the next start has everything."""
import random
import time

import pytest

from e2e.checking import check_all, check_truth
from e2e.history import History, Writer, make_seed, soak
from e2e.producing import Kafka
from e2e.pushcache import shared_store, slow
from services import Network

pytestmark = pytest.mark.faults

# What is shorter than the 30 s that Kubernetes waits by itself, and leaves room for a busy machine.
LIMIT = 25


def check_stop(running):
    """It ends by itself and says so; the seconds."""
    began = time.monotonic()
    assert running.stop(LIMIT) == 0, running.process.tail()
    return time.monotonic() - began


def stop_again_and_again(settings, history, watched, seed, chance):
    """While and after it loads, each time a new process."""
    slow(settings)  # or the load would be over before the stop
    seen = {True: 0, False: 0}
    longest = 0
    for number in range(soak(8, 100)):
        running, watcher = watched(settings, history, seed + number)
        if number % 4 == 2:
            running.wait_ready()
        elif number % 2:
            running.wait(lambda: running.status()["load"]["records_total"] > 0 or running.ready(), "the load to begin")
        watcher.wait(chance.choice([0, 0.2, 0.5, 2]) * chance.random())
        seen[running.ready()] += 1
        watcher.stop()
        longest = max(longest, check_stop(running))
    print(f"stopped when ready and not: {seen}; took {longest:.1f} s at most")


@pytest.mark.timeout(soak(240, 1800))
def test_stopped_at_random_moments(topic, config, watched, tmp_path):
    """Stores in memory, with snapshots, while records stream in."""
    seed = make_seed()
    history = History()
    made = topic(partitions=4)
    writer = Writer(made, history, seed).fill(changes=20_000).start(per_second=500)
    settings = config(made.name, snapshot={"dir": str(tmp_path)})
    stop_again_and_again(settings, history, watched, seed, random.Random(seed))
    writer.stop()
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        assert check_truth(running, made) == len(history.last())


@pytest.mark.timeout(soak(240, 1800))
def test_member_stopped_at_random_moments(redis_server, filled, watched):
    """A store in Redis: each process leaves the group, so the next one need not wait for it."""
    seed = make_seed()
    made, history, writer, settings = filled(redis_server(), seed)
    writer.start(per_second=500)
    stop_again_and_again(settings, history, watched, seed, random.Random(seed))
    writer.stop()
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        check_all(running, made, history)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("way", [Network(black_hole=True), Network(refuse=True)], ids=["black hole", "refused"])
@pytest.mark.parametrize("store, gone", [("memory", "kafka"), ("redis", "kafka"), ("redis", "redis"),
                                         ("redis", "both")])
def test_stopped_while_what_it_needs_is_gone(own_cluster, registry, redis_server, name, config, service, store, gone,
                                             way):
    """From the start on, and lost while it serves."""
    cluster = own_cluster(proxied=True).start()
    topic = Kafka(cluster.bootstrap(), registry).create(name, 4)
    redis = redis_server(proxied=True)
    Writer(topic, History(), make_seed(), 1_000).fill(1_000)
    more = {} if store == "memory" else {"cache": shared_store(redis, timeout="500ms")}
    settings = config(name, **more)
    settings["kafka"]["brokers"] = cluster.bootstrap("PROXIED")

    def set_network(network):
        if gone != "redis":
            cluster.set_network(network)
            cluster.cut_connections()
        if gone != "kafka":
            redis.proxy.network = network
            redis.proxy.cut()

    running = service(settings).wait_ready()
    set_network(way)
    running.wait(lambda: (gone == "redis" or running.status()["kafka"]["connected"] is False) and
                 (gone == "kafka" or not running.ready()), "the loss to be noticed")
    after = check_stop(running)
    running = service(settings)
    running.wait(lambda: running.status()["kafka"]["error"] or running.reasons(), "the fault to be said")
    print(f"took {after:.1f} s after the loss, {check_stop(running):.1f} s at a start without")
