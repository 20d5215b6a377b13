"""A Redis Cluster, and a master behind sentinels, that fail over and move their slots while records stream in."""
import pytest

from e2e.checking import check_all
from e2e.history import make_seed, soak
from e2e.pushcache import slow

pytestmark = pytest.mark.faults


def wait_loading(running):
    running.wait(lambda: running.status()["load"]["records_total"] > 0, "the load to begin")
    assert not running.ready(), "the load was over before the fault"


@pytest.mark.timeout(soak(240, 900))
def test_master_of_a_cluster_killed(redis_cluster, filled, watched):
    """During the load, then after it, while records stream in: its replica takes over, and it comes back as one."""
    seed = make_seed()
    cluster = redis_cluster()
    made, history, writer, settings = filled(cluster, seed)
    running, watcher = watched(slow(settings), history, seed)
    with watcher:
        wait_loading(running)
        writer.start(per_second=300)
        for number in range(soak(2, 12)):
            cluster.failover(cluster.masters()[number % 3])
            running.wait_ready()
            cluster.start()
        writer.stop()
        check_all(running, made, history)
    assert watcher.counts[200] > 0, watcher.counts


@pytest.mark.timeout(soak(240, 900))
@pytest.mark.parametrize("when", ["during the load", "after the load"])
def test_slots_move(redis_cluster, filled, watched, when):
    """With their keys, from one master to another, while records stream in and keys are asked for."""
    seed = make_seed()
    cluster = redis_cluster(replicas=0)
    made, history, writer, settings = filled(cluster, seed)
    running, watcher = watched(slow(settings) if when == "during the load" else settings, history, seed)
    with watcher:
        if when == "during the load":
            wait_loading(running)
        else:
            running.wait_ready()
        writer.start(per_second=1000)
        masters = cluster.masters()
        for number in range(soak(3, 30)):
            cluster.reshard(masters[number % 3], masters[(number + 1) % 3], 200)
        running.wait_ready()
        writer.stop()
        check_all(running, made, history)
    assert not watcher.fell(), watcher.changes


@pytest.mark.timeout(soak(240, 600))
def test_slot_that_stays_half_moved(redis_cluster, filled, watched):
    """Some of its keys are with one master, some with the other, for as long as the operator likes."""
    seed = make_seed()
    cluster = redis_cluster(replicas=0)
    made, history, writer, settings = filled(cluster, seed)
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        source, target, _ = cluster.masters()
        moves = [cluster.begin_migration(slot, target) for slot in cluster.slots_of(source)[:50]]
        for move in moves:
            for key in source.command("CLUSTER", "GETKEYSINSLOT", move.slot, 100)[::2]:
                move.move(key)
        writer.start(per_second=1000)
        watcher.wait(soak(1, 30))
        writer.stop()
        check_all(running, made, history)
        for move in moves:
            move.finish()
        check_all(running, made, history)


@pytest.mark.timeout(soak(240, 900))
def test_sentinels_fail_over(redis_sentinel, filled, watched):
    """The master is killed during the load, then the next one after it, while records stream in."""
    seed = make_seed()
    group = redis_sentinel()
    made, history, writer, settings = filled(group, seed)
    running, watcher = watched(slow(settings), history, seed)
    with watcher:
        wait_loading(running)
        writer.start(per_second=300)
        for number in range(soak(2, 10)):
            group.failover()
            running.wait_ready()
            if soak(False, True):
                group.start()
        writer.stop()
        check_all(running, made, history)
    assert watcher.counts[200] > 0, watcher.counts
