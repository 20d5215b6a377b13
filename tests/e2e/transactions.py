"""Transactions of a producer, of which every other one is aborted."""
import random

from e2e.history import Writer


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
