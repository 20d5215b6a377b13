"""Snapshots: a start goes on from one, refuses one that would not give the truth, and survives every end."""
import json
import os
import random
import subprocess

import pytest

from e2e.checking import check_truth
from e2e.history import History, Writer, key_of, make_seed, soak
from e2e.pushcache import run, write_config
from services import wait_for

pytestmark = pytest.mark.faults
KEYS = 20_000


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "snapshots"
    made.mkdir()
    return made


@pytest.fixture
def settings_of(config, folder):
    def make(topic, interval="1h", **sections):
        return config(topic.name, snapshot={"dir": str(folder), "interval": interval}, **sections)
    return make


def file_of(folder):
    return folder / "push-cache.snapshot"


def taken(running, folder, settings):
    """Ends a service that is ready, so that it leaves a snapshot."""
    running.wait_ready()
    assert running.stop() == 0
    assert file_of(folder).stat().st_size > 0
    assert [path.name for path in folder.iterdir()] == ["push-cache.snapshot"], "something unfinished stays"
    return settings


def applied(running):
    """Records that were read from Kafka since the start."""
    return running.status()["load"]["records_total"]


@pytest.fixture
def left(topic, settings_of, folder, watched):
    """A topic, and a snapshot of it that a service has left: left(seed) -> (topic, history, writer, settings)."""
    def make(seed, partitions=4, interval="1h", **more):
        history = History()
        made = topic(partitions=partitions, **more)
        writer = Writer(made, history, seed, keys=KEYS).fill(changes=KEYS // 2)
        settings = settings_of(made, interval)
        running, watcher = watched(settings, history, seed)
        running.wait_ready()
        watcher.stop()
        taken(running, folder, settings)
        return made, history, writer, settings
    return make


def test_restart_reads_only_what_is_new(left, watched):
    """The same is served, and from Kafka comes only what was written meanwhile; tombstones among it remove."""
    seed = make_seed()
    made, history, writer, settings = left(seed)
    for number in range(100):
        writer.write(number, tombstone=True)
    for number in range(100, 300):
        writer.write(number)
    writer.flush()
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        assert check_truth(running, made) == len(history.last())
        assert applied(running) <= 300, running.status()["load"]
        assert running.api.record("/customers", key_of(5)).status == 404
        assert running.status()["snapshot"]
        writer.write(5)
        writer.flush()
        check_truth(running, made, seconds=10)
    # And once more: the second snapshot is of what the first one and Kafka gave.
    assert running.stop() == 0
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        check_truth(running, made)
        assert applied(running) == 0


def test_snapshots_are_taken_at_intervals(left, folder, watched):
    """Killed (-9) after one: the next start goes on from there."""
    seed = make_seed()
    made, history, writer, settings = left(seed, interval="1s")
    running, watcher = watched(settings, history, seed)
    running.wait_ready()
    writer.fill()
    check_truth(running, made, seconds=30)
    before = file_of(folder).stat().st_mtime_ns
    for _ in range(2):  # the second one began after the records were applied
        running.wait(lambda: file_of(folder).stat().st_mtime_ns != before, "a snapshot")
        before = file_of(folder).stat().st_mtime_ns
    assert running.kill() == -9
    watcher.stop()
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        check_truth(running, made)
        assert applied(running) == 0, running.status()["load"]


def damage(folder, kind):
    path = file_of(folder)
    content = bytearray(path.read_bytes())
    if kind == "one bit":
        content[len(content) // 2] ^= 4
    elif kind == "cut":
        del content[len(content) * 2 // 3:]
    elif kind == "empty":
        content.clear()
    elif kind == "another file":
        content[:] = os.urandom(5_000)
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["one bit", "cut", "empty", "another file"])
def test_damaged_snapshot_is_refused(left, folder, watched, kind):
    seed = make_seed()
    made, history, _, settings = left(seed)
    damage(folder, kind)
    check_refused(watched, settings, history, made, seed, "corrupt|damaged|cut|checksum|truncated|not a snapshot|short|ends")


def check_refused(watched, settings, history, made, seed, pattern):
    """The whole topic is read, log and status say why, and what is served is the truth."""
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        check_truth(running, made)
        total = len(made.read())
        assert applied(running) == total, (running.status()["load"], total)
    lines = [line.lower() for line in running.logged().splitlines() if "snapshot" in line.lower()]
    assert any(word in line for line in lines for word in pattern.split("|")), lines
    refused = running.status()["snapshot"]["refused"]
    assert refused and any(word in refused.lower() for word in pattern.split("|")), refused


def test_snapshot_of_another_incarnation_is_refused(kafka, left, watched):
    """Deleted and made again while the service was down; the new log is longer than the old position."""
    seed = make_seed()
    made, history, _, settings = left(seed)
    made.delete()
    again = kafka.create(made.name, 4)
    history = History()
    Writer(again, history, seed, keys=KEYS, first=KEYS // 2).fill(changes=KEYS * 2)
    check_refused(watched, settings, history, again, seed, "another|deleted|recreated|topic id|made anew|made again")


def test_snapshot_of_another_configuration_is_refused(left, watched):
    seed = make_seed()
    made, history, _, settings = left(seed)
    settings["cache"]["stores"][0]["name"] = "renamed"
    settings["cache"]["routes"][0]["store"] = "renamed"
    check_refused(watched, settings, history, made, seed, "configuration|configured|store")


def test_snapshot_older_than_tombstones_are_kept_is_refused(left, watched):
    """Of a compacted topic a tombstone may be gone by then, so that nobody would say that its key was deleted."""
    seed = make_seed()
    made, history, writer, settings = left(
        seed, partitions=1, cleanup_policy="compact", segment_ms=200, min_cleanable_dirty_ratio=0.001,
        min_compaction_lag_ms=0, delete_retention_ms=100)
    gone = list(range(50))
    for number in gone:
        writer.write(number, tombstone=True)
    writer.flush()

    def compacted():  # until the tombstones are gone as well
        writer.write(KEYS - 1)
        writer.flush()
        return not {key_of(number).encode() for number in gone} & {key for _, _, key, _ in made.read()}
    wait_for(compacted, 90, "the cleaner to take the tombstones", every=0.3)
    check_refused(watched, settings, history, made, seed, "tombstone|delete.retention|older|old")


def test_snapshot_behind_the_start_of_the_log_is_refused(left, watched):
    """Retention took records, and tombstones among them, that the snapshot has not seen."""
    seed = make_seed()
    made, history, writer, settings = left(seed)
    for number in range(0, 4_000):
        writer.write(number, tombstone=number < 2_000)
    writer.flush()
    for partition in range(4):
        made.delete_records(partition, made.watermarks(partition)[1] - 10)
    for key in history.states:
        history.may_vanish(key)
        history.acknowledge(key, len(history.states[key]) - 2)
    check_refused(watched, settings, history, made, seed, "log|gone|start|retention|offset")


@pytest.mark.timeout(soak(240, 1800))
def test_killed_at_random_moments_with_snapshots(topic, settings_of, folder, watched):
    """Also in the middle of writing one: the file is always a whole one, and each start serves the truth."""
    seed = make_seed()
    chance = random.Random(seed)
    history = History()
    made = topic(partitions=4)
    writer = Writer(made, history, seed, keys=KEYS).fill().start(per_second=1_000)
    settings = settings_of(made, interval="100ms")
    resumed = 0
    for number in range(soak(6, 50)):
        running, watcher = watched(settings, history, seed + number)
        if number % 3 == 0:
            running.wait_ready()
        watcher.wait(chance.choice([0.1, 0.5, 2]) * chance.random())
        assert running.kill() == -9
        watcher.stop()
        assert "refused" not in running.logged(), running.logged()
        resumed += file_of(folder).exists()
    writer.stop()
    running, watcher = watched(settings, history, seed)
    with watcher:
        running.wait_ready()
        total = applied(running)
        assert check_truth(running, made) == len(history.last())
    print(f"{total} records read at the last start, of {sum(high for _, high in map(made.watermarks, range(4)))}")
    assert resumed and total < KEYS


@pytest.mark.timeout(240)
def test_disk_full(topic, config, watched, tmp_path):
    """The old snapshot stays and is used; the service goes on, and log and metrics say so."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)], capture_output=True,
                             text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        seed = make_seed()
        history = History()
        made = topic(partitions=2)
        writer = Writer(made, history, seed, keys=1_000).fill()
        settings = config(made.name, snapshot={"dir": str(folder), "interval": "1s"})
        running, watcher = watched(settings, history, seed)
        running.wait_ready()
        running.wait(file_of(folder).exists, "a snapshot")
        assert running.kill() == -9
        watcher.stop()
        small = file_of(folder).read_bytes()
        # More than fits.
        full = Writer(made, history, seed, keys=20_000, first=100_000).fill()
        running, watcher = watched(settings, history, seed)
        with watcher:
            running.wait_ready()
            running.wait(lambda: any(value > 0 for name, value in running.metrics().items()
                                     if "snapshot" in name and ("fail" in name or "error" in name)),
                         "the failure in the metrics")
            assert file_of(folder).read_bytes() == small
            assert "No space left" in running.logged() or "disk" in running.logged(), running.logged()
            full.write(100_000)
            full.flush()
            check_truth(running, made, seconds=10)
            print(json.dumps(running.status()["snapshot"]))
        assert running.kill() == -9
        running, watcher = watched(settings, history, seed)
        with watcher:
            running.wait_ready()
            check_truth(running, made)
            assert applied(running) < 1_000 + 20_000 + 2, "the old snapshot was not used"
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def test_folder_that_cannot_be_made(topic, config, tmp_path):
    """Refused at the start, by its name: better than to find out when a snapshot is needed."""
    (tmp_path / "file").touch()
    settings = config(topic().name, snapshot={"dir": str(tmp_path / "file" / "absent"), "interval": "1s"})
    done = run("start", "--config", write_config(tmp_path, settings))
    assert done.returncode != 0
    assert "snapshot.dir" in done.stderr and str(tmp_path / "file" / "absent") in done.stderr, done
