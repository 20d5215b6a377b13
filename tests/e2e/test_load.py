"""The load of what is there at the start: never an early answer, whatever happens during it."""
import random
import threading

import pytest

from e2e.producing import CUSTOMER, customer
from e2e.pushcache import slow

COUNT = 100_000  # keys; each is written twice


@pytest.fixture(scope="module")
def large(kafka, request):
    """A topic of 200,000 records and some tombstones; the truth is in the last record of each key alone."""
    made = kafka.create("large", 4)
    for number in range(COUNT):
        made.put(key_of(number), customer(number, name="old"))
    for number in range(COUNT):
        made.put(key_of(number), truth(number))
    made.flush()
    return made


def key_of(number):
    return f"C{number:07}"


def truth(number):
    return None if number % 10 == 0 else customer(number, name="new")


def check_samples(running, seed):
    print("seed", seed)
    chance = random.Random(seed)
    for number in (chance.randrange(COUNT) for _ in range(2000)):
        assert_true(running.api.record("/customers", key_of(number)), number)


def assert_true(answer, number):
    expected = truth(number)
    if expected is None:
        assert answer.status == 404, (number, answer)
    else:
        assert answer.status == 200, (number, answer)
        assert answer.json() == expected


@pytest.mark.parametrize("pace", ["quick", "slow"])
def test_no_false_404_and_no_old_value_during_the_load(large, config, service, pace):
    """Polled hard from its first moment: 503 with Retry-After, or the truth; "ready" only with everything."""
    settings = config(large.name)
    running = service(slow(settings) if pace == "slow" else settings)
    counts = {"early": 0, "true": 0}
    faults = []
    finished = threading.Event()

    def poll(seed):
        client = running.client()
        chance = random.Random(seed)
        try:
            while not finished.is_set():
                if chance.random() < 0.02:
                    answer = client.get("/customers?limit=1")
                    if answer.status != 503:
                        assert answer.status == 200 and answer.json() == [key_of(1)], answer
                else:
                    number = chance.randrange(COUNT)
                    answer = client.record("/customers", key_of(number))
                    if answer.status != 503:
                        assert_true(answer, number)
                if answer.status == 503:
                    assert int(answer.headers["Retry-After"]) > 0
                    assert answer.json()["message"]
                counts["early" if answer.status == 503 else "true"] += 1
        except Exception as fault:  # shown by the test itself
            faults.append(fault)

    threads = [threading.Thread(target=poll, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    try:
        running.wait_ready()
        assert len(running.keys("/customers")) == COUNT - COUNT // 10
        before = counts["true"]
        running.wait(lambda: counts["true"] > before + 500 or faults, "answers after ready")
    finally:
        finished.set()
        for thread in threads:
            thread.join(60)
    assert not faults, faults[0]
    assert counts["early"] > 0, counts
    check_samples(running, random.randrange(10**9))


def test_killed_during_the_load_and_started_again(large, config, service):
    settings = slow(config(large.name))
    running = service(settings)
    running.wait(lambda: running.status()["load"]["records_total"] > 0, "the load to begin")
    assert not running.ready()
    assert running.kill() == -9
    running = service(config(large.name)).wait_ready()
    assert len(running.keys("/customers")) == COUNT - COUNT // 10
    check_samples(running, random.randrange(10**9))


def test_sigterm_during_the_load(large, config, service):
    running = service(slow(config(large.name)))
    running.wait(lambda: running.status()["load"]["records_total"] > 0, "the load to begin")
    assert running.stop(20) == 0


def test_progress_of_the_load_shows(large, config, service):
    running = service(slow(config(large.name)))
    seen = []

    def progress():
        seen.append(running.status())
        return seen[-1]["load"]["records_per_second"] > 0
    running.wait(progress, "a rate")
    status = seen[-1]
    assert status["state"] == "loading" and not status["ready"] and status["reasons"], status
    assert status["load"]["records_total"] > 0 and status["load"]["eta_seconds"] > 0, status
    assert any(part["state"] == "loading" and 0 < part["position"] < part["target"]
               and part["lag"] > 0 for part in status["kafka"]["partitions"]), status


@pytest.mark.parametrize("early", [True, False])
def test_serve_while_loading(topic, config, service, gate, early):
    """One partition cannot go on, since the registry is away; the other's records are answered if so configured."""
    newer = {**CUSTOMER, "fields": [*CUSTOMER["fields"], {"name": "tier", "type": "int", "default": 0}]}
    stuck = customer(1, tier=2)
    made = topic(partitions=2)
    made.put("stuck", stuck, newer, partition=0)
    made.put("here", customer(2), partition=1)
    made.flush()
    settings = config(made.name, webservice={"serve_while_loading": early}, startup_checks={"enabled": False})
    settings["kafka"]["schema_registry_url"] = gate.url
    settings["kafka"]["preload_schemas"] = [made.id_of(CUSTOMER)]
    gate.only = [made.id_of(CUSTOMER)]
    running = service(settings)
    running.wait_waiting("schema")
    running.wait(lambda: running.status()["stores"][0]["records"] == 1, "the other partition")
    answer = running.api.record("/customers", "here")
    if early:
        assert answer.status == 200 and answer.json() == customer(2)
        assert running.api.record("/customers", "stuck").status == 503  # not 404: it is in the topic
    else:
        assert answer.status == 503
    gate.only = None
    running.wait_ready()
    running.check_all("/customers", {"stuck": stuck, "here": customer(2)})


def test_two_replicas_of_one_group_are_each_whole(large, config, service):
    settings = config(large.name)
    first, second = service(settings), service(settings)
    for running in (first, second):
        running.wait_ready()
        assert len(running.keys("/customers")) == COUNT - COUNT // 10
        check_samples(running, random.randrange(10**9))


def test_restart_misses_nothing(large, topic, config, service):
    settings = config(large.name)
    running = service(settings).wait_ready()
    before = running.keys("/customers")
    assert running.stop() == 0
    running = service(settings).wait_ready()
    assert running.keys("/customers") == before
    check_samples(running, random.randrange(10**9))
