"""Runs the built programs and talks to them over HTTP. Nothing of the programs' inside is used."""
import contextlib
import copy
import http.client
import json
import os
import pathlib
import re
import subprocess
import urllib.parse

from services import Process, ServiceError, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("PUSH_CACHE_BIN") or "build/release/bin")
BIN = BIN if BIN.is_absolute() else ROOT / BIN
LIMIT = 60  # seconds that anything waited for may take, on a busy machine


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Client:
    """One kept connection; opened again when the server closed it. Not for several threads."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.prefix = parts.path.rstrip("/")
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)

    def request(self, method, path, body=None, headers=None):
        """`path` is sent as it is, below the URL's own path."""
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        try:
            return self._once(method, path, body, headers)
        except (http.client.BadStatusLine, BrokenPipeError, ConnectionResetError):
            self.connection.close()
            return self._once(method, path, body, headers)
        except OSError:
            self.connection.close()
            raise

    def _once(self, method, path, body, headers):
        self.connection.request(method, self.prefix + path, body, headers or {})
        answer = self.connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def record(self, route, key):
        """The answer for one key, which is encoded here."""
        return self.get(f"{route}/{urllib.parse.quote(key, safe='')}")

    def close(self):
        self.connection.close()


class PushCache:
    """One running `push-cache start` (or `demo`, by `arguments`)."""

    def __init__(self, folder, config=None, arguments=None, environment=None, secrets=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "stderr.log"
        self.output = self.folder / "stdout.log"
        if arguments is None:
            arguments = ["start", "--config", write_config(self.folder, config)]
            if secrets is not None:
                arguments += ["--secrets", write_secrets(self.folder, secrets)]
        self.arguments = arguments
        self.environment = {"CAPTURE_LOG": "info", **(environment or {})}
        self.process = None
        self.api = None
        self.health = None

    def start(self, seconds=LIMIT):
        """Returns once the two addresses are printed, so that both ports listen."""
        with open(self.output, "wb") as stream:
            self.process = Process([BIN / "push-cache", *self.arguments], self.log,
                                   env=self.environment, stdout=stream)
        self.process.wait_until(lambda: len(self.addresses()) == 2, seconds, "its addresses")
        addresses = self.addresses()
        self.api = Client(addresses["api"])
        self.health = Client(addresses["health"])
        return self

    def addresses(self):
        """The URLs of `api` and `health`, once they are printed."""
        return dict(re.findall(r"^(api|health) (http://\S+)$", self.printed(), re.MULTILINE))

    def client(self):
        """One more connection to the API, such as for a thread of its own."""
        return Client(self.addresses()["api"])

    def printed(self):
        return self.output.read_text()

    def logged(self):
        return self.log.read_text(errors="replace")

    def ready(self):
        """Whether /hams/ready says so."""
        answer = self.health.get("/ready")
        assert answer.status in (200, 503), answer
        said = answer.json()
        assert said["ready"] == (answer.status == 200), answer
        assert bool(said["reasons"]) == (answer.status == 503), answer
        return said["ready"]

    def reasons(self):
        return " | ".join(self.health.get("/ready").json()["reasons"])

    def status(self):
        answer = self.health.get("/status")
        assert answer.status == 200, answer
        return answer.json()

    def metrics(self):
        """name{labels} -> value"""
        lines = self.health.get("/metrics").body.decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def wait(self, condition, what, seconds=LIMIT):
        """Waits for `condition`; shows the service's own status when it does not come."""
        def describe():
            with contextlib.suppress(Exception):
                return f"{what}; status: {json.dumps(self.status())}"
            return what

        def check():
            if not self.process.alive():
                raise ServiceError(f"push-cache ended with {self.process.child.returncode} while waiting for "
                                   f"{what}:\n{self.process.tail()}")
            return condition()
        return wait_for(check, seconds, describe, every=0.02)

    def wait_ready(self, seconds=LIMIT):
        self.wait(self.ready, "ready", seconds)
        return self

    def wait_waiting(self, pattern=".", seconds=LIMIT):
        """Waits until it is not ready, for a reason that matches."""
        self.wait(lambda: not self.ready() and re.search(pattern, self.reasons(), re.IGNORECASE),
                  f"not ready because of {pattern!r}", seconds)

    def wait_record(self, route, key, expected, seconds=LIMIT):
        """Waits until the key's answer is `expected`: a record, or None for absent."""
        def check():
            answer = self.api.record(route, key)
            if expected is None:
                return answer.status == 404
            assert answer.status == 200 and answer.json() == expected, answer
            return True
        self.wait(check, f"{route}/{key} to be {str(expected)[:300]}", seconds)

    def cpu_seconds(self):
        """CPU time that the process has used."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        """Physical memory that the process has now."""
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def keys(self, route, query=""):
        answer = self.api.get(route + query)
        assert answer.status == 200, answer
        return answer.json()

    def check_all(self, route, records):
        """Every one of `records` (key -> record) is answered as it is, and there are no others."""
        assert self.keys(route) == sorted(records, key=lambda key: key.encode())
        for key, expected in records.items():
            answer = self.api.record(route, key)
            assert answer.status == 200, (key, answer)
            assert answer.json() == expected, (key, answer.json(), expected)

    def stop(self, seconds=30):
        """SIGTERM; the exit code."""
        return self.process.stop(seconds)

    def kill(self):
        return self.process.kill()


STORES = [{"name": kind + "s", "type": "in_memory", "schemas": [kind]}
          for kind in ("customer", "bill", "usage", "ticket")]
ROUTES = [{"path": "/customers", "store": "customers"}, {"path": "/bills", "store": "bills"},
          {"path": "/usage", "store": "usages"}, {"path": "/tickets", "store": "tickets"}]


def make_config(brokers, registry_url, group, topics, **sections):
    """A configuration with a route for each of the four types; `sections` adds to its sections."""
    made = {
        "webservice": {"address": "127.0.0.1:0", "prefix": "/cache"},
        "kafka": {"brokers": brokers, "group_id": group, "topic": topics, "schema_registry_url": registry_url},
        "cache": {"stores": copy.deepcopy(STORES), "routes": copy.deepcopy(ROUTES)},
        "hams": {"address": "127.0.0.1:0", "prefix": "/hams"},
    }
    for section, values in sections.items():
        made.setdefault(section, {}).update(values)
    return made


def slow(settings):
    """Makes the service fetch in small pieces: its load takes seconds, not a blink."""
    settings["kafka"].setdefault("properties", {}).update(
        {"fetch.message.max.bytes": "4000", "queued.min.messages": "100", "queued.max.messages.kbytes": "64"})
    return settings


def shared_store(redis, **more):
    """The cache section with one store in this Redis; `more`: keys of the store."""
    return {"stores": [{"name": "shared", "prefix": "pc", "timeout": "5s", **redis.store(), **more}],
            "routes": [{"path": "/customers", "store": "shared"}]}


def write_config(folder, config):
    """A YAML file of `config`: a dict (JSON is YAML), or a text."""
    path = pathlib.Path(folder) / "config.yaml"
    path.write_text(config if isinstance(config, str) else json.dumps(config, indent=1))
    return path


def write_secrets(folder, secrets):
    """A folder of secrets: file name -> content."""
    path = pathlib.Path(folder) / "secrets"
    path.mkdir(exist_ok=True)
    for name, content in secrets.items():
        (path / name).write_text(content)
    return path


def run(*arguments, environment=None, seconds=LIMIT, program="push-cache"):
    """Runs a program to its end. The result has returncode, stdout and stderr."""
    return subprocess.run([str(word) for word in (BIN / program, *arguments)], text=True, check=False,
                          capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(environment or {})})
