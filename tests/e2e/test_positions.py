"""Where a record came from and how far a replica is: headers of answers, lags and digests in /status."""
import email.utils
import time

import pytest

from e2e.checking import check_truth
from e2e.history import History, Writer, key_of, make_seed
from e2e.producing import CUSTOMER, customer
from services import wait_for


def test_answers_say_where_their_record_came_from(topic, config, service):
    made = topic(partitions=3)
    base = int(time.time() * 1000) - 7_200_000  # not so old that retention takes them
    for number in range(30):
        made.kafka.producer.produce(made.name, made.encode(customer(number), CUSTOMER), f"k{number % 20}",
                                    timestamp=base + number * 61_234, partition=number % 3)
    made.flush()
    last, times = {}, {}
    running = service(config(made.name)).wait_ready()
    for partition, offset, key, _ in made.read():
        last.setdefault(key.decode(), []).append((partition, offset))
    for number in range(30):
        times[(number % 3, number // 3)] = base + number * 61_234
    for number in range(10, 20):  # written once, so that there is no doubt which it is
        [(partition, offset)] = last[f"k{number}"]
        for answer in (running.api.record("/customers", f"k{number}"),
                       running.api.request("HEAD", f"/customers/k{number}")):
            assert answer.status == 200
            assert answer.headers["Push-Cache-Position"] == f"{made.name}/{partition}@{offset}"
            modified = email.utils.parsedate_to_datetime(answer.headers["Last-Modified"])
            assert answer.headers["Last-Modified"].endswith(" GMT")
            assert modified.timestamp() == times[(partition, offset)] // 1000
    assert "Push-Cache-Position" not in running.api.record("/customers", "absent").headers
    assert "Push-Cache-Position" not in running.api.get("/customers").headers


def test_position_of_a_304(topic, config, service):
    made = topic()
    made.put_all({"x": customer(1)})
    running = service(config(made.name)).wait_ready()
    tag = running.api.record("/customers", "x").headers["ETag"]
    answer = running.api.get("/customers/x", {"If-None-Match": tag})
    assert answer.status == 304
    assert answer.headers["Push-Cache-Position"] == f"{made.name}/0@0"


def test_position_headers_can_be_turned_off(topic, config, service):
    made = topic()
    made.put_all({"x": customer(1)})
    running = service(config(made.name, webservice={"position_headers": False})).wait_ready()
    answer = running.api.record("/customers", "x")
    assert answer.status == 200 and answer.json() == customer(1)
    assert "Push-Cache-Position" not in answer.headers and "Last-Modified" not in answer.headers


def digests(running):
    """partition -> (position, digest)"""
    return {part["partition"]: (part["digest"]["position"], part["digest"]["value"])
            for part in running.status()["kafka"]["partitions"]}


@pytest.mark.parametrize("compacted", [False, True])
def test_replicas_at_one_position_have_equal_digests(topic, config, service, compacted):
    """One read the records as they were written, the other later, when compaction had taken many out."""
    seed = make_seed()
    history = History()
    made = topic(partitions=3, **({"cleanup_policy": "compact", "segment_ms": 200, "min_cleanable_dirty_ratio": 0.001,
                                   "min_compaction_lag_ms": 0, "delete_retention_ms": 0} if compacted else {}))
    writer = Writer(made, history, seed, keys=1_000, tombstones=0.3)
    first = service(config(made.name)).wait_ready()
    writer.fill(changes=5_000)
    if compacted:
        def compact():
            for number in range(3):  # rolls the segments, when they are old enough
                writer.write(number)
            writer.flush()
            return len(made.read()) < 2_500
        wait_for(compact, 60, "the cleaner to compact", every=0.3)
    check_truth(first, made, seconds=30)
    second = service(config(made.name)).wait_ready()
    check_truth(second, made)
    ends = {number: made.watermarks(number)[1] for number in range(3)}
    for running in (first, second):
        running.wait(lambda running=running: {part: position for part, (position, _) in digests(running).items()} == ends,
                     "the digests to be of the end")
    assert digests(first) == digests(second)

    # A record that only one of them has not shows, from the next record on.
    assert first.api.request("DELETE", f"/customers/{sorted(history.last())[0]}").status == 200
    for number in range(997, 1_000):
        writer.write(number)
    writer.flush()
    ends = {number: made.watermarks(number)[1] for number in range(3)}
    for running in (first, second):
        running.wait(lambda running=running: {part: position for part, (position, _) in digests(running).items()} == ends,
                     "the digests to be of the end")
    assert sum(digests(first)[part] != digests(second)[part] for part in range(3)) == 1


def test_lag_is_said(topic, config, service):
    made = topic(partitions=2)
    made.put_all({key_of(number): customer(number) for number in range(100)})
    running = service(config(made.name)).wait_ready()
    running.wait(lambda: all(part["lag"] == 0 and 0 <= part["lag_seconds"] < 10
                             for part in running.status()["kafka"]["partitions"]), "no lag")
