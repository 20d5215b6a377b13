"""What was written to a topic, in order: the truth that answers are held against; and who writes it."""
import itertools
import os
import random
import threading
import time

from e2e.producing import CUSTOMER, customer

SOAK = os.environ.get("PUSH_CACHE_SOAK") == "1"


def soak(short, long):
    """A size or a time: `short` in every run, `long` in that of `make soak`."""
    return long if SOAK else short


def make_seed():
    """A new seed, printed so that a failed test can be run with it again: PUSH_CACHE_SEED=..."""
    seed = int(os.environ.get("PUSH_CACHE_SEED") or random.SystemRandom().randrange(10**9))
    print("seed", seed)
    return seed


def key_of(number):
    return f"k{number:06}"


def record_of(key, version):
    """The one record that stands for a version of a key. No two versions are alike."""
    return customer(int(key[1:]), name=f"version {version} of {key}", updatedAt=version)


class History:
    """The states of each key in order: versions, and None for absent. The first is absent, before any record.

    A state is noted before it is written and acknowledged after, so that a reader sees only what is noted, and
    must see all that is acknowledged. Any thread.
    """

    def __init__(self):
        self.states = {}  # key -> states
        self.known = {}  # key -> index of the newest state that the brokers have acknowledged
        self._versions = itertools.count(1)

    def note(self, key, tombstone=False):
        """(index, version) of a new state that is about to be written."""
        version = None if tombstone else next(self._versions)
        states = self.states.setdefault(key, [None])
        states.append(version)
        return len(states) - 1, version

    def new_version(self):
        """One that is no state, such as for a transaction that will be aborted."""
        return next(self._versions)

    def acknowledge(self, key, index):
        self.known[key] = max(index, self.known.get(key, 0))

    def acknowledged(self):
        """key -> the index below which no answer may be, of a service that is started now."""
        return dict(self.known)

    def may_vanish(self, key):
        """The key's records are taken out of the log without a tombstone: from now on it may be absent."""
        self.states[key].append(None)

    def last(self):
        """key -> record, as the last state of each key says."""
        return {key: record_of(key, states[-1]) for key, states in list(self.states.items())
                if states[-1] is not None}


class Writer:
    """Writes changes and tombstones of `keys` keys to a topic and notes them; in the background after `start`."""

    def __init__(self, topic, history, seed, keys=20_000, tombstones=0.1, producer=None, first=0, partitions=None):
        """Keys are numbered from `first`. A key's partition is its number modulo `partitions`: it never moves."""
        self.topic = topic
        self.history = history
        self.chance = random.Random(seed)
        self.numbers = range(first, first + keys)
        self.tombstones = tombstones
        # Small batches, as Java's producers make them: a consumer can take one only as a whole.
        self.producer = producer or topic.kafka.new_producer(**{"batch.size": 16_384})
        self.partitions = partitions or topic.partitions
        self.written = 0
        self.faults = []
        self._thread = None
        self._finished = threading.Event()

    def write(self, number, tombstone=False, schema=CUSTOMER, **more):
        """`more`: fields beyond a customer's, which `schema` has."""
        key = key_of(number)
        index, version = self.history.note(key, tombstone)
        record = None if tombstone else {**record_of(key, version), **more}

        def delivered(error, _):
            if error is not None:
                self.faults.append(error)
            else:
                self.history.acknowledge(key, index)
        value = None if record is None else self.topic.encode(record, schema)
        while True:
            try:
                self.producer.produce(self.topic.name, value, key, partition=number % self.partitions,
                                      on_delivery=delivered)
                break
            except BufferError:
                self.producer.poll(0.1)
        self.written += 1
        if self.written % 100 == 0:
            self.producer.poll(0)

    def write_random(self):
        self.write(self.chance.choice(self.numbers), self.chance.random() < self.tombstones)

    def fill(self, changes=0):
        """Every key once, then so many changes of random ones; returns when all is acknowledged."""
        for number in self.numbers:
            self.write(number)
        for _ in range(changes):
            self.write_random()
        return self.flush()

    def flush(self, seconds=120):
        assert self.producer.flush(seconds) == 0, "records were not delivered in time"
        assert not self.faults, self.faults[0]
        return self

    def start(self, per_second=2000):
        """Goes on until `stop`."""
        def run():
            try:
                while not self._finished.wait(0.01):
                    started = time.monotonic()
                    for _ in range(max(1, per_second // 100)):
                        self.write_random()
                    self.producer.poll(0)
                    if time.monotonic() - started > 1:  # brokers are away and the queue is full
                        time.sleep(0.05)
            except Exception as fault:  # raised by `stop`
                self.faults.append(fault)
        self._finished.clear()
        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        return self

    def stop(self):
        """Ends the writing; everything is acknowledged then."""
        self._finished.set()
        self._thread.join(60)
        return self.flush()
