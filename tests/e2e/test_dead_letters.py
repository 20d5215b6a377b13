"""kafka.on_bad_record: skip, stop, or a dead letter."""
import struct
import time

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from e2e.producing import CUSTOMER, Kafka, customer
from services import Network

TIME = int(time.time() * 1000) - 7_200_000  # not so old that retention takes the records


def put_bad(made, key, content, headers=(), partition=0, timestamp=TIME):
    made.kafka.producer.produce(made.name, content, key, partition=partition, headers=list(headers), timestamp=timestamp)


def letters_of(kafka, name, count):
    """The first `count` messages of a topic of one partition, as they are."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": f"letters-{name}",
                         "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
        found = []
        while len(found) < count:
            message = consumer.poll(30)
            assert message is not None and not message.error(), message
            found.append(message)
        assert consumer.poll(0.5) is None, "more dead letters than bad records"
        return found
    finally:
        consumer.close()


def part_of(running, partition=0):
    return next(part for part in running.status()["kafka"]["partitions"] if part["partition"] == partition)


def test_skip_is_the_default(topic, config, service):
    made = topic()
    made.put("a", customer(1))
    put_bad(made, "bad", b"garbage")
    made.put("b", customer(2))
    made.flush()
    for settings in (config(made.name), config(made.name, kafka={"on_bad_record": "skip"})):
        running = service(settings).wait_ready()
        running.check_all("/customers", {"a": customer(1), "b": customer(2)})
        assert part_of(running)["position"] == 3


def test_stop_holds_the_partition_at_the_bad_record(topic, config, service):
    """It says which record and why; the other partition goes on; nothing behind is served."""
    made = topic(partitions=2)
    made.put("a", customer(1), partition=0)
    put_bad(made, "bad", b"garbage")
    made.put("behind", customer(2), partition=0)
    made.put("other", customer(3), partition=1)
    made.flush()
    running = service(config(made.name, kafka={"on_bad_record": "stop"}, webservice={"serve_while_loading": True}))
    running.wait_record("/customers", "other", customer(3))
    running.wait_waiting(f"{made.name}/0.*bad record.*offset 1")
    assert part_of(running)["position"] == 1 and part_of(running, 1)["position"] == 1
    assert running.api.record("/customers", "behind").status == 503
    assert running.health.get("/live").status == 200
    made.put("other", customer(4), partition=1)
    made.flush()
    running.wait_record("/customers", "other", customer(4))
    assert not running.ready() and part_of(running)["position"] == 1


def test_stop_while_it_serves(topic, config, service):
    """Not ready any more, since that partition's values get older, and it says why; alive all the while. What is
    behind the record is served by who skips it."""
    made = topic()
    made.put_all({"a": customer(1)})
    running = service(config(made.name, kafka={"on_bad_record": "stop"})).wait_ready()
    put_bad(made, "bad", b"garbage")
    made.put("a", customer(2))
    made.flush()
    running.wait_waiting(f"{made.name}/0.*stopped at a bad record, offset 1")
    assert running.api.record("/customers", "a").status == 503
    assert running.health.get("/live").status == 200
    part = part_of(running)
    assert part["state"] == "stopped" and part["position"] == 1, part
    assert running.stop() == 0
    other = service(config(made.name)).wait_ready()
    assert other.api.record("/customers", "a").json() == customer(2)


def test_dead_letters_are_whole(kafka, topic, config, service):
    """Key, value, headers and where it came from; each bad record once, the good ones not."""
    made, dead = topic(partitions=2), topic()
    number = made.id_of(CUSTOMER)
    bad = {"magic": (b"\x01garbage", [("trace", b"\x00\xff"), ("empty", None)], "bad_magic"),
           "cut": (b"\x00\x00", [], "truncated"),
           "": (struct.pack(">bI", 0, number) + b"\xff" * 30, [], "undecodable")}
    made.put("a", customer(1), partition=0)
    for index, (key, (content, headers, _)) in enumerate(bad.items()):
        put_bad(made, key, content, headers, partition=0, timestamp=TIME + index)
    made.put(None, customer(9), partition=1)
    made.put("b", customer(2), partition=0)
    made.flush()
    settings = config(made.name, kafka={"on_bad_record": "dead_letter", "dead_letter_topic": dead.name})
    running = service(settings).wait_ready()
    running.check_all("/customers", {"a": customer(1), "b": customer(2)})
    found = {message.key(): message for message in letters_of(kafka, dead.name, 4)}
    for offset, (key, (content, headers, cause)) in enumerate(bad.items(), start=1):
        message = found[key.encode()]
        assert message.value() == content
        said = message.headers()
        assert said[:len(headers)] == headers
        more = dict(said[len(headers):])
        assert more["push-cache.error"]
        del more["push-cache.error"]
        assert more == {"push-cache.cause": cause.encode(), "push-cache.topic": made.name.encode(),
                        "push-cache.partition": b"0", "push-cache.offset": str(offset).encode(),
                        "push-cache.timestamp": str(TIME + offset - 1).encode()}
    assert dict(found[None].headers())["push-cache.cause"] == b"null_key"
    assert part_of(running)["position"] == 5 and part_of(running, 1)["position"] == 1


@pytest.mark.timeout(240)
def test_dead_letter_topic_that_comes_late(own_cluster, registry, name, config, service):
    """Until it is there the position stays before the bad record, and that is said; nothing is lost then."""
    cluster = own_cluster(config={"auto.create.topics.enable": "false"}).start()
    kafka = Kafka(cluster.bootstrap(), registry)
    made, dead = kafka.create(name), f"{name}-dead"
    made.put("a", customer(1))
    put_bad(made, "bad", b"garbage")
    made.put("b", customer(2))
    made.flush()
    settings = config(made.name, kafka={"on_bad_record": "dead_letter", "dead_letter_topic": dead})
    settings["kafka"]["brokers"] = cluster.bootstrap()
    running = service(settings)
    running.wait_waiting(dead, seconds=90)
    assert part_of(running)["position"] == 1
    assert not kafka.exists(dead)
    kafka.create(dead)
    running.wait_ready(90)
    running.check_all("/customers", {"a": customer(1), "b": customer(2)})
    assert part_of(running)["position"] == 3
    assert [message.value() for message in letters_of(kafka, dead, 1)] == [b"garbage"]


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_dead_letters_survive_kills_and_cuts(own_cluster, registry, name, config, service):
    """Killed (-9) and cut off while it writes many of them: at the end each bad record has its letter, at least once."""
    cluster = own_cluster(proxied=True).start()
    kafka = Kafka(cluster.bootstrap(), registry)
    made, dead = kafka.create(name, 2), kafka.create(f"{name}-dead")
    for number in range(4_000):
        if number % 2:
            put_bad(made, f"bad-{number}", b"garbage", partition=number // 2 % 2)
        else:
            made.put(f"good-{number}", customer(number), partition=number // 2 % 2)
    made.flush()
    settings = config(name, kafka={"on_bad_record": "dead_letter", "dead_letter_topic": dead.name})
    settings["kafka"]["brokers"] = cluster.bootstrap("PROXIED")
    cluster.set_network(Network(rate=200_000))
    for _ in range(3):
        running = service(settings)
        running.wait(lambda: dead.watermarks()[1] > 0, "letters")
        cluster.cut_connections()
        running.kill()
    cluster.set_network(Network())
    running = service(settings).wait_ready(90)
    assert {key.decode() for _, _, key, _ in dead.read()} == {f"bad-{number}" for number in range(1, 4_000, 2)}
    running.check_all("/customers", {f"good-{number}": customer(number) for number in range(0, 4_000, 2)})
