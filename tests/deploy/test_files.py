"""Dockerfile, Compose files, monitoring and workflows: by their linters, and against what they name."""
import os
import re
import shutil

import pytest
import yaml

from deploy import dockerfile
from deploy.tools import BIN, ROOT, attempt, config_check, go_tool, python_tool, run
from services import KafkaCluster, Process, Registry, free_port

COMPOSE = ROOT / "deploy/compose"
FILES = sorted(file.name for file in COMPOSE.glob("*.yaml") if file.name != "common.yaml")
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def test_yaml():
    run(python_tool("yamllint"), "--strict", "deploy", "examples", ".github", "tests/deploy", ".yamllint.yaml")


def test_dockerfile():
    run(python_tool("hadolint"), "Dockerfile")
    build, image = dockerfile.stages()
    assert [arguments.split()[0] for _, arguments in (build[0], image[0])] == ["${DEBIAN}"] * 2
    [user] = dockerfile.steps(image, "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    for word in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
        assert dockerfile.exec_form(dockerfile.steps(image, word)[0])
    # The package has what the image's configuration is found by.
    for path in re.findall(r'"(/\S+?)"', " ".join(arguments for _, arguments in image)):
        assert path in ("/etc/push-cache/push-cache.yaml", "/etc/push-cache/secrets"), path


def test_the_builder_gets_only_what_it_needs(tmp_path):
    dockerfile.copy_context(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"CMakeLists.txt", "CMakePresets.json", "cmake", "deploy", "docs",
                                                          "examples", "scripts", "src", "web"}
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.fixture(scope="session")
def compose():
    """What Compose makes of a file: extended, included, and checked against its specification."""
    def load(name):
        project = yaml.safe_load(run(go_tool("compose"), name, cwd=COMPOSE))
        for spec in project["services"].values():
            if isinstance(spec.get("environment"), list):
                spec["environment"] = dict(line.split("=", 1) for line in spec["environment"])
        return project
    return load


def test_there_are_compose_files():
    assert {"quickstart.yaml", "kafka-zk.yaml", "monitoring.yaml", "redis.yaml"} <= set(FILES)
    makefile = (ROOT / "Makefile").read_text()
    for name in re.findall(r"^compose-\S+: COMPOSE_FILE = (\S+)", makefile, re.MULTILINE):
        assert f"{name}.yaml" in FILES, name


@pytest.mark.parametrize("name", FILES)
def test_compose(compose, name):
    project = compose(name)
    for service, spec in project["services"].items():
        for port in spec.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", f"{service} is open to the network: {port}"
        assert "build" in spec or re.fullmatch(r"([a-z]+/)?[a-z-]+:v?\d[\w.-]*", spec["image"]), \
            f"{service}: an image of a version"
        for volume in spec.get("volumes", []):
            if volume["type"] == "bind":
                folder = volume["target"].endswith(("/rules", "/dashboards/push-cache"))
                assert os.listdir(volume["source"]) if folder else os.path.isfile(volume["source"]), volume
        if spec.get("image") == "push-cache":
            assert spec["read_only"] and spec["cap_drop"] == ["ALL"] and spec["build"]["context"] == str(ROOT)


@pytest.mark.parametrize("name", FILES)
def test_compose_configures_the_service(compose, name, tmp_path):
    spec = compose(name)["services"].get("push-cache")
    if not spec:
        pytest.skip("no push-cache in it")
    [config] = [volume["source"] for volume in spec["volumes"] if volume["target"] == "/etc/push-cache/push-cache.yaml"]
    settings = {key: value for key, value in spec["environment"].items() if key.startswith("APP_")}
    with open(config) as file:
        config_check(tmp_path, file.read(), environment=settings)
    # The addresses are those of services of the same file.
    services = compose(name)["services"]
    for value in settings.values():
        for host in re.findall(r"(?:^|//|,)([a-z][a-z-]*):\d+", value):
            assert host in services, value


@pytest.mark.timeout(300)
def test_the_quickstart_by_processes(compose, tmp_path):
    """What its containers run, against a broker and a registry that are no containers either."""
    services = compose("quickstart.yaml")["services"]
    with KafkaProcesses(tmp_path) as settings:
        config = tmp_path / "push-cache.yaml"
        shutil.copy2(services["push-cache"]["volumes"][0]["source"], config)

        def words(spec, command):
            return [str(config) if word == "/etc/push-cache/push-cache.yaml" else word
                    for word in [*(spec["entrypoint"] or ["push-cache"]), *command] if word]
        environment = {**os.environ, **settings}
        for name, spec in services.items():
            if name.startswith("populate-"):
                program, *arguments = words(spec, spec["command"])
                assert "count    1000" in run(BIN / program, *arguments, env=environment)
        image = dockerfile.stages()[-1]
        command = dockerfile.exec_form(dockerfile.steps(image, "CMD")[0])
        (tmp_path / "secrets").mkdir()
        arguments = [str(tmp_path / word.rsplit("/", 1)[1]) if word.startswith("/etc") else word for word in command]
        service = Process([BIN / "push-cache", *arguments], tmp_path / "log", env=settings)
        try:
            check = [BIN / "push-cache", "health", *arguments[1:], "--ready"]
            service.wait_until(lambda: attempt(*check, env=environment).returncode == 0, 60, "ready")
            url = re.search(r"curl http://localhost:8080(\S+)", (COMPOSE / "quickstart.yaml").read_text())[1]
            shown = run("curl", "-sf", f"http://{settings['APP_WEBSERVICE__ADDRESS']}{url}")
            assert '"accountId":"ACC-000000001"' in shown
        finally:
            assert service.stop() == 0


class KafkaProcesses:
    """A broker and a registry, and the settings that lead to them."""

    def __init__(self, folder):
        self.cluster = KafkaCluster(folder / "kafka")
        self.registry = Registry(folder / "registry")

    def __enter__(self):
        self.cluster.start()
        self.registry.start()
        return {"APP_KAFKA__BROKERS": self.cluster.bootstrap(), "APP_KAFKA__SCHEMA_REGISTRY_URL": self.registry.url,
                "APP_WEBSERVICE__ADDRESS": f"127.0.0.1:{free_port()}", "APP_HAMS__ADDRESS": f"127.0.0.1:{free_port()}"}

    def __exit__(self, *_):
        self.registry.stop()
        self.cluster.stop()


def test_prometheus_scrapes_the_health_port(compose):
    scrape = yaml.safe_load((ROOT / "deploy/monitoring/prometheus.yaml").read_text())
    [job] = scrape["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["push-cache:8079"] and job.get("metrics_path") is None


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_workflow(workflow):
    run(go_tool("actionlint"), "-shellcheck=", "-pyflakes=", workflow)
    text = workflow.read_text()
    targets = re.findall(r"^\.PHONY: (.*)|^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = {name for pair in targets for names in pair for name in names.split()}
    for target in re.findall(r"\bmake ([a-z-]+)", text):
        assert target in targets, target
    for path in re.findall(r"(?<!\S)(scripts/[\w./-]+|tests/[\w./-]+|deploy/[\w./-]+|\.ci/\w+)", text):
        assert (ROOT / path).exists(), path


def test_there_are_workflows():
    assert {file.name for file in WORKFLOWS} == {"build-test.yml", "docker.yml", "helm.yml"}
