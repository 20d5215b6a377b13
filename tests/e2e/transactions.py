"""Transactions of a producer, of which every other one is aborted."""
import random

from e2e.history import Writer
from services import wait_for


class Transactions:
    """Writes to a topic in transactions of some records, every other one aborted, the last one as `ends`."""

    def __init__(self, topic, history, seed):
        self.chance = random.Random(seed)
        self.history = history
        self.producer = topic.kafka.new_producer(**{"transactional.id": topic.name})
        self.producer.init_transactions(60)
        self.writer = Writer(topic, history, seed, keys=2_000, producer=self.producer)
        self.aborted = Writer(topic, Ignored(history), seed, keys=3_000, producer=self.producer)

    def run(self, commit, records=20):
        self.producer.begin_transaction()
        writer = self.writer if commit else self.aborted
        for _ in range(records):
            writer.write_random()
        writer.flush()
        if commit:
            self.producer.commit_transaction(60)
        else:
            self.producer.abort_transaction(60)


class Ignored:
    """A history of what never counts: of aborted transactions."""

    def __init__(self, history):
        self.history = history

    def note(self, _, tombstone):
        return 0, None if tombstone else self.history.new_version()

    def acknowledge(self, *_):
        pass


def last_offsets(topic):
    """partition -> the offset of the last record that shows"""
    return {partition: offset for partition, offset, _, _ in topic.read()}


COMPACTED = {"cleanup_policy": "compact", "segment_ms": 200, "min_cleanable_dirty_ratio": 0.001,
             "min_compaction_lag_ms": 0, "delete_retention_ms": 0}


def wait_compacted(topic, transactions, commit):
    """Runs transactions that end with one that commits or not, until a topic made with COMPACTED has lost most of its
    records and each partition ends behind the last that is left, in a marker."""
    def compacted():
        transactions.run(commit=commit)
        offsets = sorted(offset for partition, offset, _, _ in topic.read() if partition == 0)
        holes = offsets[-1] - offsets[0] + 1 - len(offsets)
        return holes > len(offsets) and all(offset < topic.watermarks(number)[1] - 1
                                            for number, offset in last_offsets(topic).items())
    wait_for(compacted, 60, "the cleaner to compact", every=0.3)
