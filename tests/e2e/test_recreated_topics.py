"""A topic is deleted and made again under a running service: another log, whatever its offsets are."""
import contextlib
import signal

import pytest

from e2e.checking import check_truth
from e2e.history import History, Writer, key_of, make_seed, soak

pytestmark = pytest.mark.faults

# name -> (partitions before, after, keys after, changes after); before: 4,000 records
AGAIN = {
    "shorter": (2, 2, 500, 0),
    "longer": (2, 2, 2_000, 10_000),
    "fewer partitions": (4, 2, 2_000, 4_000),
    "more partitions": (2, 4, 2_000, 4_000),
    "empty": (2, 2, 0, 0),
}


@contextlib.contextmanager
def process_stopped(running, watcher):
    with watcher.paused():
        running.process.signal(signal.SIGSTOP)
        yield
        running.process.signal(signal.SIGCONT)


@contextlib.contextmanager
def process_running(*_):
    yield


@pytest.mark.parametrize("kind, meanwhile", [
    *((kind, process_running) for kind in AGAIN),
    *((kind, process_stopped) for kind in soak(["longer", "fewer partitions"], list(AGAIN)))])
def test_topic_deleted_and_recreated(kafka, topic, config, watched, kind, meanwhile):
    """The old records go, the new ones are served, and it is not ready in between; also when the new log was
    longer than the old position before the service could look at it."""
    before, after, keys, changes = AGAIN[kind]
    seed = make_seed()
    history = History()
    old = topic(partitions=before)
    Writer(old, history, seed, keys=4_000).fill()
    running, watcher = watched(config(old.name), history, seed)
    with watcher:
        running.wait_ready()
        with meanwhile(running, watcher):
            for key in list(history.states):
                history.may_vanish(key)
            old.delete()
            new = kafka.create(old.name, after)
            writer = Writer(new, history, seed, keys=max(keys, 1), first=2_000)
            if keys:
                writer.fill(changes)
        running.wait(watcher.fell, "ready to fall", 30)
        running.wait_ready(30)
        assert check_truth(running, new) == len(new.records())
        assert running.api.record("/customers", key_of(5)).status == 404  # in the old topic alone
        assert len(running.status()["kafka"]["partitions"]) == after

        writer.write(2_000)
        writer.flush()
        check_truth(running, new, seconds=30)


def test_topic_deleted_and_recreated_again_and_again(kafka, topic, config, watched):
    seed = make_seed()
    history = History()
    made = topic(partitions=2)
    Writer(made, history, seed, keys=1_000).fill()
    running, watcher = watched(config(made.name), history, seed)
    with watcher:
        running.wait_ready()
        for round_ in range(4):
            for key in list(history.states):
                history.may_vanish(key)
            made.delete()
            made = kafka.create(made.name, 2)
            Writer(made, history, seed + round_, keys=1_000, first=200 * round_).fill(changes=500 * round_)
        check_truth(running, made, seconds=60)
        running.wait_ready()


def test_one_of_two_topics_recreated(kafka, topic, config, service):
    """The records of the other stay, and those of a key that both have are of the one that has it."""
    first, second = topic(partitions=2), topic(partitions=2)
    history, other = History(), History()
    Writer(first, history, make_seed(), keys=1_000).fill()
    Writer(second, other, 2, keys=1_000, first=5_000).fill()
    running = service(config([first.name, second.name])).wait_ready()
    first.delete()
    again = kafka.create(first.name, 2)
    history = History()
    Writer(again, history, 3, keys=500, first=500).fill()

    def right():
        return running.ready() and running.keys("/customers") == sorted({**history.last(), **other.last()})
    running.wait(right, "the new records beside the other topic's")
    running.check_all("/customers", {**history.last(), **other.last()})
