"""Nothing that is slow holds up what is not: clients, lists, brokers, a topic larger than memory."""
import pathlib
import re
import socket
import time

import pytest

from e2e.checking import check_truth
from e2e.clients import Crowd, address_of, listing_slowly, raise_open_files
from e2e.history import History, Writer, key_of, make_seed, soak
from e2e.producing import Kafka, customer
from e2e.pushcache import slow
from services import Network

pytestmark = pytest.mark.faults


def test_whole_lists_do_not_starve_point_reads_nor_what_streams_in(topic, config, watched):
    """Two readers of whole lists at full speed; single keys are asked for meanwhile, and records stream in."""
    seed = make_seed()
    history = History()
    made = topic(partitions=4)
    writer = Writer(made, history, seed, keys=50_000).fill()
    running, watcher = watched(config(made.name), history, seed)
    lists, times = [], []

    def list_all(_, finished):
        answer = running.client().get("/customers")
        assert answer.status == 200
        lists.append(len(answer.json()))
    with watcher:
        running.wait_ready()
        crowd = Crowd()
        for number in range(2):
            crowd.add(list_all, number)
        try:
            writer.start()
            client = running.client()
            until = time.monotonic() + soak(3, 60)
            while time.monotonic() < until:
                started = time.monotonic()
                assert client.record("/customers", key_of(len(times) % 50_000)).status in (200, 404)
                times.append(time.monotonic() - started)
            writer.stop()
            started = time.monotonic()
            check_truth(running, made, seconds=20)
            print(f"caught up {time.monotonic() - started:.2f} s after the last record")
        finally:
            crowd.stop()
    times.sort()
    print(f"{len(lists)} whole lists; {len(times)} point reads beside them, p50 {times[len(times) // 2] * 1e3:.2f} ms, "
          f"p99 {times[len(times) * 99 // 100] * 1e3:.2f} ms, the longest {times[-1] * 1e3:.1f} ms")
    assert lists and times[len(times) * 99 // 100] < 0.5


def test_slow_readers_stall_nobody_and_hold_little(topic, config, watched):
    """Readers that take a long list in drops, and some that take nothing of it."""
    seed = make_seed()
    history = History()
    made = topic(partitions=2)
    Writer(made, history, seed, keys=50_000).fill()
    running, watcher = watched(config(made.name), history, seed)
    with watcher:
        running.wait_ready()
        url = running.addresses()["api"]
        before = running.resident_bytes()
        address, prefix = address_of(url)
        stuck = []
        for _ in range(200):
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect(address)
            one.sendall(f"GET {prefix}/customers HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 20)
            stuck.append(one)
        crowd = Crowd()
        for number in range(4):
            crowd.add(listing_slowly(url), number)
        try:
            asked = sum(watcher.counts.values())
            running.wait(lambda: sum(watcher.counts.values()) > asked + 2_000, "answers beside them")
            check_truth(running, made)
            held = running.resident_bytes() - before
        finally:
            crowd.stop()
            for one in stuck:
                one.close()
    print(f"{held / 2**20:.1f} MiB held for 200 stuck readers of lists of {50_000 * 10 / 2**20:.1f} MiB")
    assert held < 64 * 2**20


@pytest.mark.timeout(240)
def test_one_slow_partition_does_not_hold_up_the_others(own_cluster, registry, name, config, service):
    """3 brokers, the way to one of them is a trickle: the partitions that others lead are loaded, and their records
    come in at once; it is not ready, and says which partition is missing."""
    seed = make_seed()
    cluster = own_cluster(nodes=3, proxied=True).start()
    made = Kafka(cluster.bootstrap(), registry).create(name, 3)
    history = History()
    writer = Writer(made, history, seed, keys=9_000).fill(changes=20_000)
    leaders = [part.leader for part in made.kafka.admin.list_topics(timeout=30).topics[name].partitions.values()]
    assert len(set(leaders)) == 3, leaders
    node = next(node for node in cluster.nodes if node.number == leaders[0])
    node.proxy.network = Network(rate=4_000)
    settings = config(name, webservice={"serve_while_loading": True})
    settings["kafka"]["brokers"] = cluster.bootstrap("PROXIED")
    running = service(slow(settings))

    def loaded():
        found = {part["partition"]: part["state"] for part in running.status()["kafka"]["partitions"]}
        return found.get(1) == found.get(2) == "caught_up" and found
    found = running.wait(loaded, "the other partitions to be loaded", 120)
    assert found[0] != "caught_up" and not running.ready()
    assert f"{name}/0" in running.reasons() and f"{name}/1" not in running.reasons()
    writer.write(1)
    writer.flush()
    running.wait_record("/customers", key_of(1), history.last()[key_of(1)], seconds=10)
    node.proxy.network = Network()
    running.wait_ready(120)
    check_truth(running, made)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("partitions", [1, 16])
def test_replay_of_a_topic_larger_than_the_memory_it_may_take(topic, config, service, partitions):
    """Hundreds of megabytes of a few keys: what is read ahead is capped, however many partitions there are."""
    made = topic(partitions=partitions)
    keys, size, rounds = 64, 20_000, soak(150, 1_000)
    for round_ in range(rounds):
        for number in range(keys):
            made.put(key_of(number), customer(number, address=f"{round_} " + "x" * size), partition=number % partitions)
        made.kafka.producer.poll(0)
    made.flush()
    written = keys * size * rounds
    running = service(config(made.name)).wait_ready(120)
    status = pathlib.Path(f"/proc/{running.process.pid}/status").read_text()
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024
    print(f"{written / 2**20:.0f} MiB read, {keys * size / 2**20:.1f} MiB kept; the most resident {peak / 2**20:.0f} MiB")
    check_truth(running, made)
    assert peak < 128 * 2**20


def test_thousands_of_idle_clients_stall_nobody(topic, config, watched):
    """They send half a request and say no more, or nothing at all; others are answered as if they were not there."""
    seed = make_seed()
    history = History()
    made = topic()
    Writer(made, history, seed, keys=1_000).fill()
    running, watcher = watched(config(made.name), history, seed)
    with watcher:
        running.wait_ready()
        address, prefix = address_of(running.addresses()["api"])
        raise_open_files(5_000)
        idle = [socket.create_connection(address, 30) for _ in range(3_000)]
        try:
            for one in idle[::2]:
                one.sendall(f"GET {prefix}/custo".encode())
            asked = sum(watcher.counts.values())
            started = time.monotonic()
            running.wait(lambda: sum(watcher.counts.values()) > asked + 5_000, "answers beside them")
            print(f"5,000 answers in {time.monotonic() - started:.2f} s")
        finally:
            for one in idle:
                one.close()
