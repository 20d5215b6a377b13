"""A Redis that is killed, cut off, slow, or full, while records stream in and while the service serves."""
import random
import time

import pytest

from e2e.checking import check_all
from e2e.history import key_of, make_seed, soak
from e2e.producing import customer
from e2e.pushcache import slow
from services import Network, wait_for

pytestmark = pytest.mark.faults

TIMEOUT = 0.5  # of one command: what the fixture `filled` sets
BUSY = 5  # seconds that a busy machine may add to it


def wait_loading(running):
    """Until some of the load is done, but not all."""
    running.wait(lambda: running.status()["load"]["records_total"] > 0, "the load to begin")
    assert not running.ready(), "the load was over before the fault"


def check_refusals(running):
    """Reads answer 503 with Retry-After, within the store's time-out."""
    client = running.client()
    for path in (f"/customers/{key_of(1)}", "/customers/none", "/customers"):
        began = time.monotonic()
        answer = client.get(path)
        assert answer.status == 503 and answer.headers["Retry-After"], (path, answer)
        assert time.monotonic() - began < TIMEOUT + BUSY, path
    client.close()


def wait_refused(running):
    """Until ready says that Redis is at fault and ingest says that it waits for it."""
    running.wait_waiting("Redis")
    running.wait(lambda: running.status()["kafka"]["group"]["store_error"], "ingest to wait for the store")
    status = running.status()
    assert any(part["state"] == "waiting_for_store" for part in status["kafka"]["partitions"]), status
    assert sum(status["records"]["bad"].values()) == 0, status


@pytest.mark.timeout(soak(180, 900))
def test_killed_at_random_moments_under_load(redis_server, filled, watched):
    """With an append-only file, during the load and after it, while records stream in."""
    seed = make_seed()
    chance = random.Random(seed)
    redis = redis_server(aof=True)
    made, history, writer, settings = filled(redis, seed, changes=soak(6_000, 50_000))
    running, watcher = watched(slow(settings), history, seed)
    with watcher:
        wait_loading(running)
        writer.start(per_second=500)
        for round_ in range(soak(5, 60)):
            if round_ == soak(3, 20):
                running.wait_ready()
            watcher.wait(chance.uniform(0, 0.5))
            redis.kill()
            watcher.wait(chance.uniform(0, 1.5))
            redis.start()
        running.wait_ready()
        writer.stop()
        check_all(running, made, history)
    assert running.status()["records"]["store_errors"] > 0
    assert watcher.counts[200] > 0 and watcher.counts[503] > 0, watcher.counts


GONE = {"black hole": Network(black_hole=True), "refused": Network(refuse=True)}


@pytest.mark.timeout(soak(180, 600))
@pytest.mark.parametrize("way", GONE)
def test_network_gone_during_the_load_and_after(redis_server, filled, watched, way):
    """Ingest waits and goes on; reads are refused in time, and ready says why."""
    seed = make_seed()
    redis = redis_server(proxied=True)
    made, history, writer, settings = filled(redis, seed)
    running, watcher = watched(slow(settings), history, seed)
    with watcher:
        wait_loading(running)
        writer.start(per_second=500)
        for round_ in range(soak(2, 10)):
            redis.proxy.network = GONE[way]
            redis.proxy.cut()
            wait_refused(running)
            check_refusals(running)
            watcher.wait(soak(0.5, 20))
            assert not running.ready()
            redis.proxy.network = Network()
            redis.proxy.cut()
            running.wait_ready()
        writer.stop()
        check_all(running, made, history)


BAD = {
    "delay": Network(delay=0.1),
    "trickle": Network(rate=1_000_000),
    "cut": Network(cut_after=20_000),
}


@pytest.mark.timeout(soak(180, 600))
@pytest.mark.parametrize("kind", BAD)
def test_bad_network(redis_server, filled, watched, kind):
    """From the start on, and while records stream in: late, but true and complete."""
    seed = make_seed()
    redis = redis_server(proxied=True)
    made, history, writer, settings = filled(redis, seed, keys=2_000, changes=2_000)
    redis.proxy.network = BAD[kind]
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        writer.start(per_second=200)
        watcher.wait(soak(2, 60))
        writer.stop()
        wait_applied(running)
        redis.proxy.network = Network()
        check_all(running, made, history)
    assert redis.proxy.connections > (5 if kind == "cut" else 0)


def wait_applied(running):
    running.wait(lambda: all(part["lag"] == 0 for part in running.status()["kafka"]["partitions"]),
                 "every record to be applied")


@pytest.mark.timeout(180)
def test_network_too_slow_for_a_batch_within_the_time_out(redis_server, filled, watched):
    """What is read at once needs several times the time-out to get through: the load takes its time, but it ends."""
    seed = make_seed()
    redis = redis_server(proxied=True)
    made, history, _, settings = filled(redis, seed, keys=2_000, changes=2_000)
    redis.proxy.network = Network(rate=250_000)
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready(60)
        redis.proxy.network = Network()
        check_all(running, made, history)


@pytest.mark.timeout(soak(180, 600))
def test_connections_cut_at_random(redis_server, filled, watched):
    seed = make_seed()
    chance = random.Random(seed)
    redis = redis_server(proxied=True)
    made, history, writer, settings = filled(redis, seed)
    running, watcher = watched(slow(settings), history, seed)
    with watcher:
        wait_loading(running)
        writer.start(per_second=500)
        for _ in range(soak(20, 500)):
            watcher.wait(chance.uniform(0, 0.3))
            redis.proxy.cut()
        running.wait_ready()
        writer.stop()
        check_all(running, made, history)


@pytest.mark.timeout(soak(180, 600))
def test_stopped_and_resumed(redis_server, filled, watched):
    """By SIGSTOP: it accepts connections, and answers nothing."""
    seed = make_seed()
    redis = redis_server()
    made, history, writer, settings = filled(redis, seed)
    running, watcher = watched(slow(settings), history, seed)
    with watcher:
        wait_loading(running)
        writer.start(per_second=500)
        for _ in range(soak(2, 30)):
            redis.pause()
            wait_refused(running)
            check_refusals(running)
            redis.resume()
            running.wait_ready()
        writer.stop()
        check_all(running, made, history)


@pytest.mark.timeout(soak(180, 600))
def test_busy_for_longer_than_the_time_out(redis_server, filled, watched):
    """With one command of a client, in which time it does nothing else."""
    seed = make_seed()
    redis = redis_server()
    made, history, writer, settings = filled(redis, seed)
    running, watcher = watched(slow(settings), history, seed)
    with watcher:
        for loaded in [False, True] * soak(1, 10):
            if loaded:
                running.wait_ready()
            else:
                wait_loading(running)
            writer.start(per_second=500)
            redis.command("DEBUG", "SLEEP", 2)
            writer.stop()
        running.wait(watcher.fell, "ready to have fallen")
        running.wait_ready()
        check_all(running, made, history)


@pytest.mark.timeout(soak(180, 600))
def test_writes_paused(redis_server, filled, watched):
    """By CLIENT PAUSE, as an operator does before a failover: ingest waits, and reads are answered."""
    seed = make_seed()
    redis = redis_server()
    made, history, writer, settings = filled(redis, seed)
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        for _ in range(soak(2, 20)):
            redis.command("CLIENT", "PAUSE", 600_000, "WRITE")
            writer.start(per_second=500)
            running.wait(lambda: running.status()["kafka"]["group"]["store_error"], "ingest to wait")
            answered = watcher.counts[200]
            running.wait(lambda: watcher.counts[200] > answered + 200, "reads to be answered")
            redis.command("CLIENT", "UNPAUSE")
            writer.stop()
            check_all(running, made, history)
        running.wait_ready()


def used_memory(redis):
    return int(redis.info("memory")["used_memory"])


def set_memory(redis, size):
    redis.command("CONFIG", "SET", "maxmemory", size)


@pytest.mark.timeout(soak(180, 600))
def test_out_of_memory_during_the_load(redis_server, filled, watched):
    """Writes are refused: ingest waits, and ready says for what. With more memory it goes on."""
    seed = make_seed()
    redis = redis_server(config={"maxmemory-policy": "noeviction"})
    made, history, _, settings = filled(redis, seed)
    set_memory(redis, used_memory(redis) + 500_000)
    running, watcher = watched(settings, history, seed)
    with watcher:
        wait_refused(running)
        running.wait_waiting("maxmemory")
        assert "maxmemory" in running.status()["kafka"]["group"]["store_error"]["error"]
        assert running.api.record("/customers", key_of(1)).status == 503
        set_memory(redis, 0)
        running.wait_ready()
        check_all(running, made, history)
    assert running.status()["kafka"]["group"]["store_error"] is None


@pytest.mark.timeout(soak(180, 600))
def test_out_of_memory_while_serving(redis_server, filled, watched):
    """What is there is served as before, and removed when asked; new records wait, and a POST gets 503."""
    seed = make_seed()
    redis = redis_server(config={"maxmemory-policy": "noeviction"})
    made, history, writer, settings = filled(redis, seed, keys=1_000, changes=1_000)
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        check_all(running, made, history)
        set_memory(redis, used_memory(redis) - 100_000)
        before = history.last()
        writer.start(per_second=500)
        running.wait(lambda: running.status()["kafka"]["group"]["store_error"], "ingest to wait for the store")
        status = running.status()
        assert "maxmemory" in status["kafka"]["group"]["store_error"]["error"]
        assert any(part["state"] == "waiting_for_store" and part["lag"] > 0 for part in status["kafka"]["partitions"])
        post = running.api.request("POST", "/customers", customer(1, accountId="posted"))
        assert post.status == 503 and post.headers["Retry-After"] and b"maxmemory" in post.body
        answered = watcher.counts[200]
        running.wait(lambda: watcher.counts[200] > answered + 200, "reads to be answered")
        assert running.api.record("/customers", "none").status == 404
        assert len(before) > 500 and running.client().get("/customers").status == 200
        set_memory(redis, 0)
        writer.stop()
        check_all(running, made, history)
        running.wait_ready()


@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru", "volatile-ttl"])
def test_a_policy_that_evicts_is_warned_of(redis_server, filled, service, policy):
    redis = redis_server(config={"maxmemory-policy": policy})
    _, _, _, settings = filled(redis, make_seed(), keys=100, changes=0)
    running = service(settings).wait_ready()
    warned = f"maxmemory-policy {policy}"
    if policy == "noeviction":
        # It is asked for right after the connection, which the load needed.
        assert warned not in running.logged()
    else:
        running.wait(lambda: warned in running.logged(), "the warning", 10)
