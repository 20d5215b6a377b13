"""A Redis that loses what it has acknowledged: all of it, a part, or the last of it. Every key of the topic is right
again, by itself, and nobody is told otherwise meanwhile."""
import random
import threading
import time

import pytest

from e2e.checking import check_all
from e2e.history import make_seed, soak
from services import wait_for

pytestmark = pytest.mark.faults


def wait_kept(running):
    """Until everything that is in the topic was applied, and the store keeps that it was."""
    def kept():
        parts = running.status()["kafka"]["partitions"]
        return all(part["lag"] == 0 and part["kept"] == part["end"] for part in parts)
    running.wait(kept, "every record to be applied and that to be kept")


def cut_off_replicas(master):
    """What the master acknowledges from now on, its replicas do not get."""
    master.command("ACL", "SETUSER", "default", "-psync", "-sync", "-replconf")
    master.command("CLIENT", "KILL", "TYPE", "replica")
    wait_for(lambda: master.info("replication")["connected_slaves"] == "0", 30, "the replicas to be cut off")


def write_more(writer, history):
    """Changes, new keys and tombstones, each key once."""
    for number in range(0, 1_000):
        writer.write(number, tombstone=number % 5 == 0)
    for number in range(5_000, 5_500):
        writer.write(number)
    writer.flush()


def losses(running):
    """How often the service has noticed that a store had lost what a partition brought."""
    return running.status()["kafka"]["group"]["losses"]


@pytest.mark.timeout(soak(180, 900))
@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "under load"])
def test_restarted_without_persistence(redis_server, filled, watched, busy):
    """It comes back empty. From the moment it is back no read is answered until all has been read again."""
    seed = make_seed()
    redis = redis_server()
    made, history, writer, settings = filled(redis, seed)
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        for _ in range(soak(1, 20)):
            wait_kept(running)
            if busy:
                writer.start(per_second=1000)
            before = losses(running)
            redis.restart()
            running.wait(lambda: losses(running) > before, "the loss to be noticed")
            if busy:
                watcher.wait(1)
                writer.stop()
            check_all(running, made, history)
            running.wait_ready()


@pytest.mark.timeout(soak(180, 900))
@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "under load"])
def test_flushed(redis_server, filled, service, busy):
    """FLUSHALL by an operator: no connection ends, so it takes a moment until it is noticed."""
    seed = make_seed()
    redis = redis_server()
    made, history, writer, settings = filled(redis, seed)
    running = service(settings).wait_ready()
    for _ in range(soak(1, 20)):
        wait_kept(running)
        if busy:
            writer.start(per_second=1000)
        before = losses(running)
        redis.command("FLUSHALL")
        if busy:  # it may be loaded again before anybody asks whether it is ready
            running.wait(lambda: losses(running) > before, "the loss to be noticed")
            writer.stop()
        check_all(running, made, history)
        running.wait_ready()


@pytest.mark.timeout(soak(180, 900))
def test_lost_while_nobody_ran(redis_server, filled, watched):
    """A start does not take it for complete."""
    seed = make_seed()
    redis = redis_server()
    made, history, _, settings = filled(redis, seed)
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        wait_kept(running)
    assert running.stop() == 0
    redis.command("FLUSHALL")
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        check_all(running, made, history, seconds=0)


@pytest.mark.timeout(soak(240, 900))
def test_two_replicas_notice(redis_server, filled, watched):
    """Also the one that reads none of the partitions."""
    seed = make_seed()
    redis = redis_server()
    made, history, _, settings = filled(redis, seed, partitions=1)
    pairs = [watched(settings, history, seed), watched(settings, history, seed + 1)]
    for running, _ in pairs:
        running.wait_ready()
        wait_kept(running)
    redis.restart()
    for running, watcher in pairs:
        # Not that it is not ready: the other one may have loaded all again between two looks at that.
        running.wait(lambda: running.status()["kafka"]["group"]["losses"] > 0, "the loss to be noticed")
        with watcher:
            check_all(running, made, history)
            running.wait_ready()


@pytest.mark.timeout(soak(240, 900))
@pytest.mark.parametrize("how", ["flushed", "restarted"])
def test_one_master_of_a_cluster_lost_its_part(redis_cluster, filled, watched, service, how):
    seed = make_seed()
    cluster = redis_cluster(replicas=0)
    made, history, _, settings = filled(cluster, seed)
    running = service(settings).wait_ready()
    for number in range(soak(1, 12)):
        wait_kept(running)
        master = cluster.masters()[number % 3]
        if how == "flushed":
            master.command("FLUSHALL")
        else:
            master.kill()
            running.wait(lambda: not running.ready(), "the loss to be noticed")
            cluster.start()
        check_all(running, made, history)
        running.wait_ready()


@pytest.mark.timeout(soak(240, 900))
def test_failover_to_a_replica_that_lags(redis_sentinel, filled, watched):
    """The new master has not what the old one acknowledged last: values, new keys and tombstones."""
    seed = make_seed()
    group = redis_sentinel()
    made, history, writer, settings = filled(group, seed)
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        wait_kept(running)
        cut_off_replicas(group.current_master())
        write_more(writer, history)
        check_all(running, made, history)
        wait_kept(running)
        group.failover()
        check_all(running, made, history)
        running.wait_ready()


@pytest.mark.timeout(soak(240, 900))
def test_failover_of_a_cluster_to_a_replica_that_lags(redis_cluster, filled, watched):
    seed = make_seed()
    cluster = redis_cluster()
    made, history, writer, settings = filled(cluster, seed)
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        wait_kept(running)
        cut_off_replicas(cluster.masters()[0])
        write_more(writer, history)
        check_all(running, made, history)
        wait_kept(running)
        cluster.failover(cluster.masters()[0])
        check_all(running, made, history)
        running.wait_ready()


class Hammer:
    """Asks for records over many connections at once, most of them new ones, and keeps what is no truth: no key of
    `records` is absent, nor has it another value."""

    def __init__(self, running, records, threads=8):
        self.running = running
        self.records = list(records.items())
        self.lies = []
        self.counts = {}
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._finished.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number):
        chance = random.Random(number)
        while not self._finished.is_set():
            client = self.running.client()
            for _ in range(chance.choice([1, 1, 1, 20])):
                key, record = chance.choice(self.records)
                answer = client.record("/customers", key)
                self._judge(key, record, answer)
            client.close()

    def _judge(self, key, record, answer):
        right = answer.status == 503 or answer.status == 200 and answer.json() == record
        with self._lock:
            self.counts[answer.status] = self.counts.get(answer.status, 0) + 1
            if not right:
                self.lies.append((round(time.monotonic(), 3), key, answer))


@pytest.mark.timeout(soak(240, 900))
@pytest.mark.parametrize("tells", [True, False], ids=["tells its identity", "does not"])
def test_comes_back_empty_before_anybody_asked(redis_server, filled, service, tells):
    """The service found the store up to date and was asked nothing, so no loop of its HTTP server has a connection
    to Redis: the first ones are made to the empty one."""
    chance = random.Random(make_seed())
    redis = redis_server(config={} if tells else {"user": "default on nopass ~* &* +@all -info"})
    made, history, _, settings = filled(redis, 1, keys=2_000, changes=0)
    records = history.last()
    for _ in range(soak(4, 20)):
        running = service(settings).wait_ready()
        wait_kept(running)
        assert running.stop() == 0
        running = service(settings).wait_ready()
        redis.kill()
        with Hammer(running, records) as hammer:
            time.sleep(chance.choice([0, chance.uniform(0, 0.3)]))  # as long as whoever starts it again takes
            redis.start()
            running.wait(lambda: hammer.counts.get(200, 0) > 0 and running.ready(), "reads to be answered again")
        assert not hammer.lies, (len(hammer.lies), hammer.counts, hammer.lies[:5])
        assert hammer.counts.get(503, 0) > 0, hammer.counts
        check_all(running, made, history)
        assert running.stop() == 0
