"""Records whose schema is not known: set aside one by one, and nothing else waits for them."""
import struct
import time

import pytest

from e2e.producing import BILL, CUSTOMER, customer, datum, framed, sample
from e2e.pushcache import shared_store
KNOWN, LATE, NEVER = 7, 8, 9  # ids of the stub
COMPACT = {"cleanup_policy": "compact"}


@pytest.fixture
def stub(registry_stub):
    registry_stub.add(KNOWN, CUSTOMER)
    return registry_stub


@pytest.fixture
def settings(config, stub):
    """With one store, and a short wait where a test asks for it: settings(topic, wait="2s")."""
    def make(topics, wait="15m", policy="skip", schemas=("customer",), **sections):
        made = config(topics, **sections)
        made["kafka"]["schema_registry_url"] = stub.url
        made["kafka"]["unknown_schema_wait"] = wait
        made["kafka"]["on_bad_record"] = policy
        if "cache" not in sections:
            made["cache"] = {"stores": [{"name": "s", "type": "in_memory", "schemas": list(schemas)}],
                             "routes": [{"path": "/customers", "store": "s"}]}
        return made
    return make


def good(number, schema_id=KNOWN):
    return framed(schema_id, datum(CUSTOMER, customer(number)))


def code(running, key, route="/customers"):
    """(status, code of the error's body)."""
    answer = running.api.record(route, key)
    return answer.status, answer.json().get("code") if answer.status >= 400 else None


def wait_code(running, key, expected, route="/customers"):
    running.wait(lambda: code(running, key, route) == expected, f"{key} to be answered by {expected}")


def set_aside(running):
    return running.status()["set_aside"]


UNKNOWN = (503, "schema_unknown")


@pytest.mark.parametrize("value", [
    bytes.fromhex("0002760a") + b"\x0ahello",       # plain bytes that begin with 0
    framed(LATE, b""),
    framed(LATE, datum(CUSTOMER, customer(1))),
    struct.pack(">bq", 0, 1 << 40) + b"\x0ahello",  # an id of 8 bytes
], ids=["plain bytes", "no datum", "late", "8 bytes"])
def test_value_of_unknown_schema_holds_nothing_back(topic, settings, service, value):
    """Before ready and after it: the records behind it are served, and it is told everywhere."""
    made = topic(**COMPACT)
    made.put_raw("first", good(1))
    made.put_raw("x", value)
    made.put_raw("behind", good(2))
    made.flush()
    running = service(settings(made.name)).wait_ready()
    running.wait_record("/customers", "behind", customer(2))
    assert code(running, "x") == UNKNOWN
    assert code(running, "absent") == (404, "not_found")
    assert running.keys("/customers") == ["behind", "first"]
    made.put_raw("first", value)
    made.put_raw("after", good(3))
    made.flush()
    running.wait_record("/customers", "after", customer(3))
    assert code(running, "first") == UNKNOWN, "the old value is not its last one"
    assert running.keys("/customers") == ["after", "behind", "first"], "the store has the key"
    told = set_aside(running)
    assert told["records"] == 2 and told["records_max"] == 10_000 and told["bytes"] > 0
    expected_id = struct.unpack(">i", value[1:5])[0]
    assert [(one["topic"], one["partition"], one["offset"], one["key"], one["schema_of"], one["schema_id"])
            for one in told["first"]] == [(made.name, 0, 1, "x", "value", expected_id),
                                          (made.name, 0, 3, "first", "value", expected_id)]
    assert running.metrics()["push_cache_set_aside_records"] == 2
    assert "is set aside" in running.logged() and str(expected_id) in running.logged()
    assert running.status()["kafka"]["partitions"][0]["digest"] is None, "others may have them"
    assert running.ready()


def test_the_schema_comes(topic, settings, service, stub):
    made = topic(**COMPACT)
    made.put_raw("x", good(1))
    made.put_raw("x", good(2, LATE))
    made.put_raw("y", good(3, LATE))
    made.flush()
    running = service(settings(made.name)).wait_ready()
    assert code(running, "x") == code(running, "y") == UNKNOWN
    stub.add(LATE, CUSTOMER)
    running.wait_record("/customers", "x", customer(2))
    running.wait_record("/customers", "y", customer(3))
    assert set_aside(running)["records"] == 0
    running.wait(lambda: running.status()["kafka"]["partitions"][0]["digest"], "a digest again")


def test_a_schema_that_comes_changes_nothing_that_is_later(topic, settings, service, stub):
    made = topic(**COMPACT)
    made.put_raw("later", good(1, LATE))
    made.put_raw("gone", good(2, LATE))
    made.put_raw("later", good(3))
    made.put_raw("gone", None)
    made.put_raw("last", good(4, LATE))
    made.flush()
    running = service(settings(made.name)).wait_ready()
    running.wait_record("/customers", "later", customer(3))
    assert code(running, "gone") == (404, "not_found")
    assert set_aside(running)["records"] == 1
    stub.add(LATE, CUSTOMER)
    running.wait_record("/customers", "last", customer(4))
    running.check_all("/customers", {"later": customer(3), "last": customer(4)})


def test_a_record_of_another_topic_is_shown_when_it_is_later(topic, settings, service):
    one, two = topic(**COMPACT), topic(**COMPACT)
    one.put_raw("older", good(1, NEVER), timestamp=1_700_000_000_000)
    two.put_raw("older", good(2), timestamp=1_700_000_001_000)
    one.put_raw("newer", good(3, NEVER), timestamp=1_700_000_002_000)
    two.put_raw("newer", good(4), timestamp=1_700_000_001_000)
    for made in (one, two):
        made.flush()
    running = service(settings([one.name, two.name])).wait_ready()
    running.wait_record("/customers", "older", customer(2))
    assert code(running, "newer") == UNKNOWN
    two.put_raw("older", None)
    two.flush()
    wait_code(running, "older", UNKNOWN)
    two.put_raw("newer", good(5), timestamp=1_700_000_003_000)
    two.flush()
    running.wait_record("/customers", "newer", customer(5))


def test_in_a_topic_of_several_types_each_store_has_its_own_last_record(topic, config, settings, service, stub):
    """Not compacted: the later record of another type does not replace the one that was set aside."""
    stub.add(LATE, BILL)
    made = topic()
    made.put_raw("k", framed(NEVER, datum(BILL, sample("bill", 1))))
    made.put_raw("k", good(2))
    made.flush()
    cache = {"stores": [{"name": "c", "type": "in_memory", "schemas": ["customer"]},
                        {"name": "b", "type": "in_memory", "schemas": ["bill"]}],
             "routes": [{"path": "/customers", "store": "c"}, {"path": "/bills", "store": "b"}]}
    running = service(settings(made.name, cache=cache)).wait_ready()
    running.wait_record("/customers", "k", customer(2))
    assert code(running, "k", "/bills") == UNKNOWN
    stub.add(NEVER, BILL)
    running.wait_record("/bills", "k", sample("bill", 1))
    running.wait_record("/customers", "k", customer(2))


@pytest.mark.parametrize("ends", ["the schema comes", "not found"])
def test_snapshot_keeps_what_is_set_aside(topic, settings, service, stub, tmp_path, ends):
    made = topic(**COMPACT)
    made.put_raw("x", good(1))
    made.put_raw("x", good(2, LATE))
    made.put_raw("fresh", good(3, LATE))
    made.put_raw("bad", b"{}")
    made.flush()
    (tmp_path / "snapshots").mkdir()
    made_settings = settings(made.name, snapshot={"dir": str(tmp_path / "snapshots"), "interval": "1h"})
    first = service(made_settings).wait_ready()
    first.stop()
    if ends == "not found":
        made_settings["kafka"]["unknown_schema_wait"] = "1s"
    running = service(made_settings).wait_ready()
    assert running.status()["snapshot"]["loaded"]["records"] == 1
    assert running.status()["load"]["records_total"] < 4, "the topic was not read again"
    assert code(running, "bad") == (500, "bad_record")
    if ends == "not found":
        wait_code(running, "fresh", (500, "bad_record"))
        running.wait_record("/customers", "x", customer(1))
        return
    assert code(running, "x") == code(running, "fresh") == UNKNOWN
    made.put_raw("fresh", None)
    made.flush()
    wait_code(running, "fresh", (404, "not_found"))
    stub.add(LATE, CUSTOMER)
    running.wait_record("/customers", "x", customer(2))


def test_a_restart_without_a_snapshot_sets_aside_again(topic, settings, service, stub):
    made = topic(**COMPACT)
    made.put_raw("x", good(1, LATE))
    made.flush()
    first = service(settings(made.name)).wait_ready()
    assert code(first, "x") == UNKNOWN
    first.kill()
    second = service(settings(made.name)).wait_ready()
    assert code(second, "x") == UNKNOWN
    stub.add(LATE, CUSTOMER)
    second.wait_record("/customers", "x", customer(1))


def test_beyond_the_bound_the_partition_waits(topic, settings, service, stub):
    """10,000 records are set aside; then their partition waits, and goes on when there is room again."""
    made = topic(partitions=2, **COMPACT)
    for number in range(10_001):
        made.put_raw(f"k{number}", good(number, LATE), partition=0)
    made.put_raw("behind", good(1), partition=0)
    made.put_raw("other", good(2), partition=1)
    made.flush()
    running = service(settings(made.name, webservice={"serve_while_loading": True}))
    running.wait(lambda: set_aside(running)["records"] == 10_000, "10,000 to be set aside")
    running.wait_waiting("and it cannot be set aside")
    running.wait_record("/customers", "other", customer(2))
    assert code(running, "k0")[0] == 503
    stub.add(LATE, CUSTOMER)
    running.wait_ready()
    running.wait_record("/customers", "behind", customer(1))
    running.wait_record("/customers", "k10000", customer(10_000))
    running.wait(lambda: set_aside(running)["records"] == 0, "all to be applied")
    assert len(running.keys("/customers")) == 10_003


def test_large_records_are_bounded_by_their_bytes(topic, settings, service, stub):
    made = topic(**COMPACT)
    big = datum(CUSTOMER, customer(1, name="x" * 900_000))
    for number in range(80):
        made.put_raw(f"k{number}", framed(LATE, big))
    made.flush()
    running = service(settings(made.name))
    running.wait_waiting("and it cannot be set aside")
    told = set_aside(running)
    assert 60 <= told["records"] <= 75 and told["bytes"] <= told["bytes_max"] == 64 * 1024 * 1024
    stub.add(LATE, CUSTOMER)
    running.wait_ready()
    running.wait(lambda: len(running.keys("/customers")) == 80, "all to be applied")


@pytest.mark.parametrize("policy", ["skip", "stop", "dead_letter"])
def test_when_the_wait_ends_the_policy_for_bad_records_applies(topic, settings, service, stub, policy):
    made, letters = topic(**COMPACT), topic()
    made.put_raw("x", good(1))
    made.put_raw("x", good(2, LATE))
    made.put_raw("alone", good(3, LATE))
    made.put_raw("behind", good(4))
    made.flush()
    made_settings = settings(made.name, wait="2s", policy=policy)
    if policy == "dead_letter":
        made_settings["kafka"]["dead_letter_topic"] = letters.name
    running = service(made_settings)
    if policy == "stop":
        running.wait_waiting("stopped at a bad record")
        stub.add(LATE, CUSTOMER)  # a stopped partition goes on when its record is good
        running.wait_ready()
        running.check_all("/customers", {"x": customer(2), "alone": customer(3), "behind": customer(4)})
        return
    running.wait_ready()
    wait_code(running, "alone", (500, "bad_record"))
    running.wait_record("/customers", "x", customer(1))  # the last good one
    running.wait(lambda: set_aside(running)["records"] == 0, "none to be set aside")
    assert running.status()["records"]["bad"]["schema_not_found"] == 2
    running.wait(lambda: running.status()["kafka"]["partitions"][0]["digest"], "a digest: all replicas have given up")
    if policy == "dead_letter":
        found = letters.read()
        assert [(key, value) for _, _, key, value in found] == [(b"x", good(2, LATE)), (b"alone", good(3, LATE))]
    # One that comes now is bad at once.
    made.put_raw("next", good(5, LATE))
    made.put_raw("alone", good(6))
    made.put_raw("gone", good(7, LATE))
    made.put_raw("gone", None)
    made.flush()
    wait_code(running, "next", (500, "bad_record"))
    running.wait_record("/customers", "alone", customer(6))
    # The schema comes all the same: a process that starts now would have its records.
    stub.add(LATE, CUSTOMER)
    running.wait_record("/customers", "next", customer(5))
    running.wait_record("/customers", "x", customer(2))
    running.check_all("/customers", {"x": customer(2), "alone": customer(6), "behind": customer(4), "next": customer(5)})
    assert set_aside(running)["given_up"] == 0


def test_a_snapshot_keeps_what_was_given_up(topic, settings, service, stub, tmp_path):
    """The schema comes after the wait has ended, while nobody runs."""
    made = topic(**COMPACT)
    made.put_raw("x", good(1, LATE))
    made.put_raw("kept", good(2))
    made.put_raw("kept", good(3, LATE))
    made.flush()
    (tmp_path / "snapshots").mkdir()
    made_settings = settings(made.name, wait="1s", snapshot={"dir": str(tmp_path / "snapshots"), "interval": "1h"})
    first = service(made_settings).wait_ready()
    wait_code(first, "x", (500, "bad_record"))
    first.stop()
    stub.add(LATE, CUSTOMER)
    running = service(made_settings).wait_ready()
    assert running.status()["snapshot"]["loaded"]["records"] == 1
    running.wait_record("/customers", "x", customer(1))
    running.wait_record("/customers", "kept", customer(3))


def test_a_wait_of_0_is_for_ever(topic, settings, service, stub):
    made = topic(**COMPACT)
    made.put_raw("x", good(1, LATE))
    made.flush()
    running = service(settings(made.name, wait=0)).wait_ready()
    asked = stub.asked_for(LATE)
    running.wait(lambda: stub.asked_for(LATE) > asked + 2, "to be asked for again and again")
    assert code(running, "x") == UNKNOWN


def test_registry_away_while_it_runs(topic, settings, service, stub):
    """A record of a new schema is set aside; an answer that nobody gives is no "not found"."""
    made = topic(**COMPACT)
    made.put_raw("old", good(1))
    made.flush()
    running = service(settings(made.name, wait="1s")).wait_ready()
    stub.down = True
    made.put_raw("old", good(2, LATE))
    made.put_raw("new", good(3))
    made.flush()
    running.wait_record("/customers", "new", customer(3))
    assert code(running, "old") == UNKNOWN and running.ready()
    asked = stub.asked_for(LATE)
    running.wait(lambda: stub.asked_for(LATE) >= asked + 3, "to be asked for, longer than the wait")
    time.sleep(1.1)  # the wait, which must not count
    assert code(running, "old") == UNKNOWN
    stub.add(LATE, CUSTOMER)
    stub.down = False
    running.wait_record("/customers", "old", customer(2))


def test_registry_away_at_the_start_holds_ready_back(topic, settings, service, stub):
    """Nobody has said yet that the schema is not to be had, so that ready would be too early."""
    made = topic(**COMPACT)
    made.put_raw("x", good(1, LATE))
    made.flush()
    stub.down = True
    running = service(settings(made.name, startup_checks={"enabled": False}))
    running.wait_waiting("set aside until the registry tells")
    stub.down = False
    running.wait_ready()
    assert code(running, "x") == UNKNOWN


@pytest.mark.parametrize("key,texts", [
    (framed(LATE, b"\x0ahello"), ["hello"]),
    (framed(LATE, b"\xa4\x13"), ["1234"]),
    (framed(LATE, b"\x02\x0ahello"), ["hello"]),
], ids=["string", "long", "union"])
def test_key_of_unknown_schema(topic, settings, service, stub, key, texts):
    made = topic(**COMPACT)
    made.put_raw("plain", good(1))
    made.put_raw(key, good(2))
    made.put_raw("behind", good(3))
    made.flush()
    running = service(settings(made.name)).wait_ready()
    running.wait_record("/customers", "behind", customer(3))
    for text in texts:
        assert code(running, text) == UNKNOWN
    assert code(running, "another") == (404, "not_found")
    told = set_aside(running)["first"]
    assert [(one["key"], one["schema_of"], one["schema_id"]) for one in told] == [(None, "key", LATE)]


def test_key_of_unknown_schema_and_a_tombstone_of_the_same_key(topic, settings, service, stub):
    """The key is deleted while nobody can know that it is the one that waits."""
    made = topic(**COMPACT)
    made.put_raw(framed(LATE, b"\x0ahello"), good(1))
    made.put_raw("hello", None)
    made.put_raw(framed(LATE, b"\x08gone"), None)
    made.put_raw(framed(LATE, b"\x08kept"), good(2))
    made.flush()
    running = service(settings(made.name)).wait_ready()
    stub.add(LATE, '"string"')
    running.wait_record("/customers", "kept", customer(2))
    running.check_all("/customers", {"kept": customer(2)})


def test_a_key_that_may_be_any(topic, settings, service, stub):
    """Of a key whose bytes say nothing every absent one may be it."""
    made = topic(**COMPACT)
    made.put_raw("plain", good(1))
    made.put_raw(framed(LATE, b"\x06ab"), good(2))
    made.flush()
    running = service(settings(made.name, wait="2s")).wait_ready()
    running.wait_record("/customers", "plain", customer(1))
    wait_code(running, "absent", (404, "not_found"))  # once it is bad
    assert running.status()["records"]["bad"]["schema_not_found"] == 1


def test_post_and_delete_of_such_a_key(topic, settings, service, stub):
    made = topic(**COMPACT)
    made.put_raw("x", good(1))
    made.put_raw("x", good(2, LATE))
    made.put_raw("bad", b"{}")
    made.put_raw("was good", good(3))
    made.put_raw("was good", b"{}")
    made.flush()
    made_settings = settings(made.name)
    made_settings["cache"]["routes"][0]["key_from_body"] = "accountId"
    running = service(made_settings).wait_ready()
    answer = running.api.request("DELETE", "/customers/x")
    assert (answer.status, answer.json()["code"]) == UNKNOWN
    for key, expected in (("x", 503), ("bad", 409)):
        answer = running.api.request("POST", "/customers", customer(9, accountId=key),
                                     {"Content-Type": "application/json"})
        assert answer.status == expected, answer
    assert running.api.request("DELETE", "/customers/bad").status == 500
    assert running.api.request("DELETE", "/customers/was%20good").status == 200
    assert code(running, "was good") == (404, "not_found")
    stub.add(LATE, CUSTOMER)
    running.wait_record("/customers", "x", customer(2))


def test_bad_record_alone_is_no_404(topic, settings, service):
    """Its key exists: 500 until a later record, or a tombstone that makes it a true 404."""
    made = topic(**COMPACT)
    for key, value in (("magic", b"{}"), ("short", b"\x00"), ("datum", framed(KNOWN, b"\x02")), ("kept", good(1)),
                       ("kept", b"{}"), ("good", b"{}"), ("gone", b"{}")):
        made.put_raw(key, value)
    made.flush()
    running = service(settings(made.name)).wait_ready()
    for key in ("magic", "short", "datum", "good", "gone"):
        assert code(running, key) == (500, "bad_record"), key
    running.wait_record("/customers", "kept", customer(1))
    told = running.status()["bad_keys"]
    assert (told["keys"], told["keys_max"], told["full"]) == (6, 100_000, False)
    made.put_raw("good", good(2))
    made.put_raw("gone", None)
    made.flush()
    running.wait_record("/customers", "good", customer(2))
    wait_code(running, "gone", (404, "not_found"))
    assert running.status()["bad_keys"]["keys"] == 4
    assert running.keys("/customers") == ["good", "kept"]


def test_ten_thousand_foreign_ids_do_not_end_a_new_schema(topic, settings, service, stub):
    """Each record names another id that no registry knows."""
    made = topic(partitions=2, **COMPACT)
    for number in range(9_000):
        made.put_raw(f"k{number}", framed(1_000_000 + number, b"x"), partition=0)
    made.put_raw("behind", good(1), partition=0)
    made.flush()
    running = service(settings(made.name, wait="20s"))
    running.wait_record("/customers", "behind", customer(1), 120)
    running.wait_ready(120)
    stub.add(LATE, CUSTOMER)
    made.put_raw("new", good(2, LATE), partition=1)
    made.flush()
    running.wait_record("/customers", "new", customer(2))


def x_and_behind(topic):
    """A key whose last record is of unknown schema, and a record behind it."""
    made = topic(**COMPACT)
    made.put_raw("x", good(1))
    made.put_raw("x", good(2, LATE))
    made.put_raw("behind", good(3))
    made.flush()
    return made


def test_redis_store_of_all_types_takes_it_at_once(topic, settings, service, stub, redis_server):
    made = x_and_behind(topic)
    running = service(settings(made.name, wait="2s", cache=shared_store(redis_server()))).wait_ready()
    running.wait_record("/customers", "behind", customer(3))
    assert code(running, "x") in (UNKNOWN, (500, "bad_record"))
    wait_code(running, "x", (500, "bad_record"))  # the wait has ended
    stub.add(LATE, CUSTOMER)
    made.put_raw("y", good(4))
    made.flush()
    running.wait_record("/customers", "y", customer(4))


def test_redis_store_with_schemas_waits_no_longer_than_the_wait(topic, settings, service, stub, redis_server):
    made = x_and_behind(topic)
    cache = shared_store(redis_server(), schemas=["customer"])
    running = service(settings(made.name, wait="3s", cache=cache))
    running.wait_waiting("waits for a schema at offset 1")
    running.wait_ready()
    running.wait_record("/customers", "behind", customer(3))
    running.wait_record("/customers", "x", customer(1))
    assert running.status()["records"]["bad"]["schema_not_found"] == 1


def test_ids_that_nobody_needs_make_room(topic, settings, service, stub):
    """More unknown ids than are kept, of keys that were deleted since."""
    made = topic(**COMPACT)
    for number in range(3):
        for id_ in range(8_000):
            made.put_raw(f"k{id_}", framed(1_000_000 * (number + 1) + id_, b"x"))
        for id_ in range(8_000):
            made.put_raw(f"k{id_}", None)
    stub.add(LATE, CUSTOMER)
    made.put_raw("new", good(1, LATE))
    made.flush()
    running = service(settings(made.name))
    running.wait_record("/customers", "new", customer(1), 120)
    running.wait_ready(120)
    assert running.keys("/customers") == ["new"]


@pytest.mark.parametrize("restart", [False, True], ids=["running", "after a snapshot"])
def test_a_deleted_key_of_unknown_schema_stays_deleted(topic, settings, service, stub, tmp_path, restart):
    """Its key's schema comes, then its value's; the tombstone came long before."""
    made = topic(**COMPACT)
    made.put_raw("other", good(1))
    made.put_raw(framed(NEVER, b"\x0ahello"), good(2, LATE))
    made.put_raw("hello", None)
    made.flush()
    (tmp_path / "snapshots").mkdir()
    made_settings = settings(made.name, snapshot={"dir": str(tmp_path / "snapshots"), "interval": "1h"})
    running = service(made_settings).wait_ready()
    if restart:
        running.stop()
        running = service(made_settings).wait_ready()
        assert running.status()["snapshot"]["loaded"] is not None
    stub.add(NEVER, '"string"')
    wait_code(running, "hello", (404, "not_found"))
    stub.add(LATE, CUSTOMER)
    made.put_raw("last", good(3, LATE))
    made.flush()
    running.wait_record("/customers", "last", customer(3))
    assert code(running, "hello") == (404, "not_found")
    running.wait(lambda: set_aside(running)["records"] == 0, "nothing to be set aside", 20)


def test_a_stopped_partition_goes_on_when_its_bad_record_is_replaced(topic, settings, service):
    made = topic(partitions=2, **COMPACT)
    made.put_raw("k", good(1, LATE), partition=0, timestamp=1_700_000_000_000)
    made.put_raw("other", good(2), partition=1)
    made.flush()
    running = service(settings(made.name, wait="1s", policy="stop"))
    running.wait_waiting("stopped at a bad record")
    made.put_raw("k", None, partition=1, timestamp=1_700_000_001_000)
    made.flush()
    running.wait_ready()
    running.check_all("/customers", {"other": customer(2)})


def test_a_bad_record_that_another_partition_deleted(topic, settings, service):
    """The tombstone is later by its timestamp, whichever partition is read first."""
    made = topic(partitions=2, **COMPACT)
    made.put_raw("k", None, partition=1, timestamp=1_700_000_001_000)
    made.flush()
    made.put_raw("k", b"{}", partition=0, timestamp=1_700_000_000_000)
    made.flush()
    running = service(settings(made.name)).wait_ready()
    assert code(running, "k") == (404, "not_found")


def test_a_delete_forgets_what_is_bad_of_its_own_store_alone(topic, settings, service):
    made = topic(**COMPACT)
    made.put_raw("k", good(1))
    made.put_raw("k", b"{}")
    made.flush()
    cache = {"stores": [{"name": "one", "type": "in_memory"}, {"name": "two", "type": "in_memory", "schemas": ["bill"]}],
             "routes": [{"path": "/customers", "store": "one"}, {"path": "/bills", "store": "two"}]}
    running = service(settings(made.name, cache=cache)).wait_ready()
    assert code(running, "k", "/bills") == (500, "bad_record")
    assert running.api.request("DELETE", "/customers/k").status == 200
    assert code(running, "k") == (404, "not_found")
    assert code(running, "k", "/bills") == (500, "bad_record")
