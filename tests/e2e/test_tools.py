"""The scripts and the Makefile, as their users call them."""
import contextlib
import http.server
import json
import os
import re
import signal
import socketserver
import subprocess
import sys
import threading

import pytest

from e2e.producing import customer
from e2e.pushcache import BIN, ROOT, write_config
from services import wait_for


def load_test(url, **environment):
    return subprocess.run([ROOT / "scripts/load-test.sh"], capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, "BASE_URL": url, "DURATION": "3", "CONNECTIONS": "16",
                               "MISS_RATIO": "0.2", **environment})


def test_load_test_passes_against_the_service(topic, config, service):
    made = topic(partitions=2)
    made.put_all({f"C{n:07}": customer(n) for n in range(2000)} | {"a/b é%": customer(1, accountId="a/b é%")})
    running = service(config(made.name)).wait_ready()
    before = running.metrics()
    done = load_test(f"http://127.0.0.1:{running.api.connection.port}/cache/customers")
    assert done.returncode == 0, done
    assert re.search(r"rate \d+ requests/s", done.stdout) and "p99" in done.stdout, done
    assert "0 wrong answers" in done.stdout and "2001 keys" in done.stdout, done

    def grown(name):
        return sum(value - before.get(key, 0) for key, value in running.metrics().items() if key.startswith(name))
    assert grown("requests_total") > 1000
    assert 0.1 < grown("requests_miss") / grown("requests_total") < 0.3


@contextlib.contextmanager
def server(answer):
    """A server that answers each path by answer(path, number of the request) -> (status, JSON)."""
    numbers = iter(range(10**9))

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_GET(self):
            status, content = answer(self.path, next(numbers))
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            self.wfile.flush()

        def log_message(self, *_):
            pass

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_):
            pass

    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/c"
        running.shutdown()


def right(path, _):
    key = path.removeprefix("/c/")
    if path.startswith("/c?"):
        return 200, [f"k{number}" for number in range(100)]
    if key.startswith("k"):
        return 200, {"id": key, "value": 1}
    return 404, {"code": "not_found", "message": "no such key"}


LATE = 1000  # past what the script asks before its load
LIES = {
    "404 for a key that is there": lambda p, n: (404, {"code": "not_found", "message": "no"}) if n > LATE and n % 200 == 0 else right(p, n),
    "another record": lambda p, n: (200, {"id": "k5"}) if n > LATE and p.endswith("k6") else right(p, n),
    "200 for a key that is not there": lambda p, n: (200, {"id": p}) if n > LATE and "no-such" in p else right(p, n),
    "no JSON": lambda p, n: (200, "k7") if n > LATE and p.endswith("k7") else right(p, n),
    "404 without a message": lambda p, n: (404, {}) if n > LATE and "no-such" in p else right(p, n),
    "404 with another code": lambda p, n: (404, {"code": "gone", "message": "no"}) if n > LATE and "no-such" in p else right(p, n),
    "503": lambda p, n: (503, {"code": "unavailable", "message": "loading"}) if n > LATE and n % 300 == 0 else right(p, n),
    "always 200": lambda p, n: right(p, n) if "?" in p else (200, {"id": p[3:]}),
    "an empty list": lambda p, n: (200, []) if "?" in p else right(p, n),
}


def test_load_test_passes_against_a_server_that_is_right():
    with server(right) as url:
        done = load_test(url, DURATION="1")
    assert done.returncode == 0, done


@pytest.mark.parametrize("lie", LIES)
def test_load_test_fails_on_a_wrong_answer(lie):
    with server(LIES[lie]) as url:
        done = load_test(url, DURATION="1")
    assert done.returncode != 0, done
    assert re.search(r"WRONG|no keys", done.stdout + done.stderr), done


def test_load_test_fails_when_nobody_answers():
    done = load_test("http://127.0.0.1:1/c")
    assert done.returncode != 0 and "127.0.0.1:1" in done.stderr


@pytest.mark.parametrize("kind, route", [("customer", "/customers"), ("bill", "/bills"), ("usage", "/usage"),
                                         ("ticket", "/tickets")])
def test_populate_local(kafka, topic, config, service, tmp_path, kind, route):
    made = topic()
    settings = config(made.name)
    done = subprocess.run([ROOT / "scripts/populate-local.sh"], capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, "MESSAGE_TYPE": kind, "COUNT": "30", "TOPIC": made.name, "BIN": str(BIN),
                               "CONFIG": str(write_config(tmp_path, settings))})
    assert done.returncode == 0, done
    running = service(settings).wait_ready()
    running.check_all(route, made.records())
    assert len(running.keys(route)) == 30


def test_populate_local_names_its_types():
    done = subprocess.run([ROOT / "scripts/populate-local.sh"], capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, "MESSAGE_TYPE": "invoice"})
    assert done.returncode == 2 and "ticket" in done.stderr


def test_make_lists_its_targets():
    done = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0
    for target in ("help dev test bench docker populate-customers populate-bills populate-usage populate-tickets "
                   "populate-help compose-redis compose-kafka-zk compose-kafka-kraft start-zookeeper start-kafka "
                   "start-schema demo build setup asan tsan").split():
        assert re.search(rf"^  (\S+ )*{target} .*\S", done.stdout, re.MULTILINE), target


def test_a_service_dies_with_the_test_that_started_it(tmp_path):
    """Also when the test run itself is killed."""
    program = ("import sys, time; sys.path.insert(0, sys.argv[1]); from services import Process; "
               "print(Process(['sleep', '1000'], sys.argv[2]).pid, flush=True); time.sleep(1000)")
    with subprocess.Popen([sys.executable, "-c", program, ROOT / "tests", tmp_path / "log"],
                          stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.send_signal(signal.SIGKILL)

    def gone():
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as stream:
                return stream.read().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True
    wait_for(gone, 30, f"the end of process {pid}")
