"""Processes that a test starts: they log to a file, are ended by their own pid, and die with the test."""
import ctypes
import fcntl
import os
import pathlib
import random
import signal
import socket
import subprocess
import tempfile
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class ServiceError(RuntimeError):
    """A process did not start, or ended when it should not have; the text holds the end of its log."""


def wait_for(condition, seconds, what, every=0.05):
    """Calls `condition` until it returns something true, which is returned. Raises after `seconds`.

    What the condition raises by AssertionError, OSError or KeyError counts as "not yet"; the last one
    is shown when time is up. `what` may be a function, called then, for a text with the present state.
    """
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (AssertionError, OSError, KeyError) as error:
            last = error
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise TimeoutError(f"not within {seconds} s: {text} (last: {last!r})")
        time.sleep(every)


def answers(port, host="127.0.0.1"):
    """True when something accepts TCP connections on the port."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


_reserved = {}


def free_port():
    """A loopback port that is free and that no other test run takes before we use it.

    Chosen below the range the kernel uses for outgoing connections, and held by a lock file for as long
    as this process lives: a service that starts late, or starts again, still finds its port free.
    """
    folder = pathlib.Path(tempfile.gettempdir()) / f"push-cache-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for port in random.SystemRandom().sample(range(18000, 32000), 2000):
        if port in _reserved:
            continue
        handle = open(folder / str(port), "w")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            handle.close()
            continue
        _reserved[port] = handle
        return port
    raise ServiceError("no free port between 18000 and 32000")


def _die_with_parent():
    """In the child, before exec: the kernel kills it when the thread that started it ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Process:
    """One child process. Its output goes to `log` (both streams, unless stdout is given)."""

    def __init__(self, command, log, env=None, cwd=None, stdout=None, stays=False):
        """`stays`: it outlives this process (services started by hand)."""
        self.command = [str(word) for word in command]
        self.log = pathlib.Path(log)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as stream:
            self.child = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=stdout or stream, stderr=stream,
                cwd=cwd, env={**os.environ, **(env or {})}, start_new_session=stays,
                preexec_fn=None if stays else _die_with_parent)
        self.pid = self.child.pid

    def alive(self):
        return self.child.poll() is None

    def tail(self, lines=40):
        """The last lines of the log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def wait_until(self, condition, seconds, what):
        """Waits for `condition`; fails at once when the process ends before."""
        def check():
            if not self.alive():
                raise ServiceError(f"{self.command[0]} ended with {self.child.returncode} while waiting "
                                   f"for {what}; {self.log}:\n{self.tail()}")
            return condition()
        try:
            return wait_for(check, seconds, what)
        except TimeoutError as error:
            raise ServiceError(f"{error}; {self.log}:\n{self.tail()}") from None

    def signal(self, number):
        if self.alive():
            self.child.send_signal(number)

    def wait(self, seconds):
        """The exit code, once it ended by itself."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ServiceError(f"{self.command[0]} (pid {self.pid}) still runs after {seconds} s; "
                               f"{self.log}:\n{self.tail()}") from None

    def stop(self, seconds=30):
        """SIGTERM, then SIGKILL when that does not help. Returns the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self):
        """SIGKILL. Returns the exit code (-9)."""
        self.signal(signal.SIGKILL)
        return self.child.wait(30)
