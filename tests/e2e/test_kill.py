"""The service is killed (-9) at random moments, and started again."""
import random

import pytest

from e2e.checking import check_truth
from e2e.history import History, Writer, make_seed, soak
from e2e.pushcache import slow

pytestmark = pytest.mark.faults


@pytest.mark.timeout(soak(180, 1800))
def test_service_killed_at_random_moments(topic, config, watched):
    """Before, during and after the load, while records stream in: no start ever answers too early, and the last
    one has everything."""
    seed = make_seed()
    chance = random.Random(seed)
    history = History()
    made = topic(partitions=4)
    writer = Writer(made, history, seed).fill(changes=20_000).start(per_second=1000)
    seen = {True: 0, False: 0}
    for number in range(soak(6, 50)):
        settings = config(made.name)
        running, watcher = watched(slow(settings) if number % 2 else settings, history, seed + number)
        if number % 3 == 2:
            running.wait_ready()
        elif number % 2:
            running.wait(lambda: running.status()["load"]["records_total"] > 0, "the load to begin")
        watcher.wait(chance.choice([0, 0.2, 0.5, 2]) * chance.random())
        seen[running.ready()] += 1
        assert running.kill() == -9
        watcher.stop()
    writer.stop()
    print("killed when ready and not:", seen)
    running, watcher = watched(config(made.name), history, seed)
    with watcher:
        running.wait_ready()
        assert check_truth(running, made) == len(history.last())
    assert seen[True] > 0 and seen[False] > 0
