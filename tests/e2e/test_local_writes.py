"""What POST and DELETE have changed is told: they change the store and not its topic."""
import json
import re

import pytest

from e2e.producing import customer
from e2e.pushcache import run, shared_store, write_config

CHANGES = 'push_cache_local_writes_total{store="%s",kind="%s"}'
HEADER = "Push-Cache-Local-Writes"
WARNING = "POST and DELETE are open to all who reach"


@pytest.fixture
def small(topic):
    """Twenty customers, each under its accountId, in two partitions."""
    made = topic(partitions=2)
    made.put_all({f"k{n:02}": customer(n, accountId=f"k{n:02}") for n in range(20)})
    return made


def change(running):
    """Adds two records and removes one; what fails beside them changes nothing."""
    for key in ("new1", "new2"):
        assert running.api.request("POST", "/customers", customer(1, accountId=key)).status == 201
    assert running.api.request("DELETE", "/customers/k03").status == 200
    assert running.api.request("POST", "/customers", customer(1, accountId="new1")).status == 409
    assert running.api.request("POST", "/customers", {"accountId": 7}).status == 400
    assert running.api.request("DELETE", "/customers/none").status == 404


def told(running):
    """The counts of the first store, which the sum and the metrics agree with, and whether a snapshot brought some."""
    status = running.status()
    first, *others = status["stores"]
    assert all(one["local_writes"] == {"added": 0, "removed": 0, "in_snapshot": False} for one in others)
    counts = {kind: first["local_writes"][kind] for kind in ("added", "removed")}
    assert status["local_writes"] == counts
    metrics = running.metrics()
    assert {kind: metrics[CHANGES % (first["name"], kind)] for kind in counts} == counts
    return counts, first["local_writes"]["in_snapshot"]


def flags(running, feed="kafka"):
    """What the partitions say beside their digests: the one thing that all of them say."""
    [flag] = {part["local_writes"] for part in running.status()[feed]["partitions"]}
    return flag


def digests(running):
    return {part["partition"]: part["digest"] for part in running.status()["kafka"]["partitions"]}


def verify(folder, settings, running, *arguments):
    folder.mkdir(exist_ok=True)
    return run("verify", "--config", write_config(folder, settings), "--url", running.addresses()["api"], *arguments)


def settled(running, digest):
    """The service is at the end of each partition, and its digests say so."""
    running.wait(lambda: all(part["digest"]["position"] == part["end"] for part in running.status()["kafka"]["partitions"])
                 and (digests(running) == digest) is True, f"digests {digest}")


def test_a_store_in_memory(small, config, service):
    running = service(config(small.name)).wait_ready()
    other = service(config(small.name)).wait_ready()
    settled(other, digests(running))
    assert told(running) == ({"added": 0, "removed": 0}, False) and flags(running) is False
    assert HEADER not in running.api.get("/customers").headers
    change(running)
    assert told(running) == ({"added": 2, "removed": 1}, False)
    assert flags(running) is True and flags(other) is False
    for query in ("", "?limit=0"):
        assert running.api.get("/customers" + query).headers[HEADER] == "added=2, removed=1"
    assert HEADER not in other.api.get("/customers").headers
    # A digest changes when it is computed next, as a record of the partition comes.
    small.put_all({key: customer(5, accountId=key) for key in ("more1", "more2", "more3", "more4", "more5", "more6")})
    for one in (running, other):
        one.wait(lambda one=one: all(part["lag"] == 0 for part in one.status()["kafka"]["partitions"]), "all applied")
    running.wait(lambda: digests(running) != digests(other), "a digest without the record that was removed")


def test_a_store_in_redis(small, config, service, redis_server):
    """What this process has written; there is no digest of records that others write too."""
    running = service(config(small.name, cache=shared_store(redis_server()))).wait_ready()
    assert told(running) == ({"added": 0, "removed": 0}, False)
    change(running)
    assert told(running) == ({"added": 2, "removed": 1}, False)
    assert flags(running) is None
    assert running.api.get("/customers").headers[HEADER] == "added=2, removed=1"


def test_redis_keeps_them_over_a_restart(small, config, service, redis_server):
    settings = config(small.name, cache=shared_store(redis_server()))
    running = service(settings).wait_ready()
    change(running)
    assert running.stop() == 0
    running = service(settings).wait_ready()
    assert told(running) == ({"added": 0, "removed": 0}, False)
    assert running.api.record("/customers", "new1").status == 200
    assert running.api.record("/customers", "k03").status == 404


def test_a_failed_write_is_not_counted(small, config, service, redis_server):
    redis = redis_server()
    running = service(config(small.name, cache=shared_store(redis, timeout="500ms"))).wait_ready()
    change(running)
    redis.kill()
    assert running.api.request("POST", "/customers", customer(1, accountId="new3")).status == 503
    assert running.api.request("DELETE", "/customers/k04").status == 503
    assert told(running)[0] == {"added": 2, "removed": 1}


@pytest.mark.parametrize("write", ["POST", "DELETE"])
def test_a_snapshot_does_not_make_a_clean_digest(write, small, config, service, tmp_path):
    """Also after the second restart, and also when nothing in the snapshot shows what was removed."""
    settings = config(small.name, snapshot={"dir": str(tmp_path / "snapshots"), "interval": "1h"})
    running = service(settings).wait_ready()
    if write == "POST":
        assert running.api.request("POST", "/customers", customer(1, accountId="new1")).status == 201
    else:
        assert running.api.request("DELETE", "/customers/k03").status == 200
    for _ in range(2):
        assert running.stop() == 0
        running = service(settings).wait_ready()
        assert running.status()["snapshot"]["loaded"]["records"] == (21 if write == "POST" else 19)
        assert told(running) == ({"added": 0, "removed": 0}, True)
        assert flags(running) is True
        assert running.api.get("/customers").headers[HEADER] == "added=0, removed=0, in-snapshot"
        assert running.api.record("/customers", "new1").status == (200 if write == "POST" else 404)
        assert running.api.record("/customers", "k03").status == (200 if write == "POST" else 404)
    assert running.stop() == 0
    # A replay has none of them.
    (tmp_path / "snapshots" / "push-cache.snapshot").unlink()
    running = service(settings).wait_ready()
    assert told(running) == ({"added": 0, "removed": 0}, False) and flags(running) is False


def test_a_snapshot_without_them_is_clean(small, config, service, tmp_path):
    settings = config(small.name, snapshot={"dir": str(tmp_path / "snapshots"), "interval": "1h"})
    assert service(settings).wait_ready().stop() == 0
    running = service(settings).wait_ready()
    assert running.status()["snapshot"]["loaded"]["records"] == 20
    assert told(running) == ({"added": 0, "removed": 0}, False) and flags(running) is False


def test_only_the_store_that_was_changed(small, config, service, tmp_path):
    """The counts are each store's own; a partition's digest is of all stores in memory that take its topic."""
    cache = {"stores": [{"name": "one", "type": "in_memory"}, {"name": "two", "type": "in_memory"}],
             "routes": [{"path": "/customers", "store": "one"}, {"path": "/again", "store": "one"},
                        {"path": "/two", "store": "two"}]}
    settings = config(small.name, cache=cache, snapshot={"dir": str(tmp_path / "snapshots"), "interval": "1h"})
    running = service(settings).wait_ready()
    assert running.api.request("DELETE", "/again/k05").status == 200  # two routes of one store
    change(running)
    assert told(running) == ({"added": 2, "removed": 2}, False) and flags(running) is True
    assert HEADER in running.api.get("/again").headers and HEADER not in running.api.get("/two").headers
    assert running.stop() == 0
    running = service(settings).wait_ready()
    assert [one["local_writes"]["in_snapshot"] for one in running.status()["stores"]] == [True, False]


def test_only_topics_of_the_store_that_was_changed(small, topic, config, service):
    other = topic()
    other.put_all({"o1": customer(1, accountId="o1")})
    cache = {"stores": [{"name": "one", "type": "in_memory", "topics": [small.name]},
                        {"name": "two", "type": "in_memory", "topics": [other.name]}],
             "routes": [{"path": "/customers", "store": "one"}, {"path": "/two", "store": "two"}]}
    running = service(config([small.name, other.name], cache=cache)).wait_ready()
    change(running)
    assert {(part["topic"], part["local_writes"]) for part in running.status()["kafka"]["partitions"]} == {
        (small.name, True), (other.name, False)}


@pytest.mark.parametrize("change_first", [True, False])
def test_verify_between_two_services(change_first, small, config, service, tmp_path):
    settings = config(small.name)
    one, two = service(settings).wait_ready(), service(settings).wait_ready()
    against = two.addresses()["api"]
    done = verify(tmp_path / "v", settings, one, "--against", against)
    assert done.returncode == 0 and "POST and DELETE" not in done.stdout, done.stdout
    changed = one if change_first else two
    change(changed)
    done = verify(tmp_path / "v", settings, one, "--against", against)
    assert done.returncode == 1, done
    place = re.escape(changed.addresses()["api"] + "/customers")
    assert re.search(rf'^/customers: POST and DELETE have changed the store at {place} \("added=2, removed=1"\): differences '
                     r"may come from that, and its digests in /status are not comparable$", done.stdout, re.MULTILINE), done.stdout
    assert done.stdout.count("POST and DELETE") == 1, done.stdout
    # Also when the answers are equal.
    for key in ("new1", "new2"):
        assert changed.api.request("DELETE", f"/customers/{key}").status == 200
    other = two if change_first else one
    assert other.api.request("DELETE", "/customers/k03").status == 200
    done = verify(tmp_path / "v", settings, one, "--against", against, "--json")
    assert done.returncode == 0, done
    [route] = [row for row in json.loads(done.stdout)["routes"] if row["path"] == "/customers"]
    assert {row["url"]: row["said"] for row in route["local_writes"]} == {
        changed.addresses()["api"] + "/customers": "added=2, removed=3",
        other.addresses()["api"] + "/customers": "added=0, removed=1"}


def test_verify_with_the_topics(small, config, service, tmp_path):
    settings = config(small.name)
    running = service(settings).wait_ready()
    change(running)
    done = verify(tmp_path / "v", settings, running)
    assert done.returncode == 1 and "POST and DELETE have changed the store at" in done.stdout, done.stdout


def test_off_refuses_and_counts_nothing(small, config, service):
    settings = config(small.name)
    settings["cache"]["writes"] = "off"
    settings["webservice"]["address"] = "0.0.0.0:0"
    running = service(settings).wait_ready()
    for method, path in (("POST", "/customers"), ("DELETE", "/customers/k03")):
        answer = running.api.request(method, path, customer(1) if method == "POST" else None)
        assert answer.status == 405 and "POST" not in answer.headers["Allow"] and "DELETE" not in answer.headers["Allow"]
    assert told(running) == ({"added": 0, "removed": 0}, False) and flags(running) is False
    assert WARNING not in running.logged()


@pytest.mark.parametrize("address, warned", [("127.0.0.1:0", False), ("localhost:0", False), ("0.0.0.0:0", True)])
def test_open_writes_are_warned_of_once(address, warned, small, config, service):
    settings = config(small.name)
    settings["webservice"]["address"] = address
    running = service(settings, environment={"CAPTURE_LOG": "warn"}).wait_ready()
    lines = [line for line in running.logged().splitlines() if WARNING in line]
    assert len(lines) == warned, running.logged()
    assert all("`cache.writes: off` refuses them" in line for line in lines)
