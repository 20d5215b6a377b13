"""Topics that change under a reader: compacted, cut, with transactions, with more partitions."""
import contextlib
import signal

import pytest

from e2e.checking import check_truth
from e2e.history import History, Writer, key_of, make_seed, soak
from e2e.producing import Kafka
from e2e.pushcache import slow
from e2e.transactions import COMPACTED, Transactions, wait_compacted
from services import Network

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("ends", ["committed", "aborted"])
def test_compaction_and_transactions_with_markers_last(topic, config, watched, ends):
    """Records committed and aborted, compacted while that goes on, and each partition ends in a marker; then the
    same while a service runs."""
    seed = make_seed()
    history = History()
    made = topic(partitions=2, **COMPACTED)
    transactions = Transactions(made, history, seed)
    for number in range(soak(60, 600)):
        transactions.run(commit=number % 2 == 0)
    wait_compacted(made, transactions, commit=ends == "committed")
    running, watcher = watched(config(made.name), history, seed)
    with watcher:
        running.wait_ready()
        check_truth(running, made)
        for number in range(40):
            transactions.run(commit=number % 2 == 0)
        transactions.run(commit=ends == "committed")
        check_truth(running, made, seconds=30)
    assert not watcher.fell()


@contextlib.contextmanager
def process_stopped(running, watcher, _):
    """By SIGSTOP: it answers nothing either."""
    with watcher.paused():
        running.process.signal(signal.SIGSTOP)
        yield
        running.process.signal(signal.SIGCONT)


@contextlib.contextmanager
def network_stopped(running, _, cluster):
    """Nothing comes from Kafka any more, while HTTP goes on."""
    cluster.set_network(Network(black_hole=True, refuse=True))
    yield
    cluster.set_network(Network())
    cluster.cut_connections()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("stopped", [process_stopped, network_stopped])
def test_retention_overtakes_a_stopped_reader(own_cluster, registry, name, config, watched, stopped):
    """What it has not read is gone from the log, tombstones among it: it may serve nothing of what is deleted,
    and is not ready until it has read the rest anew."""
    seed = make_seed()
    cluster = own_cluster(proxied=True).start()
    made = Kafka(cluster.bootstrap(), registry).create(name, 2)
    history = History()
    writer = Writer(made, history, seed, keys=4_000).fill()
    settings = config(name)
    settings["kafka"]["brokers"] = cluster.bootstrap("PROXIED")
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        with stopped(running, watcher, cluster):
            for number in range(0, 1_000):
                writer.write(number, tombstone=True)
            for number in range(1_000, 3_000):
                writer.write(number)
            writer.flush()
            for partition in range(2):
                low, high = made.watermarks(partition)
                made.delete_records(partition, high - 500)
            for key in history.states:  # of what is left, the history cannot know
                history.may_vanish(key)
            for number in range(3_500, 4_500):
                writer.write(number)
            writer.flush()
        check_truth(running, made, seconds=90)
        running.wait_ready()
        assert running.api.record("/customers", key_of(5)).status == 404  # its tombstone was never read
    assert watcher.fell(), watcher.changes


def test_partitions_added_during_the_load_and_after(topic, config, watched):
    """New keys in new partitions, while the old ones load, and again while the service runs."""
    seed = make_seed()
    history = History()
    made = topic(partitions=2)
    writers = [Writer(made, history, seed, keys=10_000).fill(changes=10_000)]
    running, watcher = watched(slow(config(made.name)), history, seed)
    with watcher:
        running.wait(lambda: running.status()["load"]["records_total"] > 0, "the load to begin")
        assert not running.ready()
        for round_ in (1, 2):
            made.add_partitions(2 + 2 * round_)
            writer = Writer(made, History(), seed, keys=5_000, first=100_000 * round_)
            writers.append(writer.fill())
            running.wait_ready()
            check_truth(running, made, seconds=60)
    assert not watcher.fell()
    assert len(running.status()["kafka"]["partitions"]) == 6


def test_key_that_a_new_partition_takes_over(kafka, topic, config, service):
    """Producers choose partitions by the number of them: after more were added, a key's last value is in another
    partition than its older ones. A start may read these in any order."""
    made = topic(partitions=1)
    made.put_all({key_of(number): {**first_state(number)} for number in range(2_000)})
    made.add_partitions(6)
    last = {key_of(number): {**first_state(number), "name": "last"} for number in range(0, 2_000, 2)}
    for number, (key, record) in enumerate(last.items()):
        made.put(key, record, partition=1 + number % 5)
    for number in range(1, 2_000, 20):
        made.put(key_of(number), None, partition=1 + number % 5)
    made.flush()
    expected = {key_of(number): first_state(number) for number in range(2_000) if number % 20 != 1} | last
    for settings in (config(made.name), slow(config(made.name))):
        running = service(settings).wait_ready()
        wrong = [key for key in expected if running.api.record("/customers", key).json() != expected[key]]
        shown = [key_of(number) for number in range(1, 2_000, 20)
                 if running.api.record("/customers", key_of(number)).status != 404]
        assert not wrong and not shown, (len(wrong), wrong[:5], len(shown), shown[:5])
        running.kill()


def first_state(number):
    return {"accountId": f"C{number}", "name": "first", "address": "", "phone": "", "createdAt": 0, "updatedAt": 0}
