"""When is everything that was in the topic in the cache? Ends of topics that are not what they seem."""
import pytest

from e2e.producing import Kafka, customer
from e2e.pushcache import slow
from services import wait_for


def test_topic_ends_in_commit_and_abort_markers(kafka, topic, config, service):
    """The last offsets hold no record, and the aborted ones must not show."""
    made = topic(partitions=2)
    producer = kafka.new_producer(**{"transactional.id": made.name})
    producer.init_transactions(60)
    expected = {}
    for partition in (0, 1):
        for number in range(20):
            key = f"p{partition}-{number}"
            expected[key] = customer(number)
            producer.begin_transaction()
            made.put(key, expected[key], partition=partition, producer=producer)
            producer.commit_transaction(60)
    # Partition 0 ends in an aborted transaction: of new keys, of a change and of a tombstone.
    producer.begin_transaction()
    made.put("aborted", customer(99), partition=0, producer=producer)
    made.put("p0-1", customer(99), partition=0, producer=producer)
    made.put("p0-2", None, partition=0, producer=producer)
    producer.flush(60)
    producer.abort_transaction(60)
    running = service(config(made.name)).wait_ready()
    running.check_all("/customers", expected)

    # And while running.
    producer.begin_transaction()
    made.put("p1-1", customer(98), partition=1, producer=producer)
    producer.flush(60)
    producer.abort_transaction(60)
    producer.begin_transaction()
    made.put("p1-2", customer(97), partition=1, producer=producer)
    producer.commit_transaction(60)
    running.wait_record("/customers", "p1-2", customer(97))
    assert running.api.record("/customers", "p1-1").json() == expected["p1-1"]
    assert running.ready()


def test_open_transaction_does_not_hold_the_load(kafka, topic, config, service):
    """What is not committed when it starts was not "in the topic": ready, without it; then with it."""
    made = topic()
    made.put_all({"x": customer(1)})
    producer = kafka.new_producer(**{"transactional.id": made.name})
    producer.init_transactions(60)
    producer.begin_transaction()
    made.put("x", customer(2), producer=producer)
    producer.flush(60)
    running = service(config(made.name)).wait_ready()
    assert running.api.record("/customers", "x").json() == customer(1)
    producer.commit_transaction(60)
    running.wait_record("/customers", "x", customer(2))


def test_compaction_left_holes_up_to_the_end(kafka, topic, config, service):
    """Compacted: offsets are missing in the middle, and the last one is the marker of an aborted transaction."""
    made = topic(cleanup_policy="compact", segment_ms=200, min_cleanable_dirty_ratio=0.001,
                 min_compaction_lag_ms=0, delete_retention_ms=0)
    producer = kafka.new_producer(**{"transactional.id": made.name})
    producer.init_transactions(60)
    for round_ in range(5):
        made.put_all({f"k{number}": customer(number, name=f"round {round_}") for number in range(50)})
    made.put_all({f"k{number}": None for number in range(0, 50, 2)})
    expected = {f"k{number}": customer(number, name="round 4") for number in range(1, 50, 2)}

    def append_aborted():
        # Rolls the segment, when it is old enough, and leaves the marker at the end of a new one.
        producer.begin_transaction()
        made.put("aborted", customer(1), producer=producer)
        producer.flush(60)
        producer.abort_transaction(60)

    def compacted():
        append_aborted()
        return len(made.read()) <= len(expected)
    wait_for(compacted, 60, "the cleaner to compact", every=0.3)
    append_aborted()
    offsets = [offset for _, offset, _, _ in made.read()]
    low, high = made.watermarks()
    assert high - low > 2 * len(offsets) and offsets[-1] < high - 1, (low, high, offsets)
    running = service(config(made.name)).wait_ready()
    running.check_all("/customers", expected)


def test_empty_topic_and_empty_partitions(topic, config, service):
    empty, sparse = topic(partitions=3), topic(partitions=8)
    sparse.put("only", customer(1), partition=5)
    sparse.flush()
    running = service(config([empty.name, sparse.name])).wait_ready()
    running.check_all("/customers", {"only": customer(1)})
    empty.put("later", customer(2), partition=2)
    empty.flush()
    running.wait_record("/customers", "later", customer(2))


def test_log_start_beyond_zero(topic, config, service):
    """Deleted in part, and deleted whole: the end is beyond 0, but nothing is there."""
    part, whole = topic(), topic()
    for made in (part, whole):
        made.put_all({f"k{number}": customer(number) for number in range(100)})
    part.delete_records(0, 60)
    whole.delete_records(0, -1)
    assert whole.watermarks() == (100, 100)
    running = service(config(part.name)).wait_ready()
    running.check_all("/customers", {f"k{number}": customer(number) for number in range(60, 100)})
    running = service(config(whole.name)).wait_ready()
    running.check_all("/customers", {})
    whole.put_all({"new": customer(1)})
    running.wait_record("/customers", "new", customer(1))


def test_partition_added_while_running(topic, config, service):
    made = topic(partitions=1)
    made.put_all({"old": customer(1)})
    running = service(config(made.name)).wait_ready()
    made.add_partitions(3)
    made.put("new", customer(2), partition=2)
    made.flush()
    running.wait_record("/customers", "new", customer(2), seconds=120)
    running.wait_record("/customers", "old", customer(1))
    assert len(running.status()["kafka"]["partitions"]) == 3
    assert running.ready()


def test_topic_created_after_the_service(kafka, name, config, service):
    """It waits, is not ready, and does not create the topic itself."""
    running = service(config(name, startup_checks={"enabled": False}))
    running.wait_waiting(name)
    assert running.api.get("/customers").status == 503
    assert not kafka.exists(name)
    made = kafka.create(name, partitions=3)
    made.put_all({f"k{number}": customer(number) for number in range(30)})
    running.wait(lambda: running.ready() and len(running.keys("/customers")) == 30, "the records", seconds=120)
    running.check_all("/customers", {f"k{number}": customer(number) for number in range(30)})


def test_topic_deleted_and_made_again(kafka, topic, config, service):
    """Offsets go back to 0: what is served in the end is what the new topic holds."""
    made = topic(partitions=2)
    made.put_all({f"old-{number}": customer(number) for number in range(200)})
    running = service(config(made.name)).wait_ready()
    made.delete()
    again = kafka.create(made.name, 2)
    expected = {f"new-{number}": customer(number) for number in range(20)}
    again.put_all(expected)

    def right():
        answer = running.api.get("/customers")
        return answer.status == 200 and answer.json() == sorted(expected)
    running.wait(right, "the records of the new topic alone", seconds=120)
    running.check_all("/customers", expected)
    assert running.ready()


@pytest.mark.timeout(240)
def test_leader_moves_during_the_load(own_cluster, registry, name, config, service):
    """3 brokers; the leader of half the data is killed while a replica loads it."""
    cluster = own_cluster(nodes=3).start()
    kafka = Kafka(cluster.bootstrap(), registry)
    made = kafka.create(name, partitions=4)
    expected = {f"k{number:06}": customer(number) for number in range(60_000)}
    made.put_all(expected)
    settings = config(name)
    settings["kafka"]["brokers"] = cluster.bootstrap()
    running = service(slow(settings))
    running.wait(lambda: running.status()["load"]["records_total"] > 0, "the load to begin")
    leader = kafka.admin.list_topics(timeout=30).topics[name].partitions[0].leader
    cluster.kill([leader])
    running.wait_ready(120)
    assert running.keys("/customers") == sorted(expected)
    for key in sorted(expected)[::997]:
        assert running.api.record("/customers", key).json() == expected[key]
