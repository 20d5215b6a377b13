"""Brokers are killed, come back and change places, while a service loads and while it serves."""
import time

import pytest

from confluent_kafka import ElectionType

from e2e.checking import check_truth
from e2e.history import History, Writer, make_seed, soak
from e2e.producing import Kafka
from e2e.pushcache import slow
from services import wait_for

pytestmark = pytest.mark.faults


@pytest.fixture
def brokers(own_cluster, registry, name, config):
    """Starts brokers of the test's own with a filled topic: brokers(nodes=3) -> (cluster, topic, history, writer,
    settings). Every change of the topic is in the history."""
    def start(seed, nodes, keys=soak(10_000, 50_000), changes=20_000, partitions=4, **options):
        cluster = own_cluster(nodes=nodes, **options).start()
        topic = Kafka(cluster.bootstrap(), registry).create(name, partitions)
        history = History()
        writer = Writer(topic, history, seed, keys).fill(changes)
        settings = config(name)
        settings["kafka"]["brokers"] = cluster.bootstrap()
        return cluster, topic, history, writer, settings
    return start


def leaders_of(topic):
    return [part.leader for part in topic.kafka.admin.list_topics(timeout=30).topics[topic.name].partitions.values()]


def wait_loading(running):
    """Until some of the load is done, but not all."""
    running.wait(lambda: running.status()["load"]["records_total"] > 0, "the load to begin")
    assert not running.ready(), "the load was over before the fault"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("nodes", [1, 3])
def test_broker_killed_and_restarted_during_the_load_and_after(brokers, watched, nodes):
    """One broker of 1, or the leader of a partition of 3. Nothing is lost, nothing is ready early, and a service
    that is loaded stays ready."""
    seed = make_seed()
    cluster, topic, history, writer, settings = brokers(seed, nodes)
    running, watcher = watched(slow(settings), history, seed)
    with watcher:
        wait_loading(running)
        killed = [leaders_of(topic)[0]]
        cluster.kill(killed)
        cluster.start(killed)
        running.wait_ready(120)
        check_truth(running, topic)

        writer.start()
        killed = [leaders_of(topic)[1]]
        cluster.kill(killed)
        time.sleep(soak(1, 20))  # away for so long, while the writer goes on
        cluster.start(killed)
        running.wait(lambda: running.status()["kafka"]["connected"], "Kafka to be reached again", 120)
        writer.stop()
        check_truth(running, topic, seconds=60)
    assert watcher.counts[200] > 0 and not watcher.fell(), (watcher.counts, watcher.changes)


@pytest.mark.timeout(soak(300, 900))
def test_leaders_move_during_the_load(brokers, watched):
    """3 brokers are restarted one after the other, and the leaders go back to where they were, round by round;
    services load meanwhile, one after the other."""
    seed = make_seed()
    cluster, topic, history, writer, settings = brokers(seed, nodes=3)
    writer.start(per_second=500)
    for number in [1, 2, 3] * soak(1, 4):
        running, watcher = watched(slow(settings), history, seed + number)
        with watcher:
            wait_loading(running)
            cluster.stop([number])
            wait_for(lambda: number not in leaders_of(topic), 60, "other leaders")
            cluster.start([number])
            wait_for(lambda: all_in_sync(topic), 90, "every replica in sync")
            topic.kafka.admin.elect_leaders(ElectionType.PREFERRED, None).result(60)
            running.wait_ready(120)
        running.kill()
    writer.stop()
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        check_truth(running, topic)


def all_in_sync(topic):
    parts = topic.kafka.admin.list_topics(timeout=30).topics[topic.name].partitions.values()
    return all(len(part.isrs) == len(part.replicas) for part in parts)


@pytest.mark.timeout(soak(300, 600))
@pytest.mark.parametrize("when", ["during the load", "after the load"])
def test_all_brokers_gone_for_long(brokers, watched, when):
    """A loaded service answers on from memory and says that it is cut off; one that loads is not ready. Both are
    alive. When the brokers are back, everything is served, without a restart."""
    seed = make_seed()
    cluster, topic, history, writer, settings = brokers(seed, nodes=3 if when == "during the load" else soak(1, 3))
    running, watcher = watched(slow(settings), history, seed)
    with watcher:
        if when == "during the load":
            wait_loading(running)
        else:
            running.wait_ready(120)
        ready = running.ready()
        cluster.kill()
        gone = time.monotonic()
        running.wait(lambda: running.status()["kafka"]["connected"] is False, "the loss to be noticed", 60)
        assert running.status()["kafka"]["error"], running.status()
        writer.start(per_second=200)  # waits in the producer
        running.wait(lambda: time.monotonic() - gone > soak(5, 60), "the time to pass", 90)
        assert running.ready() == ready and running.health.get("/live").status == 200
        if not ready:
            assert running.reasons()
        cluster.start()
        running.wait_ready(180)
        writer.stop()
        check_truth(running, topic, seconds=60)
    assert not watcher.fell(), watcher.changes
