"""A Prometheus on loopback, with a configuration of the test's own."""
import json
import pathlib
import urllib.error
import urllib.parse
import urllib.request

from .processes import Process, ServiceError, free_port


class Prometheus:
    """Debian's `prometheus`, never the service of the system. `settings`: its configuration; what that names is looked
    for below `folder`."""

    def __init__(self, folder, settings):
        self.folder = pathlib.Path(folder)
        self.settings = settings
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = self.folder / "prometheus.log"
        self.process = None

    def start(self, seconds=60):
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "prometheus.yaml"
        config.write_text(json.dumps(self.settings))  # which is YAML
        self.process = Process(["prometheus", "--config.file", config, "--storage.tsdb.path", self.folder / "data",
                                "--web.listen-address", self.url.removeprefix("http://"), "--log.level", "warn"], self.log)
        self.process.wait_until(self._ready, seconds, "ready")
        return self

    def _ready(self):
        with urllib.request.urlopen(self.url + "/-/ready", timeout=5) as answer:
            return answer.status == 200

    def api(self, path, **parameters):
        """The `data` of an answer; ServiceError with what it said when that is an error."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ServiceError(f"{path} {parameters}: {error.code} {error.read().decode()}") from None

    def query(self, expression):
        """The instant vector of an expression: pairs of a dict of labels and a value."""
        found = self.api("query", query=expression)
        if found["resultType"] != "vector":
            raise ServiceError(f"{expression} is no vector: {found}")
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    def end(self):
        if self.process:
            self.process.kill()
