"""Records of different topics are different records, whatever keys they share: in every kind of store."""
import collections
import json
import threading
import time

import pytest

from e2e.producing import BILL, CUSTOMER, TICKET, customer, sample
from e2e.pushcache import run, write_config

NOW = int(time.time() * 1000) - 600_000  # a timestamp, in ms: not so old that retention takes it


@pytest.fixture(params=["memory", "redis"])
def store(request, redis_server):
    """Makes stores of one kind: store("name", schemas=[...]), each with a part of the keys of its own."""
    server = redis_server() if request.param == "redis" else None

    def make(name, **more):
        if server is None:
            return {"name": name, "type": "in_memory", **more}
        return {"name": name, "prefix": name, "timeout": "5s", **server.store(), **more}
    make.kind = request.param
    return make


def cache_of(stores, **routes):
    """`routes`: path -> the store's name, or a dict of the route's keys."""
    rows = [{"path": f"/{path}", **({"store": at} if isinstance(at, str) else at)} for path, at in routes.items()]
    return {"stores": stores, "routes": rows}


def expect(running, route, key, record, position=None):
    running.wait_record(route, key, record)
    if position is not None:
        assert running.api.record(route, key).headers["Push-Cache-Position"] == position


def digests(running):
    """(topic, partition) -> digest, once it is that of all there is."""
    def partitions():
        status = running.status()
        return [part for feed in ("kafka", "kafka_group") for part in (status[feed] or {"partitions": []})["partitions"]]
    if running.status()["kafka"]["group"] is None:
        running.wait(lambda: all(part["digest"]["position"] == part["end"] for part in partitions()), "digests")
    return {(part["topic"], part["partition"]): part["digest"] for part in partitions()}


@pytest.fixture
def by_schema(topic, config, store):
    """Topics of customers and bills, and a store for each schema that takes both topics."""
    customers, bills = topic(), topic()
    stores = [store("customers", schemas=["customer"]), store("bills", schemas=["bill"])]
    settings = config([customers.name, bills.name],
                      cache=cache_of(stores, customers="customers", bills="bills"))
    return customers, bills, settings


def test_a_tombstone_of_one_topic_removes_no_record_of_another(by_schema, service, tmp_path):
    customers, bills, settings = by_schema
    bill = sample("bill", 1)
    customers.put_all({"ACC-1": customer(1), "ACC-2": customer(2)})
    bills.put_all({"ACC-1": bill, "ACC-2": bill}, BILL)
    running = service(settings).wait_ready()
    expect(running, "/bills", "ACC-1", bill)
    bills.put_all({"ACC-1": None, "ACC-3": None})
    expect(running, "/bills", "ACC-1", None)
    expect(running, "/customers", "ACC-1", customer(1), f"{customers.name}/0@0")
    assert sorted(running.keys("/customers")) == ["ACC-1", "ACC-2"]
    assert running.keys("/bills") == ["ACC-2"]
    # The order in which a start meets the topics changes nothing.
    assert running.stop() == 0
    again = service(settings).wait_ready()
    expect(again, "/bills", "ACC-1", None)
    expect(again, "/customers", "ACC-1", customer(1))
    found = run("verify", "--config", write_config(tmp_path, settings), "--url", again.addresses()["api"])
    assert found.returncode == 0, found.stdout + found.stderr
    assert digests(again) == digests(service(settings).wait_ready())


def test_a_tombstone_by_the_tutorials_commands(by_schema, service, tmp_path):
    """populate_kafka writes one type's keys as tombstones; another type's records of the same keys stay."""
    customers, bills, settings = by_schema
    path = write_config(tmp_path, settings)

    def populate(kind, made, *more):
        done = run("-c", path, "-m", kind, "-t", made.name, "-n", "3", *more, program="populate_kafka")
        assert done.returncode == 0, done.stderr
    populate("customer", customers)
    populate("bill", bills)
    running = service(settings).wait_ready()
    keys = sorted(running.keys("/customers"))
    assert sorted(running.keys("/bills")) == keys and len(keys) == 3
    populate("bill", bills, "--tombstone")
    running.wait(lambda: running.keys("/bills") == [], "the bills to be gone")
    assert sorted(running.keys("/customers")) == keys
    for key in keys:
        assert running.api.record("/customers", key).status == 200


def test_who_may_write_to_one_topic_overwrites_no_record_of_another(topic, config, service, store):
    """A Customer's schema id in the topic of tickets: the store that takes customers' topic alone has none of it."""
    customers, tickets = topic(), topic()
    stores = [store("customers", topics=[customers.name]), store("tickets", topics=[tickets.name])]
    settings = config([customers.name, tickets.name],
                      cache=cache_of(stores, customers="customers", tickets="tickets"))
    customers.put_all({"c1": customer(1)})
    tickets.put_all({"t1": sample("ticket", 1)}, TICKET)
    running = service(settings).wait_ready()
    tickets.put_raw("c1", customers.encode(customer(666), CUSTOMER))
    tickets.put_all({"t2": sample("ticket", 2), "c2": None}, TICKET)
    expect(running, "/tickets", "t2", sample("ticket", 2))
    expect(running, "/customers", "c1", customer(1))
    assert running.keys("/customers") == ["c1"]
    tickets.put_all({"c1": None})
    tickets.put_all({"t3": sample("ticket", 3)}, TICKET)
    expect(running, "/tickets", "t3", sample("ticket", 3))
    expect(running, "/customers", "c1", customer(1))


@pytest.fixture
def shared_keys(topic, config, store):
    """Two topics that share keys, and one store of both."""
    first, second = topic(partitions=2), topic(partitions=2)
    settings = config([first.name, second.name], cache=cache_of([store("both")], both="both"))
    return first, second, settings


def test_a_route_over_several_topics_shows_the_latest_record(shared_keys, service):
    first, second, settings = shared_keys
    cases = {"later-first": (20, 10), "later-second": (10, 20), "equal": (20, 20)}
    for key, (one, other) in cases.items():
        first.put(key, customer(1, name=key), partition=0, timestamp=NOW + one)
        second.put(key, customer(2, name=key), partition=1, timestamp=NOW + other)
    first.flush()
    running = service(settings).wait_ready()
    assert "takes all 2 topics" in running.logged()

    def check(one):
        expect(one, "/both", "later-first", customer(1, name="later-first"), f"{first.name}/0@0")
        expect(one, "/both", "later-second", customer(2, name="later-second"), f"{second.name}/1@1")
        expect(one, "/both", "equal", customer(2, name="equal"), f"{second.name}/1@2")
        assert sorted(one.keys("/both")) == sorted(cases)
    check(running)
    # In another order of arrival: the first topic's again, older than the second's.
    for key, (one, _) in cases.items():
        first.put(key, customer(1, name=key), partition=0, timestamp=NOW + one)
    first.flush()
    first.put("behind", customer(3), partition=0)
    first.flush()
    expect(running, "/both", "behind", customer(3))
    expect(running, "/both", "equal", customer(2, name="equal"), f"{second.name}/1@2")
    expect(running, "/both", "later-first", customer(1, name="later-first"), f"{first.name}/0@3")
    # What is hidden comes to light with a tombstone, and not before.
    second.put("equal", None, partition=1, timestamp=NOW)
    second.put("later-second", None, partition=1)
    second.flush()
    expect(running, "/both", "equal", customer(1, name="equal"), f"{first.name}/0@5")
    expect(running, "/both", "later-second", customer(1, name="later-second"))
    first.put("equal", None, partition=0)
    first.flush()
    expect(running, "/both", "equal", None)
    fresh = service(settings).wait_ready()
    for key in cases:
        assert fresh.api.record("/both", key).status == running.api.record("/both", key).status
        assert fresh.api.record("/both", key).body == running.api.record("/both", key).body


def test_starts_over_topics_that_share_keys_are_all_alike(shared_keys, service, tmp_path):
    """0.1 gave 3000, 3000, 2900, 2900, 3000 and 3000 records over the same data, and other digests."""
    first, second, settings = shared_keys
    for number in range(2000):
        first.put(f"k{number}", customer(number), timestamp=NOW + number % 7)
    for number in range(1000, 3000):
        second.put(f"k{number}", customer(number, name="second"), timestamp=NOW + number % 5)
    for number in range(1000, 1100):
        second.put(f"k{number}", None)
        first.put(f"k{number + 500}", None)
    first.flush()
    second.flush()
    seen = set()
    for _ in range(4):
        running = service(settings).wait_ready()
        keys = sorted(set(running.keys("/both")))
        assert len(keys) == 3000
        bodies = [running.api.record("/both", key).body for key in keys[::7]]
        seen.add(json.dumps([keys, [body.decode() for body in bodies],
                             sorted((str(at), one) for at, one in digests(running).items())]))
        assert running.stop() == 0
    assert len(seen) == 1


def test_a_local_write_is_a_record_of_the_routes_topic(topic, config, service, store):
    first, second = topic(), topic()
    stores = [store("both")]
    settings = config([first.name, second.name],
                      cache=cache_of(stores, second={"store": "both", "topic": second.name,
                                                     "key_from_body": "accountId"},
                                     both={"store": "both", "key_from_body": "accountId"}))
    first.put("C0000001", customer(1), timestamp=NOW)
    second.put("C0000002", customer(2), timestamp=NOW)
    first.flush()
    running = service(settings).wait_ready()
    # A route that names its topic removes no other topic's record.
    refused = running.api.request("DELETE", "/second/C0000001")
    assert refused.status == 409, refused
    assert running.api.request("POST", "/second", customer(1)).status == 409
    expect(running, "/both", "C0000001", customer(1))
    assert running.api.request("DELETE", "/second/C0000002").json() == customer(2)
    assert running.api.request("POST", "/second", customer(2, name="by HTTP")).status == 201
    # It is of the second topic: a tombstone of the first one leaves it, one of the second removes it.
    first.put("C0000002", None)
    first.put("behind", customer(3))
    first.flush()
    expect(running, "/both", "behind", customer(3))
    expect(running, "/both", "C0000002", customer(2, name="by HTTP"))
    # Its time is its timestamp: an older record of the other topic stays hidden.
    first.put("C0000002", customer(2, name="older"), timestamp=NOW)
    first.put("behind", customer(4))
    first.flush()
    expect(running, "/both", "behind", customer(4))
    expect(running, "/both", "C0000002", customer(2, name="by HTTP"))
    second.put("C0000002", None)
    second.flush()
    expect(running, "/both", "C0000002", customer(2, name="older"))
    # A route that names none removes what it shows.
    assert running.api.request("DELETE", "/both/C0000001").json() == customer(1)
    expect(running, "/both", "C0000001", None)


def test_a_snapshot_keeps_what_is_hidden(topic, config, service, tmp_path):
    first, second = topic(), topic()
    settings = config([first.name, second.name], snapshot={"dir": str(tmp_path / "snapshots"), "interval": "1h"},
                      cache=cache_of([{"name": "both", "type": "in_memory"}], both="both"))
    first.put("k", customer(1), timestamp=NOW)
    second.put("k", customer(2), timestamp=NOW + 1)
    first.flush()
    running = service(settings).wait_ready()
    expect(running, "/both", "k", customer(2))
    before = digests(running)
    assert running.stop() == 0
    again = service(settings).wait_ready()
    assert again.status()["snapshot"]["loaded"]["records"] == 2
    assert again.status()["stores"][0]["hidden"] == 1
    assert digests(again) == before
    expect(again, "/both", "k", customer(2))
    second.put_all({"k": None})
    expect(again, "/both", "k", customer(1))


def test_a_key_that_comes_and_goes_is_never_something_else(topic, config, service, redis_server):
    """In Redis a key is a string and a hash in turns: a look-up between two writes may meet both."""
    made, other = topic(), topic()
    server = redis_server()
    store = {"name": "both", "prefix": "both", "timeout": "5s", **server.store()}
    made.put_all({"k": customer(1)})
    running = service(config([made.name, other.name], cache=cache_of([store], both="both"))).wait_ready()
    stop = threading.Event()
    seen = collections.Counter()

    def read():
        client = running.client()
        while not stop.is_set():
            seen[client.record("/both", "k").status] += 1
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1000):
        made.put("k", None if number % 2 else customer(number))
        made.kafka.producer.flush(60)
    stop.set()
    for reader in readers:
        reader.join()
    assert set(seen) <= {200, 404}, seen
