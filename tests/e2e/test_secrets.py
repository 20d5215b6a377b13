"""No secret shows: in no line of the log at any level and in either format, on no page, in no report."""
import base64
import itertools
import json
import urllib.parse

import pytest

from e2e.producing import customer
from e2e.pushcache import run, shared_store, write_config, write_secrets
from services import free_port

REDIS_USER, REDIS_PASSWORD = "redis-usr-7f3", "r3d1s/p@ss%wörd"
REGISTRY_USER, REGISTRY_PASSWORD, REGISTRY_TOKEN = "registry-usr-5d1", "r3g:p@ss/w+rd", "t0ken.of-registry_"
SASL_PASSWORD, KEY_PASSWORD = "alice-secret", "k3y of the p@ss"
KEYSTORE_PASSWORD, OAUTH_CONFIG = "k3ystore-p@ss", "scope=0auth-c0nf"
SECRETS = [REDIS_USER, REDIS_PASSWORD, REGISTRY_USER, REGISTRY_PASSWORD, REGISTRY_TOKEN, SASL_PASSWORD, KEY_PASSWORD,
           KEYSTORE_PASSWORD, OAUTH_CONFIG, "wr0ng-s@sl"]


def forms(secret):
    """The texts that would give it away."""
    yield from {secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret), urllib.parse.quote(secret),
                json.dumps(secret)[1:-1], secret.encode().hex()}
    for before, after in itertools.product((b"", b"alice:", REGISTRY_USER.encode() + b":", b"\0alice\0"), (b"",)):
        coded = base64.b64encode(before + secret.encode() + after).decode().rstrip("=")
        yield coded
        yield urllib.parse.quote(coded, safe="")


GIVEAWAYS = {form for secret in SECRETS for form in forms(secret)}


def check(texts):
    for what, text in texts.items():
        for form in GIVEAWAYS:
            at = text.find(form)
            assert at < 0, f"{what} has {form!r}: ...{text[max(at - 200, 0):at + 200]!r}"


def outputs(running):
    texts = {"stdout": running.printed()}
    for path in ("/ready", "/live", "/status", "/metrics", "/nothing"):
        texts[path] = running.health.get(path).body.decode()
    for method, path, body in (("GET", "/customers/absent", None), ("GET", "/nothing", None), ("PUT", "/customers", "x"),
                               ("GET", "/customers?limit=x", None), ("POST", "/customers", "{"),
                               ("GET", "/customers/%ff", None), ("GET", "/customers", None)):
        texts[f"{method} {path}"] = running.api.request(method, path, body).body.decode(errors="replace")
    return texts


def lines_of(running, log_format):
    lines = running.logged().splitlines()
    assert len(lines) > 20, "trace logged next to nothing"
    if log_format == "json":
        for line in lines:
            assert {"time", "level", "component", "message"} <= json.loads(line).keys(), line
    return lines


@pytest.fixture
def secretive(cluster, gate, config, topic):
    """Settings with secrets everywhere, split into a file and a secrets folder; and a topic with a record."""
    made = topic()
    made.put_all({"x": customer(1)})

    def make(log_format, redis_address, with_token=False):
        login = f"{urllib.parse.quote(REDIS_USER)}:{urllib.parse.quote(REDIS_PASSWORD, safe='')}"
        settings = config(made.name, startup_checks={"fails": 0, "timeout": "2s"}, log={"format": log_format})
        settings["cache"]["stores"].append({"name": "shared", "type": "redis", "prefix": "pc",
                                            "url": f"redis://{login}@{redis_address}"})
        settings["cache"]["routes"].append({"path": "/shared", "store": "shared"})
        registry = {"token": REGISTRY_TOKEN} if with_token else {"username": REGISTRY_USER,
                                                                 "password": REGISTRY_PASSWORD}
        settings["kafka"].update(schema_registry_url=gate.url, schema_registry=registry, brokers=cluster.bootstrap("SASL_SSL"))
        settings["kafka"]["properties"] = {
            "security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN", "sasl.username": "alice",
            "ssl.ca.location": str(cluster.certificates / "ca.pem"), "ssl.key.password": KEY_PASSWORD,
            "ssl.certificate.location": str(cluster.certificates / "client.crt"),
            "ssl.key.location": str(cluster.certificates / "client.key"), "debug": "all",
            "ssl.keystore.password": KEYSTORE_PASSWORD, "sasl.oauthbearer.config": OAUTH_CONFIG}
        return settings, {"kafka.properties.sasl.password": SASL_PASSWORD + "\n"}
    return make


TRACE = {"CAPTURE_LOG": "trace"}


@pytest.mark.parametrize("log_format, with_token", [("text", False), ("json", True)])
def test_all_works(secretive, redis_server, service, log_format, with_token):
    server = redis_server(users=True)
    server.command("ACL", "SETUSER", REDIS_USER, "on", f">{REDIS_PASSWORD}", "~pc:*", "&*", "+@all")
    settings, secrets = secretive(log_format, server.address, with_token)
    running = service(settings, secrets=secrets, environment=TRACE).wait_ready()
    running.check_all("/customers", {"x": customer(1)})
    running.wait_record("/shared", "x", customer(1))
    texts = outputs(running)
    assert running.stop() == 0
    lines_of(running, log_format)
    check({**texts, "stderr": running.logged()})


@pytest.mark.parametrize("log_format, with_token", [("text", True), ("json", False)])
def test_nothing_works(secretive, gate, redis_server, service, log_format, with_token):
    """Servers that refuse what they are given, and one that repeats it."""
    server = redis_server(users=True)
    settings, secrets = secretive(log_format, server.address, with_token)
    credentials = base64.b64encode(f"{REGISTRY_USER}:{REGISTRY_PASSWORD}".encode()).decode()
    got = REGISTRY_TOKEN if with_token else f"{REGISTRY_USER} {REGISTRY_PASSWORD} Basic {credentials}"
    gate.answer = (401, {"message": f"wrong: {got}"})
    secrets["kafka.properties.sasl.password"] = "wr0ng-s@sl"
    running = service(settings, secrets=secrets, environment=TRACE)

    def failed():
        return {one["check"] for one in running.status()["startup_checks"] if one["state"] == "failed"}
    running.wait(lambda: failed() >= {"brokers", "registry", "store"}, "all checks to fail")
    texts = outputs(running)
    assert running.stop() == 0
    lines_of(running, log_format)
    check({**texts, "stderr": running.logged()})


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nobody_is_there(secretive, gate, service, log_format):
    settings, secrets = secretive(log_format, f"127.0.0.1:{free_port()}")
    settings["kafka"]["brokers"] = f"127.0.0.1:{free_port()}"
    gate.shut()
    running = service(settings, secrets=secrets, environment=TRACE)
    running.wait(lambda: sum(one["state"] == "failed" for one in running.status()["startup_checks"]) == 3, "3 failures")
    texts = outputs(running)
    assert running.stop() == 0
    lines_of(running, log_format)
    check({**texts, "stderr": running.logged()})


def test_reports(secretive, tmp_path):
    """Of configurations that are right, wrong, or refused by librdkafka."""
    right, secrets = secretive("json", "redis.internal")
    wrong = json.loads(json.dumps(right))
    wrong["cache"]["stores"][-1]["url"] += ":1x"
    wrong["kafka"]["schema_registry_url"] = f"http://{REGISTRY_USER}:{urllib.parse.quote(REGISTRY_PASSWORD)}@host:x"
    refused = json.loads(json.dumps(right))
    refused["kafka"]["properties"]["no.such.password"] = KEY_PASSWORD
    texts = {}
    for (name, settings), command in itertools.product(
            {"right": right, "wrong": wrong, "refused": refused}.items(),
            (["config-check"], ["config-check", "--print"], ["start"])):
        if (name, command) == ("right", ["start"]):
            continue
        done = run(command[0], "--config", write_config(tmp_path, settings), "--secrets",
                   write_secrets(tmp_path, secrets), *command[1:], environment=TRACE)
        texts[f"{name}: {command}"] = done.stdout + done.stderr
        assert done.stdout + done.stderr
    check(texts)
