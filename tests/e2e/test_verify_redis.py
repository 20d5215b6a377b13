"""`push-cache verify` of services with stores in Redis, whose lists are in no order."""
import threading

import pytest

from e2e.producing import customer
from e2e.test_redis_store import shared
from e2e.test_verify import counts, differences, url_of, verify
from services import wait_for

ROUTES = [{"path": "/customers", "store": "shared"}]


@pytest.fixture
def made(topic):
    """3000 customers and some that are gone."""
    made = topic(partitions=3)
    made.put_all({f"k{n:04}": customer(n) for n in range(3000)})
    made.put_all({f"k{n:04}": None for n in range(0, 3000, 100)})
    return made


def tamper(server):
    """Removes a key behind the service's back, gives one the value of another, and adds one."""
    other = server.command("GET", "pc:k0004")
    server.command("DEL", "pc:k0003")
    server.command("SET", "pc:k0005", other)
    server.command("SET", "pc:added", other)


def test_against_the_topic(made, config, service, redis_server, tmp_path):
    redis = redis_server()
    settings = config(made.name, cache=shared(redis))
    running = service(settings).wait_ready()
    result = verify(tmp_path / "v", settings, url_of(running))
    assert result["equal"] and counts(result, "/customers") == {"keys": 2970, "equal": 2970}
    # One that has read nothing learns of the schema by the first questions.
    second = service(settings).wait_ready()
    assert verify(tmp_path / "v", settings, url_of(second))["equal"]
    tamper(redis)
    result = verify(tmp_path / "v", settings, url_of(running), code=1)
    assert counts(result, "/customers") == {"keys": 2971, "equal": 2968, "missing": 1, "stale": 1, "extra": 1}
    assert {key: one["verdict"] for (_, key), one in differences(result).items()} == {
        "k0003": "missing", "k0005": "stale", "added": "extra"}


def test_against_a_cluster(made, config, service, redis_cluster, tmp_path):
    cluster = redis_cluster()
    settings = config(made.name, cache=shared(cluster))
    running = service(settings).wait_ready()
    assert verify(tmp_path / "v", settings, url_of(running))["equal"]
    cluster.owner(cluster.slot_of("pc:k0042")).command("DEL", "pc:k0042")
    assert set(differences(verify(tmp_path / "v", settings, url_of(running), code=1))) == {("/customers", "k0042")}


def test_two_services(made, config, service, redis_server, tmp_path):
    """Both in Redis, and one of them in memory."""
    redis, another = redis_server(), redis_server()
    settings = config(made.name, cache=shared(redis))
    first = service(settings).wait_ready()
    group = {**settings["kafka"], "group_id": made.name + "-two"}
    second = service(config(made.name, cache=shared(another), kafka=group)).wait_ready()
    memory = service(config(made.name, cache={"stores": [{"name": "shared", "type": "in_memory"}],
                                              "routes": ROUTES})).wait_ready()
    for other in (second, memory):
        for urls in ((url_of(first), url_of(other)), (url_of(other), url_of(first))):
            result = verify(tmp_path / "v", settings, urls[0], "--against", urls[1])
            assert counts(result, "/customers") == {"keys": 2970, "equal": 2970}, result
    tamper(redis)
    for other in (second, memory):
        result = verify(tmp_path / "v", settings, url_of(first), "--against", url_of(other), code=1)
        assert counts(result, "/customers") == {"keys": 2971, "equal": 2968, "only_first": 1, "only_second": 1,
                                                "different": 1}


def test_it_waits_for_a_redis_that_is_away(made, config, service, redis_server, tmp_path):
    redis = redis_server(aof=True)
    settings = config(made.name, cache=shared(redis, timeout="500ms"))
    running = service(settings).wait_ready()
    redis.kill()
    wait_for(lambda: running.client().get("/customers/k0001").status == 503, 60, "503")
    said = verify(tmp_path / "v", settings, url_of(running), "--timeout", "3", code=2)
    assert "503" in said and "--timeout" in said, said
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(verify(tmp_path / "v", settings, url_of(running))))
    thread.start()
    redis.restart()
    thread.join(120)
    assert outcome and outcome[0]["equal"]
