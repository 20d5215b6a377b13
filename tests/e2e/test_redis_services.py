"""The Redis servers that other tests rely on: each form starts, holds what it was given, and fails as told."""
import ssl

import pytest
import redis
from redis.exceptions import AskError, MovedError, NoPermissionError, OutOfMemoryError, TryAgainError

from services import Network, wait_for

BINARY = bytes(range(256))


def write(server, keys):
    """Keys with values of their own, acknowledged by a replica where there is one."""
    for key in keys:
        server.command("SET", key, f"value of {key}")
    if server.info("replication")["connected_slaves"] != "0":
        assert server.command("WAIT", 1, 30_000) >= 1


def holds(server, keys):
    assert server.command("MGET", *keys) == [f"value of {key}".encode() for key in keys]


@pytest.mark.parametrize("aof", [True, False])
def test_only_the_append_only_file_outlives_a_kill(redis_server, aof):
    server = redis_server(aof=aof)
    server.command("SET", "a", BINARY)
    assert server.command("GET", "a") == BINARY
    port, pid = server.port, server.process.pid
    server.restart()
    assert server.port == port and server.process.pid != pid
    assert server.command("GET", "a") == (BINARY if aof else None)


def test_settings_are_its_own(redis_server):
    server = redis_server(config={"maxmemory": "3mb", "maxmemory-policy": "noeviction"})
    with pytest.raises(OutOfMemoryError):
        for number in range(100):
            server.command("SET", number, "x" * 100_000)
    assert server.command("GET", 0) == b"x" * 100_000
    assert redis_server().port != server.port


def test_users_may_do_what_theirs_may(redis_server):
    server = redis_server(users=True)
    assert f"cache:cache-secret@{server.address}" in server.store()["url"]
    with server.client(username=None, password=None) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.get("pc:a")
    with server.client("cache") as cache, server.client("reader") as reader:
        assert cache.set("pc:a", "1") and reader.get("pc:a") == b"1"
        for call in (lambda: cache.set("others:a", "1"), cache.flushall, lambda: reader.set("pc:a", "2")):
            with pytest.raises(NoPermissionError):
                call()


@pytest.mark.parametrize("tls", [True, "mutual"])
def test_tls(redis_server, tls):
    server = redis_server(tls=tls)
    write(server, ["a"])
    holds(server, ["a"])
    store = server.store()
    assert store["url"] == f"rediss://{server.address}"
    with server.client(ssl=False) as plain, pytest.raises(redis.ConnectionError):
        plain.ping()
    with server.client(ssl_certfile=None, ssl_keyfile=None) as nameless:
        if tls == "mutual":
            assert store["certificate_file"] and store["key_file"]
            with pytest.raises((redis.ConnectionError, ssl.SSLError)):
                nameless.ping()
        else:
            assert nameless.ping()


def test_a_slow_server_and_a_bad_network(redis_server):
    server = redis_server(proxied=True)
    write(server, ["a"])
    with server.client(socket_timeout=0.2) as client, \
            server.client(port=server.proxy.port, socket_timeout=0.2) as proxied:
        assert client.get("a") == proxied.get("a") == b"value of a"
        server.pause()
        for one in (client, proxied):
            with pytest.raises(redis.TimeoutError):
                one.get("a")
        server.resume()
        wait_for(server.answers, 30, "it to go on")
        server.proxy.network = Network(black_hole=True)
        with pytest.raises(redis.TimeoutError):
            proxied.get("a")
        holds(server, ["a"])
        server.proxy.network = Network()
        server.proxy.cut()
        assert proxied.get("a") == b"value of a"
    assert str(server.proxy.port) in server.store()["url"]


def test_cluster_fails_over(redis_cluster):
    cluster = redis_cluster(aof=True)
    masters = cluster.masters()
    assert len(masters) == 3 and len({cluster.replica_of(master) for master in masters} - set(masters)) == 3
    assert cluster.store()["url"].startswith("redis+cluster://") and cluster.store()["url"].count(",") == 5
    keys = [cluster.key_of(master) for master in masters]
    for key, master in zip(keys, masters):
        write(master, [key])
        assert cluster.owner(cluster.slot_of(key)) is master
    with pytest.raises(MovedError, match=f":{masters[1].port}"):
        masters[0].command("GET", keys[1])
    heir = cluster.replica_of(masters[1])
    assert cluster.failover(masters[1]) is heir
    assert cluster.masters() == [masters[0], heir, masters[2]]
    holds(heir, [keys[1]])
    cluster.start()
    assert cluster.replica_of(heir) is masters[1]
    for server in cluster.servers:  # all at once, as when the power fails
        server.kill()
    cluster.start()
    for key in keys:
        holds(cluster.owner(cluster.slot_of(key)), [key])


@pytest.mark.parametrize("secure", [False, True])
def test_cluster_slots_move(redis_cluster, secure):
    cluster = redis_cluster(replicas=0, tls=secure, users=secure)
    source, target, _ = cluster.masters()
    tag = cluster.key_of(source)
    keys = [f"{{{tag}}}{number}" for number in range(250)]
    write(source, keys)
    slot = cluster.slot_of(keys[0])
    migration = cluster.begin_migration(slot, target)
    migration.move(keys[0], keys[1])
    for error, server, command in ((AskError, source, ("GET", keys[0])), (MovedError, target, ("GET", keys[0])),
                                   (TryAgainError, source, ("MGET", keys[1], keys[2]))):
        with pytest.raises(error):
            server.command(*command)
    with target.client(single_connection_client=True) as client:
        assert client.execute_command("ASKING") and client.get(keys[0]) == f"value of {keys[0]}".encode()
    holds(source, keys[2:])
    migration.finish()
    assert cluster.owner(slot) is target
    holds(target, keys)
    moved = cluster.reshard(target, source, 30)
    assert set(moved) <= set(cluster.slots_of(source)) and not set(moved) & set(cluster.slots_of(target))
    holds(cluster.owner(slot), keys)


def test_sentinels_fail_over(redis_sentinel):
    group = redis_sentinel()
    master = group.current_master()
    assert master is group.servers[0] and len(group.replicas()) == 2
    assert group.store(database=3)["url"].endswith(f"{group.sentinels[2].port}/mymaster/3")
    master.command("SET", "a", "value of a")
    assert master.command("WAIT", 2, 30_000) == 2
    new = group.failover()
    assert new in group.servers[1:] and group.current_master() is new
    holds(new, ["a"])


def test_sentinels_with_tls_and_users(redis_sentinel):
    group = redis_sentinel(tls=True, users=True)
    assert group.store()["url"].startswith("rediss+sentinel://cache:cache-secret@127.0.0.1:")
    write(group.current_master(), ["a"])
    for server in group.replicas():
        wait_for(lambda server=server: server.command("GET", "a") == b"value of a", 30, "the replica to have it")
