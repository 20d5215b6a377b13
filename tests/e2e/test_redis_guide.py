"""What docs/guides/redis.md says: the user that Redis needs, other clients, a Redis that lost its data, and the Compose
file."""
import io
import re

import fastavro
import pytest
import yaml

from e2e.checking import check_truth
from e2e.producing import CUSTOMER, customer
from e2e.pushcache import ROOT, run, shared_store
from e2e.test_redis_store import fill
from services import wait_for

GUIDE = (ROOT / "docs/guides/redis.md").read_text()


def rules(*more):
    """Those of the user in the guide, for keys pc:*; `more`: heads of the lines of its table to take too."""
    words = re.search(r"ACL SETUSER push-cache on >PASSWORD (.*)\n", GUIDE)[1].replace("~prod_v1:*", "~pc:*").split()
    for head in more:
        words += re.findall(r"`(\+[^`]+)`", re.search(rf"^\| {head}.*\|$", GUIDE, re.MULTILINE)[0])
    return words


def with_user(redis, **more):
    """The cache section with one store in this Redis, as the guide's user."""
    cache = shared_store(redis, **more)
    store = cache["stores"][0]
    store["url"] = store["url"].replace("://", "://push-cache:user-secret@", 1)
    return {**cache, "routes": [{"path": "/customers", "store": "shared", "key_from_body": "accountId"}]}


def add_user(servers, words):
    for server in servers:
        server.command("ACL", "SETUSER", "push-cache", "on", ">user-secret", *words)
        server.command("ACL", "LOG", "RESET")


def denials(servers):
    return [entry for server in servers if server.alive() for entry in server.command("ACL", "LOG")]


def use_all(running, made):
    """Everything that a service does with a store."""
    check_truth(running, made, ordered=False, seconds=60)
    api = running.api
    new = customer(9, accountId="z")
    assert api.request("POST", "/customers", new).status == 201
    assert api.request("DELETE", "/customers/z").status == 200
    assert api.request("DELETE", "/customers/k1").status == 200
    made.put("k1", customer(1), partition=1)  # where `fill` puts them
    made.put("k2", None, partition=0)
    made.flush()
    check_truth(running, made, ordered=False, seconds=60)
    calls = running.status()["stores"][0]["redis"]["calls"]
    assert all(calls[kind]["denied"] == 0 for kind in calls), calls
    assert calls["other"]["ok"] > 0


def test_the_user_of_one_server(topic, config, service, redis_server):
    made, redis = topic(partitions=2), redis_server()
    fill(made, 0, 300, partitions=2)
    words = rules("a database other than 0")
    add_user([redis], words)
    redis.command("CONFIG", "RESETSTAT")
    use_all(service(config(made.name, cache=with_user(redis, **redis.store(database=3)))).wait_ready(), made)
    in_database = "redis.call('SELECT', 3) return redis.call(ARGV[1], KEYS[1], 'fingerprint')"
    # As version 0.1 leaves it.
    assert redis.command("EVAL", in_database, 1, b"pc:\xffpositions", "HDEL") == 1
    wait_for(lambda: redis.command("EVAL", in_database, 1, b"pc:\xffpositions", "HGET"), 60, "the prefix to be taken over")
    assert not denials([redis])
    used = {name.removeprefix("cmdstat_") for name in redis.info("commandstats")}
    used |= {"hdel"}  # only of a topic that was made again
    assert {word[1:] for word in words if word.startswith("+")} <= used, "the guide allows what is not needed"


def test_the_user_of_a_store_that_takes_several_topics(topic, config, service, redis_server):
    first, second, redis = topic(), topic(), redis_server()
    add_user([redis], rules("a store that takes several topics"))
    redis.command("CONFIG", "RESETSTAT")
    settings = config([first.name, second.name], cache=with_user(redis))
    first.put_all({"k": customer(1), "gone": customer(2)})
    second.put_all({"k": customer(3), "gone": customer(4)})
    running = service(settings).wait_ready()
    for made in (first, second):
        made.put_all({"gone": None})
    running.wait_record("/customers", "gone", None)
    second.put_all({"gone": customer(5)})
    running.wait_record("/customers", "gone", customer(5))
    assert running.api.request("POST", "/customers", customer(9, accountId="z")).status == 201
    assert running.api.request("DELETE", "/customers/z").status == 200
    assert sorted(running.keys("/customers")) == ["gone", "k"]
    assert not denials([redis])
    used = {name.removeprefix("cmdstat_") for name in redis.info("commandstats")}
    assert {"time", "pttl"} <= used, "the guide allows what is not needed"


def test_the_user_of_a_cluster(topic, config, service, redis_cluster):
    made, cluster = topic(partitions=2), redis_cluster()
    fill(made, 0, 300, partitions=2)
    add_user(cluster.servers, rules("a Cluster"))
    running = service(config(made.name, cache=with_user(cluster))).wait_ready()
    use_all(running, made)
    slot = cluster.slot_of("pc:none")
    source = cluster.owner(slot)
    target = next(master for master in cluster.masters() if master is not source)
    migration = cluster.begin_migration(slot, target)
    assert running.api.record("/customers", "none").status == 404
    migration.finish()
    assert running.status()["stores"][0]["redis"]["ask"] > 0
    assert not denials(cluster.servers)


def test_the_user_behind_sentinels(topic, config, service, redis_sentinel):
    made, redis = topic(partitions=2), redis_sentinel()
    fill(made, 0, 300, partitions=2)
    add_user(redis.servers, rules("sentinels"))
    use_all(service(config(made.name, cache=with_user(redis))).wait_ready(), made)
    assert not denials(redis.servers)


def test_other_clients_read_the_records(topic, config, service, redis_server):
    made, redis = topic(), redis_server()
    made.put_all({"x": customer(1, accountId="x"), "gone": customer(2)})
    made.put_all({"gone": None})
    service(config(made.name, cache=shared_store(redis))).wait_ready()
    client = redis.client()
    values = client.mget(["pc:x", "pc:gone", "pc:none"])
    assert values[1:] == [None, None]
    assert values[0][0] == 0 and int.from_bytes(values[0][1:5], "big") > 0
    assert fastavro.schemaless_reader(io.BytesIO(values[0][5:]), CUSTOMER, None) == customer(1, accountId="x")
    assert [key for key in client.scan_iter("pc:*", _type="string")] == [b"pc:x"]


def test_a_redis_that_lost_everything(topic, config, service, redis_server):
    made, redis = topic(partitions=2), redis_server()
    fill(made, 0, 500, partitions=2)
    settings = config(made.name, cache=shared_store(redis))
    service(settings).wait_ready().stop()
    redis.restart()
    assert redis.command("DBSIZE") == 0
    settings["kafka"]["force_reset_earliest"] = True
    check_truth(service(settings).wait_ready(), made, ordered=False, seconds=60)


@pytest.fixture
def compose():
    return yaml.safe_load((ROOT / "deploy/compose/redis.yaml").read_text())


def test_the_compose_file(compose):
    services = compose["services"]
    for name, one in services.items():
        assert ("image" in one) or ("build" in one), name
        for dependency in one.get("depends_on", {}):
            assert dependency in services, (name, dependency)
        for volume in one.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / "deploy/compose" / source).exists(), (name, volume)
            else:
                assert source in compose["volumes"], (name, volume)
        if "build" in one:
            assert (ROOT / "deploy/compose" / one["build"]["context"]).resolve() == ROOT
    config = ROOT / "deploy/compose/redis/push-cache.yaml"
    done = run("config-check", "--config", config)
    assert done.returncode == 0, done.stderr
    settings = yaml.safe_load(config.read_text())
    hosts = {re.sub(r"^\w+://|:.*", "", url) for url in (
        settings["kafka"]["brokers"], settings["kafka"]["schema_registry_url"],
        *(store["url"] for store in settings["cache"]["stores"] if store["type"] == "redis"))}
    assert hosts <= set(services), hosts
