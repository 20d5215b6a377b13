"""What others write under the store's prefix in Redis: no key answers 404 for it, and nothing waits for it."""
import pytest

from e2e.checking import check_all
from e2e.history import key_of, soak

KINDS = {
    "list": ("LPUSH", "x"),
    "set": ("SADD", "x"),
    "zset": ("ZADD", "1", "x"),
    "stream": ("XADD", "*", "field", "x"),
    "hash": ("HSET", "field", "x"),
    "string": ("SET", "x" * 50),
    "short": ("SET", "x"),
    "empty": ("SET", ""),
}


@pytest.mark.timeout(soak(180, 300))
@pytest.mark.parametrize("clustered", [False, True], ids=["single", "cluster"])
def test_records_take_their_places(redis_server, redis_cluster, filled, service, clustered):
    redis = redis_cluster(replicas=0) if clustered else redis_server()
    made, history, writer, settings = filled(redis, 1, keys=500, changes=0, partitions=1)
    running = service(settings).wait_ready()
    present = [number for number in range(500) if history.states[key_of(number)][-1] is not None][:len(KINDS) * 2]
    for number, kind in zip(present, [*KINDS] * 2):
        command, *rest = KINDS[kind]
        name = f"pc:{key_of(number)}"
        server = redis.owner(redis.slot_of(name)) if clustered else redis
        server.command("DEL", name)
        server.command(command, name, *rest)
        answer = running.api.record("/customers", key_of(number))
        assert answer.status == 500, (kind, answer)
        answer = running.api.request("DELETE", f"/customers/{key_of(number)}")
        assert answer.status == 500, (kind, answer)
        assert server.command("EXISTS", name) == 1, kind
    # Once: what recurs is not logged each time.
    assert f'key "{key_of(present[0])}"' in running.logged()
    for at, number in enumerate(present):
        writer.write(number, tombstone=at >= len(KINDS))
    for number in range(500, 600):  # behind them, in the same partition
        writer.write(number)
    writer.flush()
    check_all(running, made, history)


@pytest.mark.timeout(soak(180, 300))
@pytest.mark.parametrize("own", ["positions", "schemas"])
def test_own_keys_are_named(redis_server, filled, service, own):
    """While it runs, and at a start: it waits for the operator, and goes on by itself then."""
    redis = redis_server()
    made, history, _, settings = filled(redis, 1, keys=500, changes=0)
    running = service(settings).wait_ready()
    name, shown = b"pc:\xff" + own.encode(), rf"pc:\xff{own}"

    def named():
        return not running.ready() and shown in running.reasons()
    redis.command("SET", name, "x")
    running.wait(named, "the key to be named")
    if own == "positions":
        assert running.api.record("/customers", key_of(1)).status == 503
    assert running.stop() == 0
    running = service(settings)
    running.wait(named, "the key to be named at the start")
    redis.command("DEL", name)
    running.wait_ready()
    check_all(running, made, history)
