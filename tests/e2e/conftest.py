"""Fixtures: one broker and one registry for the whole run, topics and services of each test's own."""
import itertools
import pathlib
import shutil
import tempfile

import pytest

from e2e.checking import Watcher
from e2e.history import History, Writer
from e2e.producing import Kafka
from e2e.pushcache import PushCache, make_config, shared_store
from e2e.registry_stub import RegistryStub
from services import KafkaCluster, RedisCluster, RedisSentinel, RedisServer, Registry, RegistryGate


@pytest.fixture(scope="session")
def work():
    """A folder for data of the session's services, removed at the end."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="push-cache-e2e-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(work):
    """The broker that tests share, with every kind of listener. They must leave it running."""
    cluster = KafkaCluster(work / "kafka", secure=True).start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def registry(work):
    """The registry that tests share. To take it away from one service, use `gate`."""
    registry = Registry(work / "registry").start()
    yield registry
    registry.stop()


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def kafka(cluster, registry):
    return Kafka(cluster.bootstrap(), registry)


@pytest.fixture
def own_cluster(work, request):
    """Makes brokers for one test alone, to start and to kill: own_cluster(nodes=1)."""
    made = []
    show_when_failed(request, lambda: [log for cluster in made for log in cluster.logs()])

    def make(**options):
        made.append(KafkaCluster(work / f"own-{request.node.name}-{next(_numbers)}", **options))
        return made[-1]
    yield make
    for cluster in made:
        cluster.end()


def starts(kind, work, request):
    """A function that makes and starts services of the kind, which end with the test."""
    made = []
    show_when_failed(request, lambda: [log for one in made for log in one.logs()])
    # Tests of two files may have one name; each folder is new, or a server would find another one's settings there.
    folder = f"{kind.__name__}-{plain_name(request)}-{next(_numbers)}"

    def start(**options):
        made.append(kind(work / f"{folder}-{len(made)}", **options))
        return made[-1].start()
    yield start
    for one in made:
        one.end()


@pytest.fixture
def redis_server(work, request):
    """Starts Redis servers of the test's own: redis_server(aof=True)."""
    yield from starts(RedisServer, work, request)


@pytest.fixture
def redis_cluster(work, request):
    """Starts a Redis Cluster of the test's own: redis_cluster(masters=3, replicas=1)."""
    yield from starts(RedisCluster, work, request)


@pytest.fixture
def redis_sentinel(work, request):
    """Starts a Redis master of the test's own with replicas and sentinels: redis_sentinel(replicas=2)."""
    yield from starts(RedisSentinel, work, request)


@pytest.fixture
def gate(registry):
    """A way to the registry that the test can shut and open. Open at first."""
    gate = RegistryGate(registry).open()
    yield gate
    gate.shut()


@pytest.fixture
def registry_stub():
    """A registry whose answers the test writes by hand."""
    stub = RegistryStub()
    yield stub
    stub.stop()


def plain_name(request):
    """Of the test: letters and digits, and - for the rest."""
    plain = "".join(c if c.isalnum() else "-" for c in request.node.name).strip("-")
    return plain[:60].rstrip("-")


@pytest.fixture
def name(request):
    """A name that no other test has, for topics and subjects."""
    return f"{plain_name(request)}-{next(_numbers)}"


@pytest.fixture
def topic(kafka, name):
    """Creates a topic of the test's own: topic(partitions=2, cleanup_policy="compact")."""
    made = []

    def create(partitions=1, **config):
        made.append(kafka.create(f"{name}-{len(made)}", partitions, **config))
        return made[-1]
    return create


@pytest.fixture
def config(cluster, registry, name):
    """Makes a configuration: config("topic"), with more by its sections: config("topic", cache={...})."""
    def make(topics, **sections):
        return make_config(cluster.bootstrap(), registry.url, f"{name}-group", topics, **sections)
    return make


@pytest.fixture
def filled(topic, config):
    """A filled topic and settings for a store in that Redis: made, history, writer, settings = filled(redis, seed).
    Every change of the topic is in the history; `store`: keys of the store."""
    def make(redis, seed, keys=4_000, changes=6_000, partitions=4, **store):
        made = topic(partitions=partitions)
        history = History()
        writer = Writer(made, history, seed, keys).fill(changes)
        cache = shared_store(redis, **{"timeout": "500ms", **store})
        cache["routes"][0]["key_from_body"] = "accountId"  # these topics' keys are no field
        settings = config(made.name, cache=cache)
        settings["kafka"]["properties"] = {"session.timeout.ms": "6000"}  # for members that are killed
        return made, history, writer, settings
    return make


@pytest.fixture
def service(tmp_path, request):
    """Starts services that end with the test: service(config), or service(arguments=["demo"])."""
    made = []
    show_when_failed(request, lambda: [one.log for one in made])

    def start(config=None, **options):
        service = PushCache(tmp_path / f"push-cache-{len(made)}", config, **options)
        made.append(service)
        return service.start()
    yield start
    for one in made:
        if one.process and one.process.alive():
            one.kill()


@pytest.fixture
def watched(service):
    """Starts a service and watches its answers from its first moment on: running, watcher = watched(config,
    history, seed). Stop the watcher, or use it by `with`: that is what fails."""
    def start(config, history, seed, **options):
        floors = history.acknowledged()
        running = service(config, **options)
        return running, Watcher(running, history, floors, seed)
    return start


def show_when_failed(request, logs):
    """When the test fails, the files that logs() lists are shown in its report."""
    request.node.logs = [*getattr(request.node, "logs", []), logs]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    if call.excinfo and call.when == "call":
        for log in (log for logs in getattr(item, "logs", []) for log in logs()):
            item.add_report_section("call", str(log), log.read_text(errors="replace")[-20000:])
    return (yield)
