"""Load together with faults: wrk at full speed while records stream in, connections are cut and clients trickle."""
import time

import pytest

from e2e.checking import check_truth, path_of
from e2e.clients import Crowd, Idle, Memory, Wrk, cutting, listing_slowly, trickling
from e2e.history import History, Writer, key_of, make_seed, soak
from e2e.producing import Kafka
from services import Network

pytestmark = pytest.mark.faults

SECONDS = soak(20, 600)
IDLE = soak(2_000, 10_000)
STEADY = 20_000  # keys below are never removed, so that wrk may count every 404 as wrong


@pytest.mark.timeout(soak(180, 1200))
def test_load_with_faults(own_cluster, registry, name, config, watched, tmp_path, capsys):
    """No wrong answer, resident memory flat, the p99 reported, and idle connections still answered at the end."""
    seed = make_seed()
    cluster = own_cluster(proxied=True).start()
    topic = Kafka(cluster.bootstrap(), registry).create(name, 4)
    history = History()
    writers = [Writer(topic, history, seed, keys=STEADY, tombstones=0),
               Writer(topic, history, seed + 1, keys=STEADY, first=STEADY, tombstones=0.3)]
    for writer in writers:
        writer.fill(changes=STEADY)
    settings = config(name)
    settings["kafka"]["brokers"] = cluster.bootstrap("PROXIED")
    running, watcher = watched(settings, history, seed)
    crowd, idle = Crowd(), None
    with watcher:
        running.wait_ready(60)
        url = running.addresses()["api"]
        paths = [path_of("/customers", key_of(number)) for number in range(STEADY)]
        try:
            idle = Idle(url, IDLE, paths[0])
            assert idle.ask() == IDLE
            for writer in writers:
                writer.start(per_second=1_000)
            for number in range(4):
                crowd.add(cutting(url, paths), seed + number)
                crowd.add(trickling(url, key_of(number)), seed + number)
            crowd.add(listing_slowly(url), seed)
            memory = Memory(running)
            wrk = Wrk(tmp_path, url, paths, seed, seconds=SECONDS)
            asked = time.monotonic()
            while wrk.running():
                watcher.wait(2)
                if time.monotonic() - asked > 60:  # the service closes what says nothing for two minutes
                    assert idle.ask() == IDLE
                    asked = time.monotonic()
                assert watcher.fault is None, watcher.fault
                cluster.cut_connections()  # Kafka's, too
            middle, last = memory.stop()
            crowd.stop()
            for writer in writers:
                writer.stop()
            cluster.set_network(Network())
            check_truth(running, topic, seconds=60)
            answered = idle.ask()
        finally:
            crowd.stop()
            if idle:
                idle.close()
        result = wrk.result()
    written = sum(writer.written for writer in writers)
    with capsys.disabled():
        print(f"\n  {SECONDS} s: {result['per_second']:,.0f} requests/s, p50 {result['p50'] * 1e3:.2f} ms, "
              f"p99 {result['p99'] * 1e3:.2f} ms; {sum(watcher.counts.values()):,} answers held against the truth; "
              f"{written:,} records written; beside it {crowd.done} and {IDLE:,} idle connections; "
              f"RSS {middle / 2**20:.1f} MiB in the middle third, {last / 2**20:.1f} in the last", flush=True)
    assert result["wrong"] == 0 and result["socket_errors"] == 0, result
    assert result["requests"] > 1_000 * SECONDS
    assert answered == IDLE, "idle connections that do not answer any more"
    assert last < middle * 1.05 + 4 * 2**20, f"memory grows: {middle} then {last} bytes"
    assert all(crowd.done.get(what, 0) > 0 for what in ("cut", "trickle", "list_slowly")), crowd.done
    assert not watcher.fell(), watcher.changes
