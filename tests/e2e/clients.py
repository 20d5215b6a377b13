"""Clients of the kinds that a service meets: wrk at full speed, slow ones, rude ones, and very many idle ones."""
import contextlib
import random
import re
import resource
import socket
import struct
import subprocess
import threading
import time
import urllib.parse

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


class Wrk:
    """A run of wrk over random ones of some paths, in the background."""

    SCRIPT = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = line end
local counter = 0
function setup(thread) thread:set("id", counter); counter = counter + 1 end
function init(args) math.randomseed(%d + id) end
function request() return wrk.format("GET", paths[math.random(#paths)]) end
"""

    def __init__(self, folder, url, paths, seed, connections=32, seconds=10):
        parts = urllib.parse.urlsplit(url)
        (folder / "paths").write_text("".join(f"{parts.path}{path}\n" for path in paths))
        (folder / "load.lua").write_text(self.SCRIPT % (folder / "paths", seed))
        self.output = folder / "wrk.log"
        with open(self.output, "wb") as stream:
            self.child = subprocess.Popen(
                ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency", "--timeout", "10s",
                 "-s", str(folder / "load.lua"), f"http://{parts.netloc}"], stdout=stream, stderr=subprocess.STDOUT)

    def running(self):
        return self.child.poll() is None

    def kill(self):
        with contextlib.suppress(OSError):
            self.child.kill()
        self.child.wait(10)

    def result(self):
        """{requests, per_second, p50, p99, socket_errors, wrong}: seconds, and counts. `wrong`: neither 2xx nor 3xx."""
        text = self.output.read_text()
        assert self.child.wait(60) == 0, text
        latency = {name: float(number) * _UNITS[unit]
                   for name, number, unit in re.findall(r"^ +(\d+)% +([\d.]+)(us|ms|s|m)$", text, re.MULTILINE)}
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
        wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        return {"requests": int(re.search(r"(\d+) requests in", text)[1]),
                "per_second": float(re.search(r"Requests/sec: +([\d.]+)", text)[1]),
                "p50": latency["50"], "p99": latency["99"],
                "socket_errors": sum(map(int, errors.groups())) if errors else 0,
                "wrong": int(wrong[1]) if wrong else 0}


class Crowd:
    """Threads of which each does one thing to a service again and again, until `stop`."""

    def __init__(self):
        self.faults = []
        self.done = {}  # what -> how often
        self._finished = threading.Event()
        self._threads = []

    def add(self, what, seed):
        chance = random.Random(seed)

        def run():
            try:
                while not self._finished.is_set():
                    what(chance, self._finished)
                    self.done[what.__name__] = self.done.get(what.__name__, 0) + 1
            except Exception as fault:  # raised by `stop`
                self.faults.append(fault)
        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()

    def stop(self):
        self._finished.set()
        for thread in self._threads:
            thread.join(60)
        if self.faults:
            raise self.faults[0]


def address_of(url):
    parts = urllib.parse.urlsplit(url)
    return (parts.hostname, parts.port), parts.path


def raise_open_files(count):
    """Of this process; services that it starts later inherit that, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(count, hard)), hard))


def reset(connection):
    """Ends it by RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def cutting(url, paths):
    """Sends many requests, and cuts the connection in the middle of one or of the answers."""
    address, prefix = address_of(url)

    def cut(chance, finished):
        connection = socket.create_connection(address, 10)
        requests = "".join(f"GET {prefix}{chance.choice(paths)} HTTP/1.1\r\nHost: x\r\n\r\n" for _ in range(50)).encode()
        with contextlib.suppress(OSError):
            connection.sendall(requests[:chance.randrange(1, len(requests))])
            connection.recv(chance.randrange(1, 5_000))
        reset(connection)
        finished.wait(0.005)
    return cut


def trickling(url, key, route="/customers"):
    """Sends a request byte by byte and reads the answer so too; it must be a whole one all the same."""
    address, prefix = address_of(url)

    def trickle(chance, finished):
        connection = socket.create_connection(address, 30)
        request = f"GET {prefix}{route}/{key} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        for byte in request:
            connection.sendall(bytes([byte]))
            if finished.wait(chance.uniform(0, 0.01)):
                return
        answer = b""
        while part := connection.recv(7):
            answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 "), answer[:200]
        length = int(re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)[1])
        assert len(body) == length, answer
        connection.close()
    return trickle


def listing_slowly(url, route="/customers"):
    """Asks for the whole list and takes little of it in a long time, then goes."""
    address, prefix = address_of(url)

    def list_slowly(chance, finished):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(address)
        connection.sendall(f"GET {prefix}{route} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for _ in range(chance.randrange(20)):
            if not connection.recv(512) or finished.wait(0.05):
                break
        reset(connection)
    return list_slowly


class Idle:
    """Very many kept connections, of several source addresses, that say nothing but when they are asked to."""

    A_SOURCE = 5_000

    def __init__(self, url, count, path):
        raise_open_files(count + 2_000)
        self.address, prefix = address_of(url)
        self.request = f"GET {prefix}{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        self.connections = []
        for number in range(count):
            source = (f"127.0.1.{1 + number // self.A_SOURCE}", 0)
            self.connections.append(socket.create_connection(self.address, 30, source))

    def ask(self, part=None):
        """How many of the connections (or of `part` random ones) answer a request with a record now."""
        chosen = self.connections if part is None else random.sample(self.connections, part)
        answered = 0
        for start in range(0, len(chosen), 500):
            some = chosen[start:start + 500]
            asked = []
            for connection in some:
                with contextlib.suppress(OSError):
                    connection.sendall(self.request)
                    asked.append(connection)
            for connection in asked:
                with contextlib.suppress(OSError):
                    answered += connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        return answered

    def close(self):
        for connection in self.connections:
            connection.close()


class Memory:
    """Samples a process's resident bytes, from a thread."""

    def __init__(self, running, every=0.2):
        self.samples = []
        self._finished = threading.Event()

        def run():
            with contextlib.suppress(OSError, IndexError):  # the process has ended
                while not self._finished.wait(every):
                    self.samples.append(running.resident_bytes())
        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        self.started = time.monotonic()

    def stop(self):
        """(the most in the middle third, the most in the last)"""
        self._finished.set()
        self._thread.join(10)
        third = len(self.samples) // 3
        return max(self.samples[third:2 * third]), max(self.samples[2 * third:])
