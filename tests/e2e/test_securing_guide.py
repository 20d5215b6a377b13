"""What docs/guides/securing-kafka.md says the user of the brokers must be allowed: it is enough, and each part is needed."""
import re

import pytest
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, ResourcePatternType,
                                   ResourceType)

from e2e.producing import Kafka, customer
from e2e.pushcache import ROOT, make_config, shared_store
from e2e.test_faults import scram, secure
from services import KafkaCluster, wait_for
from services.install import USERS

GUIDE = (ROOT / "docs/guides/securing-kafka.md").read_text()
# (operation, kind of resource, its name) in the guide's order: read, snapshots, group, dead letters.
LINES = re.findall(r"--allow-principal User:push-cache --operation (\w+) +--(topic|group) (\S+)", GUIDE)
READ, CONFIGS, GROUP, DEAD = range(4)
OPERATIONS = {"Read": AclOperation.READ, "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS, "Write": AclOperation.WRITE}
ANY = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)


@pytest.fixture(scope="module")
def guarded(work, registry):
    """A broker where nobody may do anything but who has an ACL; users of PLAINTEXT may do all."""
    cluster = KafkaCluster(work / "guarded", secure=True, config={
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS"}).start()
    yield cluster, Kafka(cluster.bootstrap(), registry)
    cluster.end()


@pytest.fixture
def allow(guarded):
    """Gives the user exactly these lines of the guide, for the topic, the group and the dead letter topic."""
    admin = guarded[1].admin

    def give(lines, **names):
        admin.delete_acls([ANY])[ANY].result(60)
        made = []
        for operation, kind, name in (LINES[line] for line in lines):
            kind = ResourceType.TOPIC if kind == "topic" else ResourceType.GROUP
            made.append(AclBinding(kind, names[name.replace("-", "_")], ResourcePatternType.LITERAL, "User:alice", "*",
                                   OPERATIONS[operation], AclPermissionType.ALLOW))
        for future in admin.create_acls(made).values() if made else ():
            future.result(60)
        wait_for(lambda: len(admin.describe_acls(ANY).result(60)) == len(made), 60, "the ACLs")
    return give


@pytest.fixture
def setting(guarded, registry, name):
    """A topic of two records and one that is bad, a dead letter topic, and a configuration for the guarded listener."""
    cluster, kafka = guarded
    made, dead = kafka.create(f"{name}-t", 1), kafka.create(f"{name}-d", 1)
    made.put("a", customer(1))
    made.put_raw("bad", b"no Avro")
    made.put("b", customer(2))
    made.flush()
    settings = make_config(cluster.bootstrap(), registry.url, f"{name}-g", made.name)
    secure(settings, cluster, "SASL_SSL", **scram(USERS["alice"]))
    return settings, made, dead, {"customers": made.name, "push_cache": f"{name}-g", "customers_dead": dead.name}


def test_the_guide_has_the_lines():
    assert [(operation, kind) for operation, kind, _ in LINES] == [
        ("Read", "topic"), ("DescribeConfigs", "topic"), ("Read", "group"), ("Write", "topic")]


def test_a_store_in_memory_needs_read_of_the_topic_alone(setting, allow, service):
    settings, _, _, names = setting
    allow([GROUP, DEAD], **names)
    running = service(settings)
    running.wait_waiting("needs Describe and Read on it")
    assert running.api.record("/customers", "a").status == 503
    allow([READ], **names)
    running.wait_ready()  # without a restart
    running.check_all("/customers", {"a": customer(1), "b": customer(2)})


def test_a_store_in_redis_needs_the_group(setting, allow, service, redis_server):
    settings, _, _, names = setting
    settings["cache"] = shared_store(redis_server())
    allow([READ], **names)
    running = service(settings)
    running.wait(lambda: "Group authorization failed" in running.logged(), "the refusal")
    assert not running.ready()
    allow([READ, GROUP], **names)
    running.wait_ready()
    running.wait_record("/customers", "b", customer(2))


def test_dead_letters_need_write_of_their_topic(setting, allow, service):
    settings, _, dead, names = setting
    settings["kafka"].update(on_bad_record="dead_letter", dead_letter_topic=dead.name)
    allow([READ], **names)
    running = service(settings)
    running.wait(lambda: "auth" in str(running.status()["kafka"]["dead_letters"]).lower(), "the refusal")
    assert not dead.read()
    allow([READ, DEAD], **names)
    running.wait(dead.read, "the dead letter")
    running.wait_ready()


def test_snapshots_need_the_topics_configuration(setting, allow, service, tmp_path):
    settings, _, _, names = setting
    settings["snapshot"] = {"dir": str(tmp_path / "snapshots"), "interval": 0}
    allow([READ, CONFIGS], **names)
    running = service(settings).wait_ready()
    assert running.stop() == 0
    running = service(settings).wait_ready()
    assert running.status()["snapshot"]["refused"] is None, running.status()["snapshot"]
    assert running.metrics()["push_cache_snapshot_loaded_records"] == 2
    assert running.stop() == 0
    allow([READ], **names)
    running = service(settings).wait_ready()
    assert running.status()["snapshot"]["refused"], running.status()["snapshot"]
    running.check_all("/customers", {"a": customer(1), "b": customer(2)})
