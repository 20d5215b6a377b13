"""Who fills a prefix in Redis: processes of one configuration, and nobody else until it is changed on purpose."""
import json
import re
import subprocess
import textwrap

import pytest

from e2e.checking import check_truth
from e2e.producing import BILL, customer, sample
from e2e.pushcache import ROOT, shared_store
from services import wait_for

GUIDE = (ROOT / "docs/guides/redis.md").read_text()
POSITIONS = b"pc:\xffpositions"
OTHERS = "filled by another configuration"


@pytest.fixture(params=["single", "cluster"])
def any_redis(request, redis_server, redis_cluster):
    return redis_cluster(replicas=0) if request.param == "cluster" else redis_server()


def settings_of(config, topics, redis, group, **more):
    settings = config(topics, cache=shared_store(redis, **more))
    settings["kafka"]["group_id"] = group
    settings["webservice"]["serve_while_loading"] = True  # or the gate would hide what the store says
    return settings


def fill(made, first, last, kind="k"):
    for number in range(first, last):
        made.put(f"{kind}{number}", customer(number, accountId=f"{kind}{number}"))
    made.flush()


def servers_of(redis):
    return redis.masters() if hasattr(redis, "masters") else [redis]


def position_keys(redis):
    return [(server, key) for server in servers_of(redis)
            for key in server.command("SCAN", 0, "MATCH", POSITIONS + b"*", "COUNT", 100_000)[1]]


def fingerprints(redis):
    """Of each position key; None where there is none."""
    return [server.command("HGET", key, "fingerprint") for server, key in position_keys(redis)]


def dump(redis):
    """All that Redis holds but how far it is, which moves on by itself."""
    held = {}
    for server in servers_of(redis):
        for key in server.command("SCAN", 0, "COUNT", 100_000)[1]:
            held[key] = server.command("DUMP", key) if POSITIONS not in key else None
    return held


def wait_kept(running):
    running.wait(lambda: all(part["kept"] == part["end"] for part in running.status()["kafka"]["partitions"]),
                 "all positions to be kept")


def free_prefix(redis):
    """As the guide has it, word by word but for the addresses and the prefix."""
    blocks = re.findall(r"\n\n((?:      .*\n)+)", GUIDE)
    single, cluster = (textwrap.dedent(block) for block in blocks if "redis-cli" in block)
    assert "CLUSTER NODES" in cluster and "CLUSTER NODES" not in single
    command = cluster if hasattr(redis, "masters") else single
    port = servers_of(redis)[0].port
    command = command.replace("redis.internal.net", "127.0.0.1").replace("6379", str(port)).replace("prod_v1", "pc")
    keys = len(position_keys(redis))
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], check=True, timeout=120, capture_output=True)
    # Who waits for the prefix may have it by now.
    assert done.stdout.split() == [b"1"] * keys, done


@pytest.mark.parametrize("group", ["one group", "two groups"])
def test_two_services_with_other_topics(topic, config, service, any_redis, group):
    """The second is never ready, says both fingerprints, and changes nothing of what the first one has."""
    one, two = topic(), topic()
    fill(one, 0, 300)
    fill(two, 200, 500)
    first = service(settings_of(config, one.name, any_redis, one.name)).wait_ready()
    wait_kept(first)
    before = dump(any_redis)
    second = service(settings_of(config, two.name, any_redis, one.name if group == "one group" else two.name))
    second.wait_waiting(OTHERS)
    reasons = second.reasons()
    for made in one, two:
        assert json.dumps([made.name]) in reasons, reasons
    assert OTHERS in " ".join(second.status()["reasons"])
    for path in "/customers/k1", "/customers/k400", "/customers":
        answer = second.api.get(path)
        assert answer.status == 503 and answer.headers["Retry-After"], (path, answer)
    assert second.api.request("POST", "/customers", customer(9, accountId="z")).status == 503
    assert second.api.request("DELETE", "/customers/k1").status == 503
    fill(one, 300, 310)
    check_truth(first, one, seconds=60, ordered=False)
    assert not any(part["owned"] for part in second.status()["kafka"]["partitions"])
    assert not second.ready() and first.ready()
    after = dump(any_redis)
    assert {key: after[key] for key in before} == before
    assert len(after) == len(before) + 10
    assert second.logged().count(OTHERS) == 1, "said once"
    # The conflict is resolved: the first one ends, and its prefix is given up.
    assert first.stop() == 0
    free_prefix(any_redis)
    second.wait_ready()
    check_truth(second, two, ordered=False)
    assert second.api.record("/customers", "k1").status == 404
    assert not [key for key in dump(any_redis) if key.startswith(b"pc:k") and int(key[4:]) < 200]


def test_the_same_configuration_twice(topic, config, service, any_redis):
    one, two = topic(partitions=2), topic()
    fill(one, 0, 100)
    fill(two, 100, 200, kind="t")
    settings = settings_of(config, [one.name, two.name], any_redis, one.name)
    running = [service(settings) for _ in range(2)]
    for each in running:
        each.wait_ready()
    stands = fingerprints(any_redis)
    assert len(stands) == (128 if hasattr(any_redis, "masters") else 1) and len(set(stands)) == 1
    told = json.loads(stands[0])
    assert told["topics"] == [one.name, two.name] and told["cluster"] and told["layout"] == 2
    for each in running:
        for key in "k1", "t101":  # one that has read no record learns of the schema by the first request
            wait_for(lambda: each.api.record("/customers", key).status == 200, 60, "the schema")


def test_a_prefix_of_version_0_1_is_adopted(topic, config, service, any_redis):
    made = topic(partitions=2)
    fill(made, 0, 200)
    settings = settings_of(config, made.name, any_redis, made.name)
    running = service(settings).wait_ready()
    wait_kept(running)
    assert running.stop() == 0
    stands = fingerprints(any_redis)
    for server, key in position_keys(any_redis):
        server.command("HDEL", key, "fingerprint")
    again = service(settings).wait_ready()
    check_truth(again, made, ordered=False)
    assert again.status()["load"]["records_total"] == 0, "nothing is read again"
    assert fingerprints(any_redis) == stands


@pytest.mark.parametrize("what", ["topic", "schemas"])
def test_a_prefix_of_version_0_1_with_something_else(topic, config, service, redis_server, what):
    one, two, redis = topic(), topic(), redis_server()
    fill(one, 0, 50)
    fill(two, 50, 100)
    first = service(settings_of(config, one.name, redis, one.name)).wait_ready()
    wait_kept(first)
    assert first.stop() == 0
    redis.command("HDEL", POSITIONS, "fingerprint")
    field = next(field for field in redis.command("HKEYS", POSITIONS)).decode()
    assert field.startswith(one.name + "/0 ")
    second = service(settings_of(config, two.name, redis, two.name) if what == "topic" else
                     settings_of(config, one.name, redis, one.name, schemas=["customer"]))
    second.wait_waiting(OTHERS)
    assert field in second.reasons()
    assert second.api.get("/customers/k1").status == 503
    assert redis.command("HGET", POSITIONS, "fingerprint") is None
    free_prefix(redis)
    made = two if what == "topic" else one
    second.wait_ready()
    check_truth(second, made, ordered=False)


@pytest.mark.parametrize("change", ["one more topic", "one topic less", "schemas"])
def test_a_deliberate_change(topic, config, service, redis_server, change):
    """A rolling update with it leaves the old processes alone; the two ways of the guide end in the new records."""
    one, two, redis = topic(), topic(), redis_server()
    fill(one, 0, 100)
    fill(two, 100, 200)
    one.put("b1", sample("bill", 1), schema=BILL)
    one.flush()
    both = [one.name, two.name]
    old_topics, new_topics, more = {"one more topic": (one.name, both, {}), "one topic less": (both, one.name, {}),
                                    "schemas": (both, both, {"schemas": ["customer"]})}[change]
    expected = {**one.records(), **(two.records() if new_topics == both else {})}
    if more:
        del expected["b1"]
    old = service(settings_of(config, old_topics, redis, "group-of-" + one.name)).wait_ready()
    new_settings = settings_of(config, new_topics, redis, "group-of-" + one.name, **more)
    new = service(new_settings)
    new.wait_waiting(OTHERS)
    fill(one, 90, 91)
    wait_kept(old)
    assert old.ready() and all(part["owned"] for part in old.status()["kafka"]["partitions"])
    # Another prefix: no downtime.
    other = service(settings_of(config, new_topics, redis, "second-of-" + one.name, **more, prefix="pc2")).wait_ready()
    assert old.ready() and not new.ready()
    assert sorted(other.keys("/customers")) == sorted(expected)
    # The same prefix.
    assert old.stop() == 0
    free_prefix(redis)
    new.wait_ready()
    assert sorted(new.keys("/customers")) == sorted(expected)
    for key in expected:
        assert new.api.record("/customers", key).status == 200
    for key in {"b1", "k150"} - set(expected):
        assert new.api.record("/customers", key).status == 404
    assert other.ready()


def test_a_process_of_the_old_configuration_that_was_forgotten(topic, config, service, redis_server):
    """It gives its partitions back, and serves nothing of the new one's records."""
    one, two, redis = topic(partitions=2), topic(), redis_server()
    fill(one, 0, 100)
    fill(two, 100, 200)
    group = "group-of-" + one.name
    old = service(settings_of(config, one.name, redis, group)).wait_ready()
    wait_kept(old)
    new = service(settings_of(config, [one.name, two.name], redis, group))
    new.wait_waiting(OTHERS)
    stands = redis.command("HGET", POSITIONS, "fingerprint").decode().replace(
        json.dumps([one.name]), json.dumps([one.name, two.name], separators=(",", ":"))).replace(
            '"layout":1', '"layout":2')
    redis.command("EVAL", "redis.call('DEL', KEYS[1]) redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1])", 1,
                  POSITIONS, stands)
    old.wait_waiting(OTHERS)
    assert old.api.get("/customers/k1").status == 503
    new.wait_ready(120)
    wait_for(lambda: new.api.record("/customers", "k150").status == 200, 60, "the new topic's records")
    assert not any(part["owned"] for part in old.status()["kafka"]["partitions"])
    assert not old.ready()


def test_a_topic_that_was_recreated_is_no_stranger(kafka, topic, config, service, redis_server):
    made, redis = topic(), redis_server()
    fill(made, 0, 50)
    settings = settings_of(config, made.name, redis, made.name)
    running = service(settings).wait_ready()
    wait_kept(running)
    stands = fingerprints(redis)
    made.delete()
    again = kafka.create(made.name, 1)
    fill(again, 40, 80)
    running.wait(lambda: running.ready() and running.api.record("/customers", "k79").status == 200, "the new topic")
    check_truth(running, again, seconds=60, ordered=False)
    assert OTHERS not in running.logged() and fingerprints(redis) == stands
    assert running.stop() == 0
    after = service(settings).wait_ready()
    check_truth(after, again, ordered=False)


def test_a_flushed_redis_is_taken_again(topic, config, service, any_redis):
    made = topic()
    fill(made, 0, 100)
    running = service(settings_of(config, made.name, any_redis, made.name)).wait_ready()
    wait_kept(running)
    stands = fingerprints(any_redis)
    for server in servers_of(any_redis):
        server.command("FLUSHALL")
    check_truth(running, made, seconds=60, ordered=False)
    running.wait_ready()
    wait_for(lambda: fingerprints(any_redis) == stands, 60, "the fingerprint")
