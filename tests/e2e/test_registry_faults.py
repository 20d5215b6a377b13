"""A real registry is killed and comes back, while schemas arrive that the service does not know yet."""
import pytest

from e2e.checking import check_truth
from e2e.history import History, Writer, make_seed, soak
from e2e.producing import CUSTOMER, Kafka
from e2e.pushcache import slow
from services import Registry

pytestmark = pytest.mark.faults

CUSTOMER_2 = {**CUSTOMER, "fields": [*CUSTOMER["fields"], {"name": "tier", "type": "int", "default": 0}]}
CUSTOMER_3 = {**CUSTOMER, "fields": [*CUSTOMER["fields"], {"name": "email", "type": "string", "default": ""}]}


@pytest.fixture
def own_registry(work, name):
    """A registry of the test's own, to kill; it has its schemas again afterwards."""
    registry = Registry(work / f"registry-{name}", file=work / f"registry-{name}" / "schemas").start()
    yield registry
    registry.process.kill()


@pytest.mark.timeout(240)
def test_registry_killed_while_a_new_schema_arrives(cluster, own_registry, name, config, watched):
    """During the load, and again while it serves. The records of the schema that nobody can ask for are set aside,
    all others are applied, and nothing is lost or given up."""
    seed = make_seed()
    made = Kafka(cluster.bootstrap(), own_registry).create(name, 4)
    history = History()
    writer = Writer(made, history, seed, keys=5_000).fill()
    for schema in (CUSTOMER_2, CUSTOMER_3):
        made.id_of(schema)
    for number in range(0, 1_000, 4):  # partition 0 alone
        writer.write(number, schema=CUSTOMER_2, tier=number)
    writer.flush()
    settings = config(name, startup_checks={"enabled": False})
    settings["kafka"]["schema_registry_url"] = own_registry.url
    settings["kafka"]["preload_schemas"] = [made.id_of(CUSTOMER)]
    own_registry.stop()  # or its file might not have the latest schema yet
    own_registry.start()
    own_registry.process.kill()
    running, watcher = watched(slow(settings), history, seed)
    with watcher:
        running.wait_waiting("schema")
        watcher.wait(soak(1, 20))
        assert not running.ready()
        own_registry.start()
        running.wait_ready(60)
        check_truth(running, made)

        own_registry.process.kill()
        for number in range(1, 1_000, 4):  # partition 1 alone
            writer.write(number, schema=CUSTOMER_3, email="new")
        writer.flush()
        running.wait(lambda: running.status()["registry"]["waiting"], "the schema to be missed")
        for number in [*range(2, 1_000, 4), *range(1, 1_000, 8)]:  # another partition, and behind those set aside
            writer.write(number)
        writer.flush()
        lags = {}

        def all_go_on():
            lags.update({part["partition"]: part["lag"] for part in running.status()["kafka"]["partitions"]})
            return not any(lags.values())
        running.wait(all_go_on, "all partitions to go on")
        assert running.status()["set_aside"]["records"] >= 125 and running.ready()
        watcher.wait(soak(1, 20))
        own_registry.start()
        check_truth(running, made, seconds=60)
    assert sum(running.status()["records"]["bad"].values()) == 0
    assert not watcher.fell(), watcher.changes
