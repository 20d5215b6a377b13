"""Holds a service's answers against the truth, with none of its code: raw HTTP, and what others read from Kafka."""
import contextlib
import json
import random
import re
import socket
import threading
import time
import urllib.parse

from e2e.history import key_of, record_of
from services import wait_for

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Pipeline:
    """One connection that sends many requests before it reads their answers. Not for several threads."""

    DEPTH = 64

    def __init__(self, url, timeout=30, source=None):
        parts = urllib.parse.urlsplit(url)
        self.prefix = parts.path.rstrip("/")
        self.host = parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout, source)
        self.buffer = bytearray()

    def get(self, paths):
        """[(status, body)] of the paths, which are sent as they are below the URL's own."""
        answers = []
        for start in range(0, len(paths), self.DEPTH):
            part = paths[start:start + self.DEPTH]
            self.socket.sendall("".join(f"GET {self.prefix}{path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n"
                                        for path in part).encode())
            answers += [self._answer() for _ in part]
        return answers

    def _answer(self):
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            self._receive()
        head = bytes(self.buffer[:end + 2])
        status, length = _STATUS.match(head), _LENGTH.search(head)
        assert status and length, head
        whole = end + 4 + int(length[1])
        while len(self.buffer) < whole:
            self._receive()
        body = bytes(self.buffer[end + 4:whole])
        del self.buffer[:whole]
        return int(status[1]), body

    def _receive(self):
        part = self.socket.recv(1 << 18)
        if not part:
            raise ConnectionResetError("closed by the service")
        self.buffer += part

    def close(self):
        self.socket.close()


def path_of(route, key):
    return f"{route}/{urllib.parse.quote(key, safe='')}"


def differences(running, route, records, ordered=True):
    """What a route answers, against `records` (key -> record): the list, then each key. A list of texts."""
    answer = running.client().get(route)
    if answer.status != 200:
        return [f"the list: {answer}"]
    served, expected = answer.json(), sorted(records, key=lambda key: key.encode())
    if not ordered:  # a store in Redis gives them as they come, some perhaps twice
        served = sorted(set(served), key=lambda key: key.encode())
    found = []
    if served != expected:
        missing, extra = set(records) - set(served), set(served) - set(records)
        found.append(f"the list: {len(served)} keys for {len(expected)}; missing {sorted(missing)[:5]}, "
                     f"too many {sorted(extra)[:5]}")
    pipeline = Pipeline(running.addresses()["api"])
    try:
        answers = pipeline.get([path_of(route, key) for key in expected])
    finally:
        pipeline.close()
    for key, (status, body) in zip(expected, answers):
        if status != 200 or json.loads(body) != records[key]:
            found.append(f"{key}: {status} {body[:200]!r} for {records[key]}")
    return found


def check_truth(running, topic, route="/customers", seconds=0, ordered=True):
    """Every key of the topic is served with its last value, and no other is. `seconds`: how long that may take
    from now on, for what was written after the start. Returns the number of keys."""
    records = topic.records()
    deadline = time.monotonic() + seconds
    while found := differences(running, route, records, ordered):
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(found)} answers are not what the topic holds, such as:\n" +
                                 "\n".join(found[:5]))
        time.sleep(0.1)
    return len(records)


def check_all(running, topic, history, seconds=60):
    """check_truth of a store in Redis; and every key that the topic has had and has no more answers 404."""
    count = check_truth(running, topic, seconds=seconds, ordered=False)
    gone = sorted(set(history.states) - set(history.last()))
    pipeline = Pipeline(running.addresses()["api"])
    try:
        answers = pipeline.get([path_of("/customers", key) for key in gone])
    finally:
        pipeline.close()
    served = [(key, *answer) for key, answer in zip(gone, answers) if answer[0] != 404]
    assert not served, f"{len(served)} of {len(gone)} deleted keys are served, such as {served[:5]}"
    return count


class Lie(AssertionError):
    """The service said what was not true."""


class Watcher:
    """Asks a service for random keys, /ready and /live without a pause, from its start on.

    Fails (by `stop`, or the end of the `with`) on: a state of a key that is older than what the brokers had
    acknowledged when the service was started, or older than one it has answered before; one that was never
    written; ready while the API answers 503 (but for a key whose schema is not known), or the other way round; live
    that is not 200. `changes` has what
    /ready said, as (seconds, ready, reasons).

    When all is loaded and only a store is not well (a Redis that is away, or one of its servers), some answers may
    come and others not.
    """

    ROUND = 20  # keys that are asked for between two looks at /ready

    def __init__(self, running, history, floors, seed, route="/customers"):
        """`floors`: history.acknowledged(), from before the service was started."""
        self.running = running
        self.history = history
        self.floors = floors
        self.route = route
        self.chance = random.Random(seed)
        self.changes = []
        self.counts = {200: 0, 404: 0, 503: 0}
        self.fault = None
        self._disagreed = 0  # rounds, one after the other
        self._started = time.monotonic()
        self._polling = threading.Lock()
        self._finished = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self._finished.set()

    def stop(self):
        self._finished.set()
        self._thread.join(60)
        if self.fault:
            raise self.fault
        assert not self._thread.is_alive(), "the service does not answer"
        return self

    @contextlib.contextmanager
    def paused(self):
        """Asks nothing within, such as while the process is stopped."""
        with self._polling:
            yield

    def wait(self, seconds):
        """Goes on watching for so long, or until it has caught a lie."""
        self._thread.join(seconds)

    def fell(self):
        """Whether ready was true and is, or was, false after that."""
        said = [ready for _, ready, _ in self.changes]
        return True in said and False in said[said.index(True):]

    def _run(self):
        try:
            api = Pipeline(self.running.addresses()["api"])
            health = Pipeline(self.running.addresses()["health"])
            while not self._finished.wait(0.002):
                with self._polling:
                    self._round(api, health)
        except OSError as fault:
            try:
                wait_for(lambda: not self.running.process.alive(), 2, "the end of the process")
            except TimeoutError:
                self.fault = Lie(f"no answer of a process that runs: {fault!r}")
        except Exception as fault:  # raised by `stop`
            self.fault = fault

    def _round(self, api, health):
        keys = self._choose()
        before = self._state(health)
        answers = api.get([path_of(self.route, key) for key in keys])
        after = self._state(health)
        for key, (status, body) in zip(keys, answers):
            self.counts[status] = self.counts.get(status, 0) + 1
            if status != 503:
                self._judge(key, status, body)
        # A record whose schema nobody knows makes its own key 503, whatever /ready says.
        refused = [status == 503 and b'"schema_unknown"' not in body for status, body in answers]
        # A fall and a rise between two looks is possible, but not in three rounds one after the other.
        disagrees = before == after and (any(refused) if before == "ready" else
                                         before == "not ready" and any(status != 503 for status, _ in answers))
        self._disagreed = self._disagreed + 1 if disagrees else 0
        if self._disagreed == 3:
            raise Lie(f"/ready says {before} while the API answers {answers[refused.index(before == 'ready')]}")

    def _choose(self):
        known = list(self.history.states)
        keys = [self.chance.choice(known) for _ in range(self.ROUND - 1)] if known else []
        return [*keys, key_of(self.chance.randrange(800_000, 900_000))]  # the last one was never written

    def _state(self, health):
        """"ready", "not ready", or "store" when that is so because of stores alone."""
        (ready, said), (live, body) = health.get(["/ready", "/live"])
        if live != 200:
            raise Lie(f"/live: {live} {body!r}")
        said = json.loads(said)
        if said["ready"] != (ready == 200) or bool(said["reasons"]) == (ready == 200):
            raise Lie(f"/ready: {ready} {said}")
        if not self.changes or self.changes[-1][1] != said["ready"]:
            self.changes.append((round(time.monotonic() - self._started, 2), said["ready"], said["reasons"]))
        if said["ready"]:
            return "ready"
        return "store" if all(reason.startswith("store '") for reason in said["reasons"]) else "not ready"

    def _judge(self, key, status, body):
        states, floor = self.history.states.get(key, [None]), self.floors.get(key, 0)
        if status == 200:
            record = json.loads(body)
            state = record["updatedAt"]
            if {name: record.get(name) for name in record_of(key, state)} != record_of(key, state):
                raise Lie(f"{key}: {record}")
        elif status == 404:
            state = None
        else:
            raise Lie(f"{key}: {status} {body!r}")
        try:
            self.floors[key] = states.index(state, floor)
        except ValueError:
            raise Lie(f"{key}: {status} {body!r} after {time.monotonic() - self._started:.2f} s; state {state} is not "
                      f"among {states} from number {floor} on; ready: {self.changes}") from None
