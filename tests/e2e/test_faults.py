"""Brokers that come late, go, or refuse us."""
import pytest

from e2e.producing import Kafka, customer
from e2e.pushcache import run, write_config
from services.install import USERS, certificates


@pytest.mark.timeout(240)
def test_broker_started_after_the_service_then_killed_then_back(own_cluster, registry, name, config, service):
    """Away at the start: not ready, alive, and it says why. Lost later: what is loaded is served on, and status says
    that Kafka is gone. Back: everything, without a restart of ours."""
    cluster = own_cluster()
    settings = config(name, startup_checks={"enabled": False})
    settings["kafka"]["brokers"] = cluster.bootstrap()
    running = service(settings)
    running.wait_waiting(".")
    assert running.health.get("/live").status == 200
    assert running.api.record("/customers", "x").status == 503
    assert running.status()["kafka"]["connected"] is False

    cluster.start()
    kafka = Kafka(cluster.bootstrap(), registry)
    made = kafka.create(name)
    made.put_all({f"k{number}": customer(number) for number in range(100)})
    running.wait(lambda: running.ready() and len(running.keys("/customers")) == 100, "the records", seconds=120)

    cluster.kill()
    running.wait(lambda: running.status()["kafka"]["connected"] is False, "the loss to be noticed", seconds=120)
    assert running.health.get("/live").status == 200
    assert running.status()["kafka"]["error"], running.status()
    assert running.api.record("/customers", "k1").json() == customer(1)

    cluster.start()
    made.put_all({"k1": customer(1, name="after")})
    running.wait_record("/customers", "k1", customer(1, name="after"), seconds=120)
    running.wait_ready(120)
    assert len(running.keys("/customers")) == 100


def secure(settings, cluster, listener, **properties):
    """`properties`: with underscores for dots; names of librdkafka."""
    settings["kafka"]["brokers"] = cluster.bootstrap(listener)
    settings["kafka"]["properties"] = {key.replace("_", "."): value for key, value in properties.items()}
    return settings


def scram(password):
    return {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "alice",
            "sasl_password": password, "ssl_ca_location": str(certificates() / "ca.pem")}


def ways():
    folder = certificates()
    trust = {"ssl_ca_location": str(folder / "ca.pem")}
    user = {"sasl_username": "bob", "sasl_password": USERS["bob"]}
    return {
        "SASL_SSL": scram(USERS["alice"]),
        "SASL_PLAINTEXT": {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", **user},
        "SSL": {"security_protocol": "SSL", **trust},
        "MTLS": {"security_protocol": "SSL", **trust, "ssl_certificate_location": str(folder / "client.crt"),
                 "ssl_key_location": str(folder / "client.key")},
    }


@pytest.mark.parametrize("listener", ["SASL_SSL", "SASL_PLAINTEXT", "SSL", "MTLS"])
def test_secure_listeners(cluster, topic, config, service, listener):
    made = topic(partitions=2)
    records = {f"k{number}": customer(number) for number in range(20)}
    made.put_all(records)
    running = service(secure(config(made.name), cluster, listener, **ways()[listener])).wait_ready()
    running.check_all("/customers", records)


@pytest.mark.parametrize("fault, pattern", [("password", "authenticat|credential|sasl"),
                                            ("ca", "certificate|ssl|tls"),
                                            ("client certificate", "certificate|ssl|tls|disconnected|reset"),
                                            ("no tls", "ssl|tls|disconnected|protocol")])
def test_refused_connections_are_said_clearly(cluster, topic, config, service, fault, pattern):
    """In /hams/ready, so that the operator sees it; the password itself shows nowhere."""
    wrong = {"password": ("SASL_SSL", scram("not-the-password")),
             "ca": ("SSL", {"security_protocol": "SSL"}),
             "client certificate": ("MTLS", ways()["SSL"]),
             "no tls": ("SSL", {})}[fault]
    made = topic()
    made.put_all({"x": customer(1)})
    settings = secure(config(made.name, startup_checks={"enabled": False}), cluster, wrong[0], **wrong[1])
    running = service(settings)
    running.wait_waiting(pattern)
    assert running.api.record("/customers", "x").status == 503
    assert running.process.alive()
    for text in (running.logged(), running.printed(), running.reasons(), str(running.status())):
        assert "not-the-password" not in text


def test_sigterm_while_nothing_can_be_reached(config, service):
    settings = config("nowhere", startup_checks={"enabled": False})
    settings["kafka"]["brokers"] = "127.0.0.1:1"
    settings["kafka"]["schema_registry_url"] = "http://127.0.0.1:1"
    running = service(settings)
    running.wait_waiting()
    assert running.stop(20) == 0


def test_startup_check_warns_of_a_registry_that_does_not_answer(topic, config, service):
    """It waits all the same: the registry may come later."""
    settings = config(topic().name, startup_checks={"enabled": True, "fails": 1, "timeout": "500ms"})
    settings["kafka"]["schema_registry_url"] = "http://127.0.0.1:1"
    running = service(settings)
    running.wait(lambda: "startup check" in running.logged() and "registry" in running.logged(), "the warning")
    assert running.process.alive()
