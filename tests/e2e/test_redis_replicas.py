"""Two services of one group with one Redis: writes raced from both, and either one killed at any moment."""
import random
import threading

import pytest

from e2e.checking import check_all
from e2e.history import key_of, make_seed, soak
from e2e.producing import CUSTOMER, customer
from e2e.pushcache import slow
from services import wait_for

pytestmark = pytest.mark.faults


@pytest.fixture(params=["single", "cluster"])
def one_redis(request, redis_server, redis_cluster):
    return redis_server() if request.param == "single" else redis_cluster(replicas=0)


@pytest.fixture
def two(filled, service):
    """Two services that are ready: topic, history, writer, services = two(redis, seed)."""
    def start(redis, seed):
        made, history, writer, settings = filled(redis, seed, keys=500, changes=500)
        settings["kafka"]["preload_schemas"] = [made.id_of(CUSTOMER)]  # one may get no partition
        services = [service(settings), service(settings)]
        for running in services:
            running.wait_ready()
        return made, history, writer, services
    return start


def race(services, work, each=2):
    """Runs work(client, number) for `each` clients of each service, all at once."""
    faults = []

    def run(running, number):
        try:
            work(running.client(), number)
        except Exception as fault:  # raised below
            faults.append(fault)
    threads = [threading.Thread(target=run, args=(running, place * each + number), daemon=True)
               for place, running in enumerate(services) for number in range(each)]
    for thread in threads:
        thread.start()
    return threads, faults


def end(threads, faults):
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads), "a client waits for ever"
    if faults:
        raise faults[0]


@pytest.mark.timeout(soak(180, 600))
def test_one_post_of_many_wins(one_redis, two):
    """For every key exactly one 201, and its record is what both serve; 409 for the others."""
    made, history, _, services = two(one_redis, make_seed())
    keys = [f"posted {number}" for number in range(soak(300, 5_000))]
    start, answers = threading.Barrier(4), {key: {} for key in keys}

    def post(client, number):
        for key in keys:
            start.wait(60)
            answers[key][number] = client.request("POST", "/customers", customer(number, accountId=key)).status
    end(*race(services, post))
    for key in keys:
        assert sorted(answers[key].values()) == [201, 409, 409, 409], (key, answers[key])
        winner = next(number for number, status in answers[key].items() if status == 201)
        for running in services:
            assert running.api.record("/customers", key).json() == customer(winner, accountId=key)
    for key in keys:
        assert services[1].api.request("DELETE", f"/customers/{key.replace(' ', '%20')}").status == 200
    for running in services:
        check_all(running, made, history)


@pytest.mark.timeout(soak(180, 600))
def test_posts_and_deletes_raced(one_redis, two):
    """Each key is added and removed in turns, whoever does it; and what Kafka brings after that is what counts."""
    seed = make_seed()
    made, history, writer, services = two(one_redis, seed)
    keys = [f"raced{number}" for number in range(10)]
    done = {key: [] for key in keys}  # 1 for each that was added, -1 for each that was removed
    finished = threading.Event()

    def change(client, number):
        chance = random.Random(seed + number)
        for _ in range(soak(500, 20_000)):
            key = chance.choice(keys)
            if chance.random() < 0.5:
                status = client.request("POST", "/customers", customer(number, accountId=key)).status
                assert status in (201, 409), (key, status)
            else:
                status = client.request("DELETE", f"/customers/{key}").status
                assert status in (200, 404), (key, status)
            done[key] += {201: [1], 200: [-1]}.get(status, [])
    end(*race(services, change))
    for key in keys:
        present = {running.api.record("/customers", key).status for running in services}
        assert present == {200 if sum(done[key]) else 404} and sum(done[key]) in (0, 1), (key, present, done[key])
        assert len(done[key]) > 10, "nothing was raced"

    def disturb(client, number):
        chance = random.Random(seed - number)
        while not finished.is_set():
            key = key_of(chance.randrange(50))
            client.request("POST", "/customers", customer(number, accountId=key))
            client.request("DELETE", f"/customers/{key}")
    threads, faults = race(services, disturb)
    for _ in range(soak(20, 200)):
        for number in range(50):
            writer.write(number, tombstone=number % 3 == 0)
        writer.flush()
    finished.set()
    end(threads, faults)
    for number in range(50):
        writer.write(number, tombstone=number % 2 == 0)
    writer.flush()
    for key in keys:
        services[0].api.request("DELETE", f"/customers/{key}")
    for running in services:
        check_all(running, made, history)


@pytest.mark.timeout(soak(240, 1800))
def test_killed_at_random_moments(redis_server, filled, watched):
    """Either of two, during the load and after it, while records stream in: whoever takes over has all of it."""
    seed = make_seed()
    chance = random.Random(seed)
    made, history, writer, settings = filled(redis_server(), seed, changes=soak(10_000, 50_000))
    slow(settings)
    writer.start(per_second=500)
    pairs = [watched(settings, history, seed), watched(settings, history, seed + 1)]
    wait_for(lambda: any(running.status()["load"]["records_total"] for running, _ in pairs), 60, "the load to begin")
    assert not any(running.ready() for running, _ in pairs), "the load was over before the fault"
    for number in range(soak(5, 50)):
        which = chance.randrange(2)
        running, watcher = pairs[which]
        watcher.wait(chance.choice([0.2, 1, 3]) * chance.random())
        assert running.kill() == -9
        watcher.stop()
        pairs[which] = watched(settings, history, seed + 2 + number)
    for running, _ in pairs:
        running.wait_ready(120)
    writer.stop()
    for running, watcher in pairs:
        with watcher:
            check_all(running, made, history, seconds=90)
            assert watcher.counts[200] > 0, watcher.counts
