"""Stores in Redis under topics that change: transactions, compaction, deleted and made again."""
import pytest

from e2e.checking import check_all
from e2e.history import History, Writer, key_of, make_seed, soak
from e2e.pushcache import shared_store
from e2e.transactions import COMPACTED, Transactions, wait_compacted

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("ends", ["committed", "aborted"])
def test_compaction_and_transactions_with_markers_last(topic, config, watched, redis_server, ends):
    """Records committed and aborted, compacted while that goes on, and each partition ends in a marker; then the
    same while a service runs, and once more after a restart."""
    seed = make_seed()
    history = History()
    made = topic(partitions=2, **COMPACTED)
    settings = config(made.name, cache=shared_store(redis_server()))
    transactions = Transactions(made, history, seed)
    for number in range(soak(30, 600)):
        transactions.run(commit=number % 2 == 0)
    wait_compacted(made, transactions, commit=ends == "committed")
    for _ in range(2):
        running, watcher = watched(settings, history, seed)
        with watcher:
            running.wait_ready()
            check_all(running, made, history)
            for number in range(20):
                transactions.run(commit=number % 2 == 0)
            transactions.run(commit=ends == "committed")
            check_all(running, made, history)
        assert not watcher.fell()
        assert running.stop() == 0


# name -> (partitions before, after, keys after, changes after); before: 2,000 records
AGAIN = {
    "shorter": (2, 2, 500, 0),
    "longer": (2, 2, 2_000, 2_000),
    "fewer partitions": (4, 2, 1_000, 2_000),
    "more partitions": (2, 4, 1_000, 2_000),
    "empty": (2, 2, 0, 0),
}


def make_again(kafka, old, history, seed, kind):
    """Deletes the topic and makes another one of its name. The last record of its old keys may vanish."""
    _, after, keys, changes = AGAIN[kind]
    for key in list(history.states):
        history.may_vanish(key)
    old.delete()
    new = kafka.create(old.name, after)
    if keys:
        Writer(new, history, seed, keys=keys, first=1_000).fill(changes)
    return new


@pytest.mark.parametrize("kind", AGAIN)
def test_topic_deleted_and_made_again_while_serving(kafka, filled, watched, redis_server, kind):
    """What Redis has of the old topic is not served once the service is ready again."""
    seed = make_seed()
    old, history, _, settings = filled(redis_server(), seed, keys=2_000, changes=0, partitions=AGAIN[kind][0])
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        new = make_again(kafka, old, history, seed, kind)
        running.wait(watcher.fell, "ready to fall")
        running.wait_ready()
        check_all(running, new, history, seconds=0)
        assert running.api.record("/customers", key_of(5)).status == 404  # in the old topic alone


@pytest.mark.parametrize("kind", AGAIN)
def test_topic_deleted_and_made_again_while_stopped(kafka, filled, watched, redis_server, kind):
    """A service that starts with a Redis that is full of another topic's records."""
    seed = make_seed()
    redis = redis_server()
    old, history, _, settings = filled(redis, seed, keys=2_000, changes=0, partitions=AGAIN[kind][0])
    before, watcher = watched(settings, history, seed)
    with watcher:
        before.wait_ready()
    assert before.stop() == 0
    new = make_again(kafka, old, history, seed, kind)
    floors = {key: len(states) - 1 for key, states in history.states.items()}
    running, watcher = watched(settings, history, seed)
    watcher.floors.update(floors)
    with watcher:
        running.wait_ready()
        check_all(running, new, history, seconds=0)
        assert running.api.record("/customers", key_of(5)).status == 404
