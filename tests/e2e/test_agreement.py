"""What a replica answers follows from the topics alone: random topics, and many starts over them, held against a
model of the contract's rules. PUSH_CACHE_SEED repeats one."""
import random
import time

import pytest

from e2e.checking import differences
from e2e.history import make_seed, soak
from e2e.producing import BILL, CUSTOMER, customer, sample
from e2e.pushcache import slow

FAR = 9_000_000_000_000  # beyond the year 2100: counts as no timestamp
SCHEMAS = {"customer": CUSTOMER, "bill": BILL}
# Compacts at once, as far as the broker gets round to it.
COMPACTED = {"cleanup_policy": "compact", "segment_ms": 200, "min_cleanable_dirty_ratio": 0.001,
             "min_compaction_lag_ms": 0}


class Model:
    """What stores show of topics, by the rules: a plain replay of what was written."""

    def __init__(self, topics):
        self.topics = topics  # in the configuration's order
        self.writes = []  # (number of the topic, key, kind or None, record or None, timestamp)

    def shown(self, takes_topics, takes_kinds):
        """key -> record, of a store that takes these."""
        kept = {}  # (key, topic) -> (timestamp, record)
        for number, key, kind, record, timestamp in self.writes:
            if self.topics[number].name not in takes_topics:
                continue
            if record is not None and kind in takes_kinds:
                kept[key, number] = (timestamp if timestamp < FAR else -1, record)
            elif record is None or self.topics[number].compacted:
                kept.pop((key, number), None)  # a compacted topic has one record of a key, of whatever type
        best = {}
        for (key, number), (timestamp, record) in kept.items():
            best[key] = max(best.get(key, (-2, 0, None)), (timestamp, number, record), key=lambda one: one[:2])
        return {key: record for key, (_, _, record) in best.items()}


def write(model, chance, count, keys):
    """`count` random writes, each acknowledged in its turn within its topic."""
    now = int(time.time() * 1000)
    for _ in range(count):
        number = chance.randrange(len(model.topics))
        key = f"C{chance.randrange(keys):07}"
        kind = chance.choice(["customer", "customer", "bill"])
        record = None
        if chance.random() > 0.2:
            amount = chance.randrange(1_000_000)
            record = (customer(amount) if kind == "customer" else sample("bill", amount))
        # Few different ones, so that many are equal; now and then one from a wrong clock.
        timestamp = FAR if chance.random() < 0.02 else now - 100_000 + chance.randrange(20)
        model.topics[number].put(key, record, SCHEMAS[kind], timestamp=timestamp)
        model.writes.append((number, key, kind if record else None, record, timestamp))
    model.topics[0].flush()


def settled(running, model):
    """Waits until everything that was written is applied."""
    ends = {(topic.name, part): topic.watermarks(part)[1] for topic in model.topics
            for part in range(topic.partitions)}

    def applied():
        status = running.status()
        return all(part["position"] >= ends[part["topic"], part["partition"]]
                   for feed in ("kafka", "kafka_group") if status[feed]
                   for part in status[feed]["partitions"])
    running.wait_ready()
    running.wait(applied, "all that was written")


def digests(running):
    parts = running.status()["kafka"]["partitions"]
    return {(part["topic"], part["partition"]): part["digest"]["value"] for part in parts}


def check(running, model, stores, ordered=True):
    settled(running, model)
    for store in stores:
        expected = model.shown(store.get("topics") or [topic.name for topic in model.topics],
                               store.get("schemas") or list(SCHEMAS))
        found = differences(running, f"/{store['name']}", expected, ordered)
        assert not found, (store["name"], found[:5])


def make_stores(kind, names):
    return [{"name": "all", **kind("all")},
            {"name": "customers", **kind("customers"), "schemas": ["customer"]},
            {"name": "bills", **kind("bills"), "schemas": ["bill"]},
            {"name": "two", **kind("two"), "topics": [names[0], names[2]]},
            {"name": "one", **kind("one"), "topics": [names[1]]}]


def cache_of(stores):
    """The cache section of these stores, each with a route of its name."""
    return {"stores": stores, "routes": [{"path": f"/{one['name']}", "store": one["name"]} for one in stores]}


@pytest.fixture
def random_topics(topic):
    """Three topics that share keys, of which some are compacted."""
    def make(chance):
        made = []
        for _ in range(3):
            compacted = chance.random() < 0.5
            one = topic(partitions=chance.randrange(1, 4), message_timestamp_after_max_ms=2**63 - 1,
                        **(COMPACTED if compacted else {}))
            one.compacted = compacted
            made.append(one)
        return Model(made)
    return make


@pytest.mark.parametrize("round_number", range(soak(2, 20)))
def test_replicas_agree_whenever_they_started(random_topics, config, service, tmp_path, round_number):
    """In memory: one that read everything as it was written, fresh ones, one that goes on from a snapshot."""
    seed = make_seed() + round_number
    chance = random.Random(seed)
    model = random_topics(chance)
    names = [one.name for one in model.topics]
    stores = make_stores(lambda _: {"type": "in_memory"}, names)
    cache = cache_of(stores)
    settings = config(names, cache=cache)
    restarted = config(names, cache=cache, snapshot={"dir": str(tmp_path / "snapshots"), "interval": "1h"})
    keys = chance.choice([30, 300])
    write(model, chance, 600, keys)
    watching = service(settings)
    left = service(restarted)
    check(left, model, stores)
    assert left.stop() == 0
    write(model, chance, 600, keys)
    running = [watching, service(settings), service(slow(config(names, cache=cache))), service(restarted)]
    for one in running:
        check(one, model, stores)
    assert running[-1].status()["snapshot"]["loaded"] is not None
    write(model, chance, 200, keys)
    for one in running:
        check(one, model, stores)
    assert all(digests(one) == digests(running[0]) for one in running)
    for one in running:
        counts = [{key: store[key] for key in ("name", "records", "hidden")} for store in one.status()["stores"]]
        assert counts == [{key: store[key] for key in ("name", "records", "hidden")}
                          for store in running[0].status()["stores"]]


@pytest.mark.parametrize("round_number", range(soak(1, 10)))
def test_a_store_in_redis_agrees_with_one_in_memory(random_topics, config, service, redis_server, round_number):
    """Filled by two members of a group that come and go, and read by all."""
    seed = make_seed() + round_number
    chance = random.Random(seed)
    model = random_topics(chance)
    names = [one.name for one in model.topics]
    server = redis_server()
    stores = make_stores(lambda name: {**server.store(), "prefix": name, "timeout": "5s"}, names)
    cache = cache_of(stores)
    settings = config(names, cache=cache)
    settings["kafka"]["properties"] = {"session.timeout.ms": "6000"}
    write(model, chance, 400, 100)
    first = service(settings).wait_ready()
    write(model, chance, 200, 100)
    second = service(settings).wait_ready()
    write(model, chance, 200, 100)
    for one in (first, second):
        check(one, model, stores, ordered=False)
    assert first.stop() == 0
    write(model, chance, 200, 100)
    check(second, model, stores, ordered=False)
    third = service(settings).wait_ready()
    check(third, model, stores, ordered=False)
