"""Keys whose type changes: in a compacted topic the last record of a key is its only one, in others both stay. And
timestamps from the future."""
import copy
import email.utils
import re
import time

import pytest

from e2e.producing import BILL, CUSTOMER, sample
from e2e.pushcache import shared_store
from services import wait_for

STORES = {"customers": ["customer"], "bills": ["bill"], "both": []}
ROUTES = {"/customers": [CUSTOMER], "/bills": [BILL], "/both": [CUSTOMER, BILL]}
# The cleaner is quick, and a snapshot is good for an hour.
COMPACTED = {"cleanup_policy": "compact", "segment_ms": 200, "min_cleanable_dirty_ratio": 0.001,
             "min_compaction_lag_ms": 0, "delete_retention_ms": 3_600_000}
NEVER_CLEANED = {"segment_ms": 3_600_000_000, "min_compaction_lag_ms": 3_600_000_000}


class Written:
    """What was written to a topic, and what each route has to answer by that."""

    def __init__(self, topic):
        self.topic = topic
        self.all = []  # key, schema, record

    def put(self, kind, numbers, seed=0):
        schema = {"customer": CUSTOMER, "bill": BILL, None: None}[kind]
        for number in numbers:
            key = f"C{number:07}"
            record = None if kind is None else sample(kind, number, seed)
            self.all.append((key, schema, record))
            self.topic.put(key, record, schema or CUSTOMER)
        self.topic.flush()
        return self

    def expected(self, route, compacted):
        """key -> record, when the topic is read whole."""
        held = {}
        for key, schema, record in self.all:
            if schema in ROUTES[route]:
                held[key] = record
            elif schema is None or compacted:
                held.pop(key, None)
        return held

    def check(self, running, compacted):
        ends = {number: self.topic.watermarks(number)[1] for number in range(self.topic.partitions)}

        def is_applied():
            found = running.status()["kafka"]["partitions"]
            return running.ready() and all(one["position"] >= ends[one["partition"]] for one in found)
        running.wait(is_applied, "all to be applied")
        for route in ROUTES:
            held = self.expected(route, compacted)
            assert sorted(set(running.keys(route))) == sorted(held), route
            for key, record in held.items():
                answer = running.api.record(route, key)
                assert answer.status == 200 and answer.json() == record, (route, key, answer)


def policy_of(running):
    return running.status()["kafka"]["topics"][0]["cleanup_policy"]


@pytest.fixture(params=["in_memory", "redis"])
def settings_of(request, config, redis_server, tmp_path):
    """settings_of(topic): three stores of one kind, which a restart goes on with; `fresh`: nothing is there yet."""
    def redis():
        if not made:
            made.append(redis_server())
        return made[0].store()
    made, folder = [], tmp_path / "snapshots"
    folder.mkdir()

    def make(topic, fresh=""):
        more = redis() if request.param == "redis" else {"type": "in_memory"}
        stores = [{"name": name, "schemas": schemas, **more} for name, schemas in STORES.items()]
        if request.param == "redis":
            for one in stores:
                one["prefix"] = one["name"] + fresh
        settings = config(topic.name, cache={"stores": stores, "routes": [
            {"path": route, "store": route[1:]} for route in ROUTES]})
        settings["kafka"]["group_id"] += fresh
        if request.param == "in_memory" and not fresh:
            settings["snapshot"] = {"dir": str(folder), "interval": "1h"}
        return settings
    return make


def was_resumed(running):
    """Whether it did not read its topic from the beginning."""
    snapshot = running.status()["snapshot"]
    if snapshot is not None:
        return snapshot["loaded"] is not None and snapshot["refused"] is None
    return running.status()["load"]["records_total"] == 0


def test_replicas_agree_whatever_they_have_seen(topic, settings_of, service):
    """Running, restarted and fresh ones, before and after the cleaner has taken the records of the former type."""
    made = topic(partitions=2, **COMPACTED)
    written = Written(made).put("customer", range(30)).put("bill", range(20, 40))
    running = service(settings_of(made)).wait_ready()
    assert policy_of(running) == "compact"
    written.check(running, compacted=True)
    assert running.api.record("/customers", "C0000020").status == 404
    assert running.api.record("/both", "C0000020").status == 200
    before = running.status()["records"]["type_changes"]

    written.put("bill", range(10)).put("customer", range(35, 45)).put(None, range(15, 18))
    written.put("customer", range(3), seed=1)  # and back again
    written.check(running, compacted=True)
    changes = running.status()["records"]["type_changes"]
    assert changes - before == 10 + 5 + 3, (before, changes)
    assert any(name.startswith("push_cache_type_changes_total") and value == changes
               for name, value in running.metrics().items())
    said = [line for line in running.logged().splitlines() if "has lost a key" in line]
    assert len(said) == 2, said  # a line for each store that lost one
    assert running.stop() == 0

    again = service(settings_of(made)).wait_ready()
    written.check(again, compacted=True)
    assert was_resumed(again)

    left = {(f"C{number:07}".encode(), made.encode(sample("customer", number), CUSTOMER)) for number in range(3, 10)}

    def compacted():  # the cleaner leaves the segment of each partition that is written to
        written.put("customer", range(50, 58))
        return not left & {(key, value) for _, _, key, value in made.read()}
    wait_for(compacted, 90, "the cleaner to compact", every=0.3)
    fresh = service(settings_of(made, fresh="-fresh")).wait_ready()
    for replica in (again, fresh):
        written.check(replica, compacted=True)


def test_both_types_stay_where_nothing_is_compacted(topic, settings_of, service):
    made = topic(partitions=2, cleanup_policy="delete")
    written = Written(made).put("customer", range(30)).put("bill", range(20, 40))
    running = service(settings_of(made)).wait_ready()
    assert policy_of(running) == "delete"
    written.put("bill", range(10)).put(None, [5])
    written.check(running, compacted=False)
    assert running.api.record("/customers", "C0000003").status == 200
    assert running.status()["records"]["type_changes"] == 0


@pytest.mark.timeout(400)
def test_policy_changed_while_running(topic, settings_of, service):
    """Asked every minute; not ready until the topic is read anew."""
    made = topic(partitions=2, cleanup_policy="delete", **NEVER_CLEANED)
    written = Written(made).put("customer", range(200)).put("bill", range(100, 300))
    running = service(settings_of(made)).wait_ready()
    written.check(running, compacted=False)
    for policy in ("compact,delete", "delete"):
        made.alter(cleanup_policy=policy)
        running.wait(lambda policy=policy: policy_of(running) == policy, policy, 90)
        # It is asked and then acted upon by one thread; both take a moment.
        running.wait(lambda policy=policy: running.ready() and
                     len(set(running.keys("/customers"))) == len(written.expected("/customers", "compact" in policy)),
                     "the topic to be read anew")
        written.check(running, compacted="compact" in policy)


def test_policy_changed_while_stopped(topic, settings_of, service):
    """A snapshot and a Redis of another policy are not gone on with."""
    made = topic(partitions=2, cleanup_policy="delete", delete_retention_ms=3_600_000, **NEVER_CLEANED)
    written = Written(made).put("customer", range(200)).put("bill", range(100, 300))
    for policy, resumes in (("delete", None), ("compact", False), ("compact", True), ("delete", False)):
        made.alter(cleanup_policy=policy)
        running = service(settings_of(made)).wait_ready()
        written.check(running, compacted=policy == "compact")
        if resumes is not None:
            assert was_resumed(running) == resumes, policy
        assert running.stop() == 0


def test_timestamps_from_the_future(topic, settings_of, service):
    """A year that no clock has yet counts as none, so that the later record of another partition is shown; within a
    partition the offset decides, whatever the timestamps say."""
    made = topic(partitions=2, message_timestamp_after_max_ms=2**63 - 1)
    now = int(time.time() * 1000)
    far, ahead = 32_503_680_000_000, now + 7_200_000
    made.put("moved", sample("customer", 1), partition=0, timestamp=far)
    made.put("moved", sample("customer", 2), partition=1, timestamp=now)
    made.put("kept", sample("customer", 3), partition=0, timestamp=far)
    made.put("kept", sample("customer", 4), partition=0, timestamp=now)
    made.put("ahead", sample("customer", 5), partition=1, timestamp=ahead)
    made.flush()
    running = service(settings_of(made)).wait_ready()
    for key, number in (("moved", 2), ("kept", 4), ("ahead", 5)):
        answer = running.api.record("/customers", key)
        assert answer.status == 200 and answer.json() == sample("customer", number), (key, answer)
        shown = email.utils.parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp()
        assert shown <= time.time() + 1, (key, answer.headers["Last-Modified"])
    assert running.status()["records"]["future_timestamps"] == 3
    assert any(name.startswith("push_cache_future_timestamps_total") and value == 3
               for name, value in running.metrics().items())
    assert re.search(r"/[01]@[0-3] has the timestamp \d+", running.logged())


def kept(running):
    """Whether the store keeps that everything was applied."""
    return all(part["kept"] == part["end"] for part in running.status()["kafka"]["partitions"])


class Asked:
    """Asks for keys that are there, over and over: none may be absent."""

    def __init__(self, running, keys):
        self.running = running
        self.api = running.client()
        self.keys = keys

    def until(self, condition, what, seconds=90):
        def look():
            for key in self.keys:
                status = self.api.record("/customers", key).status
                assert status in (200, 503), (key, status)
            return condition()
        self.running.wait(look, what, seconds)


@pytest.mark.timeout(240)
def test_a_store_with_schemas_beside_one_that_takes_all(topic, config, service, redis_server):
    """A process with a second store does not take its partitions' records out of the first one, nor those of others."""
    made, redis = topic(partitions=2, **COMPACTED), redis_server()
    for number in range(200):
        made.put(f"k{number}", sample("customer", number))
    made.flush()
    settings = config(made.name, cache=shared_store(redis))
    settings["kafka"]["properties"] = {"session.timeout.ms": "6000"}
    more = copy.deepcopy(settings)
    more["cache"]["stores"].append({**more["cache"]["stores"][0], "name": "more", "prefix": "more", "schemas": ["customer"]})
    more["cache"]["routes"].append({"path": "/more", "store": "more"})
    first = service(settings).wait_ready()
    first.wait(lambda: kept(first), "the positions to be kept")
    asked = Asked(first, [f"k{number}" for number in range(0, 200, 10)])
    second = service(more)
    # The first process fills no store that it does not know: the second one waits for what that reads.
    asked.until(lambda: any(part["owned"] for part in second.status()["kafka"]["partitions"]), "a partition to move")
    asked.until(lambda: len(redis.command("KEYS", "more:k*")) > 50, "the second store to be filled")
    asked.until(lambda: kept(first), "what moved to be loaded")
    assert len(redis.command("KEYS", "pc:k*")) == 200
    assert first.stop() == 0
    second.wait_ready()
    for number in range(200):
        for route in ("/customers", "/more"):
            assert second.api.record(route, f"k{number}").json() == sample("customer", number)


@pytest.mark.timeout(300)
def test_a_policy_that_another_member_meets_first(topic, config, service, redis_server):
    """The one that has not heard of it answers nothing wrong while the other one loads."""
    made, redis = topic(partitions=2, cleanup_policy="delete", **NEVER_CLEANED), redis_server()
    for number in range(200):
        made.put(f"k{number}", sample("customer", number))
    made.flush()
    settings = config(made.name, cache=shared_store(redis, schemas=["customer"]))
    settings["kafka"]["properties"] = {"session.timeout.ms": "6000"}
    first = service(settings).wait_ready()
    first.wait(lambda: kept(first), "the positions to be kept")
    made.alter(cleanup_policy="compact")
    second = service(settings)
    asked = Asked(first, [f"k{number}" for number in range(0, 200, 10)])

    def both():
        return first.ready() and second.ready() and all(
            topic["cleanup_policy"] == "compact" for one in (first, second) for topic in one.status()["kafka"]["topics"])
    asked.until(both, "both to be ready under the new policy", 200)
    for number in range(200):
        assert second.api.record("/customers", f"k{number}").json() == sample("customer", number)
