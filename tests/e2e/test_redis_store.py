"""Stores in Redis: one, with TLS and users, a Cluster, behind sentinels; alone and beside stores in memory."""
import pytest

from e2e.checking import check_truth
from e2e.producing import customer
from e2e.pushcache import shared_store
from services import wait_for


def fill(made, first, last, partitions=3):
    for number in range(first, last):
        made.put(f"k{number % 500}", customer(number), partition=number % 500 % partitions)
    for number in range(first, last, 7):
        made.put_raw(f"k{number % 500}", None, partition=number % 500 % partitions)
    made.flush()


@pytest.fixture(params=["single", "TLS and users", "cluster", "sentinels"])
def any_redis(request, redis_server, redis_cluster, redis_sentinel):
    if request.param == "cluster":
        return redis_cluster()
    if request.param == "sentinels":
        return redis_sentinel()
    return redis_server(users=True, tls=True) if request.param != "single" else redis_server()


def test_every_key_has_its_last_value(topic, config, service, any_redis):
    made = topic(partitions=3)
    fill(made, 0, 2000)
    running = service(config(made.name, cache=shared_store(any_redis))).wait_ready()
    assert check_truth(running, made, ordered=False) > 200
    fill(made, 2000, 2600)
    made.put("odd key/1", customer(1))
    made.flush()
    check_truth(running, made, seconds=60, ordered=False)
    status = running.status()
    assert [store["type"] for store in status["stores"]] == ["redis"]
    assert all(part["owned"] for part in status["kafka"]["partitions"])
    assert status["kafka"]["group"]["group_id"]
    assert running.metrics()['push_cache_partition_lag{topic="%s",partition="0",feed="group"}' % made.name] == 0


def test_what_http_does(topic, config, service, redis_server):
    made = topic()
    made.put_all({"x": customer(1, accountId="x"), "y": customer(2, accountId="y")})
    running = service(config(made.name, cache=shared_store(redis_server()))).wait_ready()
    api = running.api
    got = api.record("/customers", "x")
    assert got.status == 200 and got.json() == customer(1, accountId="x")
    assert got.headers["Push-Cache-Position"] == f"{made.name}/0@0"
    assert api.get("/customers/x", {"If-None-Match": got.headers["ETag"]}).status == 304
    assert api.request("HEAD", "/customers/x").headers["Content-Length"] == str(len(got.body))
    assert api.record("/customers", "none").status == 404
    new = customer(9, accountId="z")
    assert api.request("POST", "/customers", new).status == 201
    assert api.request("POST", "/customers", new).status == 409
    assert api.record("/customers", "z").json() == new
    assert api.request("DELETE", "/customers/z").json() == new
    assert api.request("DELETE", "/customers/z").status == 404
    assert sorted(api.get("/customers").json()) == ["x", "y"]
    assert api.get("/customers?filter=y").json() == ["y"]
    assert len(api.get("/customers?limit=1").json()) == 1
    assert len(api.get("/customers?offset=1").json()) == 1
    calls = running.status()["stores"][0]["redis"]["calls"]
    assert calls["read"]["ok"] >= 5 and calls["write"]["ok"] >= 5 and calls["scan"]["ok"] >= 4
    metrics = running.metrics()
    assert metrics['push_cache_redis_calls_total{store="shared",kind="read",outcome="ok"}'] >= 5
    assert metrics['push_cache_redis_call_duration_seconds_count{store="shared",kind="read"}'] >= 5
    assert metrics['push_cache_redis_connections{store="shared"}'] >= 2
    assert metrics['push_cache_redis_calls_waiting{store="shared"}'] == 0


def test_restart_goes_on_from_what_is_committed(topic, config, service, redis_server):
    made, redis = topic(partitions=3), redis_server()
    fill(made, 0, 1000)
    settings = config(made.name, cache=shared_store(redis))
    running = service(settings).wait_ready()
    assert check_truth(running, made, ordered=False)
    assert running.stop(10) == 0  # with a word to the group, or the next one would have to wait for a time-out
    fill(made, 1000, 1100)
    again = service(settings).wait_ready()
    check_truth(again, made, ordered=False)
    assert again.status()["load"]["records_total"] < 200


def test_replicas_share_the_work_and_serve_all(topic, config, service, redis_server):
    made, redis = topic(partitions=4), redis_server()
    fill(made, 0, 3000, partitions=4)
    settings = config(made.name, cache=shared_store(redis))
    settings["kafka"]["properties"] = {"session.timeout.ms": "6000"}
    first, second = service(settings), service(settings)
    for running in (first, second):
        running.wait_ready()
        # One that has read no record learns of the schema by the first request.
        check_truth(running, made, seconds=30, ordered=False)
    wait_for(lambda: sum(part["owned"] for running in (first, second)
                         for part in running.status()["kafka"]["partitions"]) == 4,
             60, "each partition to have one owner")
    first.kill()
    fill(made, 3000, 3600, partitions=4)
    check_truth(second, made, seconds=90, ordered=False)


def test_delete_leaves_what_it_cannot_show(topic, config, service, gate, redis_server):
    made, redis = topic(), redis_server()
    made.put_all({"x": customer(1, accountId="x")})
    settings = config(made.name, cache=shared_store(redis))
    service(settings).wait_ready()
    settings["kafka"]["schema_registry_url"] = gate.url
    gate.shut()
    second = service(settings).wait_ready()
    for _ in range(3):
        answer = second.api.request("DELETE", "/customers/x")
        assert answer.status == 503 and answer.headers["Retry-After"] and "schema" in answer.json()["message"], answer
    assert redis.command("TYPE", "pc:x") in (b"string", "string")
    gate.open()
    wait_for(lambda: second.api.record("/customers", "x").status == 200, 60, "the schema")
    assert second.api.request("DELETE", "/customers/x").json() == customer(1, accountId="x")
    assert second.api.request("DELETE", "/customers/x").status == 404


def test_redis_killed_and_restarted(topic, config, service, redis_server):
    made, redis = topic(partitions=3), redis_server(aof=True)
    fill(made, 0, 1000)
    running = service(config(made.name, cache=shared_store(redis, timeout="500ms"))).wait_ready()
    check_truth(running, made, ordered=False)
    redis.kill()
    answer = running.api.record("/customers", "k1")
    assert answer.status == 503 and answer.headers["Retry-After"]
    assert running.client().get("/customers").status == 503
    fill(made, 1000, 1600)
    running.wait_waiting("Redis")
    calls = running.status()["stores"][0]["redis"]
    assert calls["connections"] == 0 and calls["connections_lost"] > 0 and calls["connect_errors"] > 0, calls
    assert calls["calls"]["read"]["timeout"] + calls["calls"]["read"]["lost"] > 0, calls
    redis.restart()
    running.wait_ready()
    check_truth(running, made, seconds=60, ordered=False)


def test_beside_a_store_in_memory(topic, config, service, redis_server):
    made = topic(partitions=3)
    fill(made, 0, 1000)
    cache = shared_store(redis_server())
    cache["stores"].insert(0, {"name": "local", "type": "in_memory"})
    cache["routes"] = [{"path": "/local", "store": "local"}, {"path": "/shared", "store": "shared"}]
    running = service(config(made.name, cache=cache)).wait_ready()
    check_truth(running, made, "/local")
    check_truth(running, made, "/shared", ordered=False)
    status = running.status()
    assert [store["type"] for store in status["stores"]] == ["in_memory", "redis"]
    assert status["kafka"]["group"] is None and status["kafka_group"]["group"] is not None
