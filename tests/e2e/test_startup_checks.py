"""Startup checks: each failure against real services, with the advice of docs/guides/troubleshooting.md, until mended."""
import socket

import pytest
from confluent_kafka.admin import (AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType,
                                   ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion)

from e2e.producing import Kafka, customer
from e2e.pushcache import ROOT, shared_store
from services import KafkaCluster, RedisServer, free_port, install

QUICK = {"fails": 1, "timeout": "3s"}
PAGE = ROOT / "docs/guides/troubleshooting.md"


def advice_for(check, wrong):
    """What the page says to do."""
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in PAGE.open() if line.startswith("| ")]
    [advice] = [row[2] for row in rows if row[:2] == [check, wrong]]
    return advice


def checks(running, check):
    return [one for one in running.status()["startup_checks"] if one["check"] == check]


def wait_failed(running, check, wrong):
    """Until the check has failed so: in /status, once in the log, and among the reasons of not being ready."""
    advice = advice_for(check, wrong)
    running.wait(lambda: any(one["state"] == "failed" and one["advice"] == advice for one in checks(running, check)),
                 f"{check}: {wrong}")
    [one] = [one for one in checks(running, check) if one["advice"] == advice]
    line = f"startup check: {check} {one['target']}: "
    said = [entry for entry in running.logged().splitlines() if line in entry and entry.endswith("; " + advice)]
    assert len(said) == 1 and " warning app: " in said[0], running.logged()
    assert one["error"] and one["seconds"] > 0
    assert running.process.alive()
    return one


def wait_mended(running, one):
    """Until it is ready, and has said that this check succeeds."""
    running.wait_ready()
    line = f"startup check: {one['check']} {one['target']}: works now"
    running.wait(lambda: line in running.logged(), line)
    running.wait(lambda: all(now["state"] == "ok" for now in running.status()["startup_checks"]), "all to be well")
    assert not any(now["error"] or now["advice"] for now in running.status()["startup_checks"])


@pytest.fixture
def filled_topic(topic):
    made = topic()
    made.put_all({"x": customer(1)})
    return made


def to_kafka(config, topic, brokers, **properties):
    settings = config(topic, startup_checks=QUICK)
    settings["kafka"]["brokers"] = brokers
    settings["kafka"]["properties"] = {name.replace("_", "."): value for name, value in properties.items()}
    return settings


# --- brokers ---

def test_nothing_listens(own_cluster, registry, config, service, name):
    port = free_port()
    running = service(to_kafka(config, name, f"127.0.0.1:{port}"))
    one = wait_failed(running, "brokers", "nothing listens there")
    assert one["target"] == f"127.0.0.1:{port}"
    assert one["advice"] in running.reasons()
    cluster = own_cluster(port=port).start()
    Kafka(cluster.bootstrap(), registry).create(name)
    wait_mended(running, one)


def test_nobody_answers(config, service, name):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = to_kafka(config, name, f"127.0.0.1:{silent.getsockname()[1]}",
                            api_version_request_timeout_ms="500")
        wait_failed(service(settings), "brokers", "the brokers do not answer in time")


CA = {"ssl_ca_location": str(install.certificates() / "ca.pem")}
ALICE = {"sasl_username": "alice", "sasl_password": "alice-secret"}
WRONG = [  # what is wrong, the listener, the properties, what mends them
    ("the brokers' name is not known", "no-such-host.invalid:9092", {}, {}),
    ("the brokers' certificate is not trusted", "SSL", {"security_protocol": "ssl"}, CA),
    ("TLS to a listener without TLS", "PLAINTEXT", {"security_protocol": "ssl", **CA},
     {"security_protocol": "plaintext"}),
    ("the brokers want a certificate of this client", "MTLS", {"security_protocol": "ssl", **CA}, {}),
    ("no TLS or no SASL to a listener that wants it", "SSL", {}, {"security_protocol": "ssl", **CA}),
    ("no TLS or no SASL to a listener that wants it", "SASL_PLAINTEXT", {},
     {"security_protocol": "sasl_plaintext", "sasl_mechanism": "PLAIN", **ALICE}),
    ("the brokers do not know the SASL mechanism", "SASL_PLAINTEXT",
     {"security_protocol": "sasl_plaintext", "sasl_mechanism": "OAUTHBEARER", "sasl_oauthbearer_config": "principal=a",
      "enable_sasl_oauthbearer_unsecure_jwt": "true"}, {"sasl_mechanism": "PLAIN", **ALICE}),
    ("wrong credentials", "SASL_PLAINTEXT",
     {"security_protocol": "sasl_plaintext", "sasl_mechanism": "PLAIN", **ALICE, "sasl_password": "wrong"}, ALICE),
]


@pytest.mark.parametrize("wrong, listener, properties, right", WRONG, ids=[f"{row[0]}-{row[1]}" for row in WRONG])
def test_wrong_properties(cluster, config, service, filled_topic, wrong, listener, properties, right):
    """What only a new start can mend."""
    brokers = listener if ":" in listener else cluster.bootstrap(listener)
    running = service(to_kafka(config, filled_topic.name, brokers, **properties))
    one = wait_failed(running, "brokers", wrong)
    assert one["target"] == brokers
    assert running.stop() == 0
    if right:
        again = service(to_kafka(config, filled_topic.name, brokers, **{**properties, **right})).wait_ready()
        assert " warning app: startup check" not in again.logged(), again.logged()


def test_wrong_password_until_it_is_right(cluster, kafka, config, service, filled_topic, name):
    user = f"user-{name}"

    def set_password(password):
        kafka.admin.alter_user_scram_credentials([UserScramCredentialUpsertion(
            user, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), password.encode())])[user].result(30)

    set_password("another")
    running = service(to_kafka(config, filled_topic.name, cluster.bootstrap("SASL_PLAINTEXT"),
                               security_protocol="sasl_plaintext", sasl_mechanism="SCRAM-SHA-256", sasl_username=user,
                               sasl_password="right-secret"))
    one = wait_failed(running, "brokers", "wrong credentials")
    set_password("right-secret")
    wait_mended(running, one)


# --- topics and groups ---

def test_missing_topic_until_it_is_created(kafka, config, service, filled_topic, name):
    running = service(config([filled_topic.name, name], startup_checks=QUICK))
    one = wait_failed(running, "topic", "the topic does not exist")
    assert one["target"] == f"'{name}'" and one["advice"] in running.reasons()
    assert [other["state"] for other in checks(running, "topic")] == ["ok", "failed"]
    kafka.create(name)
    wait_mended(running, one)


@pytest.fixture(scope="module")
def guarded(work, registry):
    """Brokers with ACLs, where alice may do nothing yet: brokers, and a function that allows her more."""
    cluster = KafkaCluster(work / "guarded", secure=True, acls=True).start()
    kafka = Kafka(cluster.bootstrap(), registry)

    def allow(kind, name, operation):
        binding = AclBinding(kind, name, ResourcePatternType.LITERAL, "User:alice", "*", operation,
                             AclPermissionType.ALLOW)
        kafka.admin.create_acls([binding])[binding].result(30)
    yield cluster, kafka, allow
    cluster.stop()


def as_alice(config, cluster, topic, **sections):
    settings = to_kafka(config, topic, cluster.bootstrap("SASL_PLAINTEXT"), security_protocol="sasl_plaintext",
                        sasl_mechanism="PLAIN", **ALICE)
    settings.update(sections)
    return settings


def test_topic_that_may_not_be_read(guarded, config, service, name):
    cluster, kafka, allow = guarded
    made = kafka.create(name)
    made.put_all({"x": customer(1)})
    running = service(as_alice(config, cluster, name))
    wait_failed(running, "topic", "the user may not see the topic")
    allow(ResourceType.TOPIC, name, AclOperation.DESCRIBE)
    one = wait_failed(running, "topic", "the user may not read the topic")
    allow(ResourceType.TOPIC, name, AclOperation.READ)
    wait_mended(running, one)
    running.check_all("/customers", {"x": customer(1)})


def test_group_that_may_not_be_used(guarded, config, service, redis_server, name):
    cluster, kafka, allow = guarded
    made = kafka.create(name)
    made.put_all({"x": customer(1)})
    allow(ResourceType.TOPIC, name, AclOperation.READ)
    settings = as_alice(config, cluster, name, cache=shared_store(redis_server()))
    running = service(settings)
    one = wait_failed(running, "group", "the user may not use the consumer group")
    assert one["target"] == f"'{settings['kafka']['group_id']}'"
    allow(ResourceType.GROUP, settings["kafka"]["group_id"], AclOperation.READ)
    wait_mended(running, one)
    running.wait_record("/customers", "x", customer(1))


# --- the registry ---

def to_registry(config, topic, url):
    settings = config(topic, startup_checks=QUICK)
    settings["kafka"]["schema_registry_url"] = url
    return settings


def test_registry_away(gate, config, service, filled_topic):
    gate.shut()
    running = service(to_registry(config, filled_topic.name, gate.url))
    one = wait_failed(running, "registry", "nothing listens there")
    assert one["target"] == gate.url
    gate.open()
    wait_mended(running, one)


@pytest.mark.parametrize("wrong, answer", [
    ("the registry does not authorise this client", (401, {"error_code": 40101, "message": "Unauthorized"})),
    ("the registry does not authorise this client", (403, {"error_code": 40301, "message": "Forbidden"})),
    ("the registry has no Avro", (200, ["JSON", "PROTOBUF"])),
    ("that is no schema registry", (404, {"message": "what?"})),
    ("that is no schema registry", (200, {"hello": "world"})),
    ("the registry cannot be used", (500, {"message": "no store"})),
])
def test_registry_that_refuses(gate, config, service, filled_topic, wrong, answer):
    gate.answer = answer
    running = service(to_registry(config, filled_topic.name, gate.url))
    one = wait_failed(running, "registry", wrong)
    gate.answer = None
    wait_mended(running, one)


def test_registry_by_a_wrong_url(registry, cluster, config, service, filled_topic):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for wrong, url in (("the registry's name is not known", "http://no-such-host.invalid:1"),
                           ("the registry does not answer in time", f"http://127.0.0.1:{port}"),
                           ("TLS to a registry without TLS", registry.url.replace("http:", "https:")),
                           ("the registry's certificate is not trusted",
                            f"https://{cluster.bootstrap('SSL')}")):
            running = service(to_registry(config, filled_topic.name, url))
            wait_failed(running, "registry", wrong)
            assert running.stop() == 0


# --- stores in Redis ---

@pytest.fixture
def redis_later(work, name):
    """A server that is not started yet."""
    server = RedisServer(work / f"redis-{name}")
    yield server
    server.end()


def test_redis_away(redis_later, config, service, filled_topic):
    running = service(config(filled_topic.name, cache=shared_store(redis_later), startup_checks=QUICK))
    one = wait_failed(running, "store", "nothing listens there")
    assert one["target"] == f"'shared' at redis://{redis_later.address}"
    redis_later.start()
    wait_mended(running, one)


@pytest.mark.parametrize("wrong, rights, mended", [
    ("wrong credentials of a store", ["on", "#" + 64 * "0"], ["on", "~pc:*", "&*", "+@all", ">another-secret"]),
    ("the store's user may not do what is needed", ["on", ">another-secret", "~others:*", "&*", "+@all"], ["~pc:*"]),
])
def test_redis_that_refuses(redis_server, config, service, filled_topic, wrong, rights, mended):
    server = redis_server(users=True)
    server.command("ACL", "SETUSER", "another", *rights)
    cache = shared_store(server, url=f"redis://another:another-secret@{server.address}")
    running = service(config(filled_topic.name, cache=cache, startup_checks=QUICK))
    one = wait_failed(running, "store", wrong)
    assert one["target"] == f"'shared' at redis://***@{server.address}"
    server.command("ACL", "SETUSER", "another", *mended)
    wait_mended(running, one)


def test_redis_by_a_wrong_url(redis_server, config, service, filled_topic):
    plain, secure = redis_server(), redis_server(tls=True)
    for wrong, url in (("the name of the store's Redis is not known", "redis://no-such-host.invalid:1"),
                       ("TLS to a Redis without TLS", f"rediss://{plain.address}"),
                       ("the certificate of the store's Redis is not trusted, or it wants one",
                        f"rediss://{secure.address}"),
                       ("the store's Redis has no such database", f"redis://{plain.address}/99")):
        running = service(config(filled_topic.name, cache=shared_store(plain, url=url), startup_checks=QUICK))
        wait_failed(running, "store", wrong)
        assert running.stop() == 0
