"""Configuration: every fault in one report, layers, secrets."""
import json

import pytest

from e2e.producing import customer
from e2e.pushcache import run, write_config, write_secrets

FIRST_FORM = """
webservice: {address: "0.0.0.0:8080", prefix: "/api"}
kafka: {brokers: "localhost:9092", group_id: "push-cache-group", topic: "users",
        schema_registry_url: "http://localhost:8081", cache_max_age_seconds: 60}
cache:
  stores:
    - {name: "fast_local", type: "in_memory", schemas: ["customer", "bill"]}
    - {name: "global_redis", type: "redis", url: "redis://user:password@redis.internal.net:6379", prefix: "prod_v1"}
  routes:
    - {path: "/local-cache", store: "fast_local"}
    - {path: "/global-cache", store: "global_redis"}
"""


def check(folder, config, *arguments, environment=None):
    return run("config-check", "--config", write_config(folder, config), *arguments, environment=environment)


def test_a_file_of_the_first_form_is_accepted(tmp_path):
    done = check(tmp_path, FIRST_FORM)
    assert done.returncode == 0, done
    assert "user:password@" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["config-check", "start"])
def test_every_fault_is_in_one_report(tmp_path, command):
    """With the path of its key; the exit code is not 0; `start` starts nothing."""
    config = {
        "webservice": {"address": 8080, "prefixx": "/api"},
        "kafka": {"group_id": ["a"], "topic": "t", "schema_registry_url": "not a url",
                  "cache_max_age_seconds": "soon"},  # and no brokers
        "cache": {"stores": [{"name": "a", "type": "in_memory"}, {"name": "a", "type": "in_memory"},
                             {"name": "b", "type": "floppy"}, {"name": "c", "type": "redis"}],
                  "routes": [{"path": "/x", "store": "nowhere"}, {"path": "/x", "store": "a"}]},
        "hams": {"address": "no port"},
        "unheard_of": 1,
    }
    done = run(command, "--config", write_config(tmp_path, config))
    assert done.returncode not in (0, None) and done.returncode > 0
    report = done.stdout + done.stderr
    for key in ("webservice.address", "prefixx", "kafka.brokers", "kafka.group_id", "kafka.schema_registry_url",
                "kafka.cache_max_age_seconds", "cache.stores[1].name", "cache.stores[2].type", "cache.stores[3].url",
                "cache.routes[0].store", "cache.routes[1].path", "hams.address", "unheard_of"):
        assert key in report, (key, report)
    assert "api http" not in report


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "a: [", "\x00", "cache: *nowhere\n", "5"])
def test_a_file_that_is_no_configuration(tmp_path, text):
    done = check(tmp_path, text)
    assert done.returncode > 0 and done.stderr.strip() + done.stdout.strip(), done


def test_no_such_file(tmp_path):
    done = run("start", "--config", tmp_path / "absent.yaml")
    assert done.returncode > 0 and "absent.yaml" in done.stderr


def test_wrong_arguments():
    for arguments in ([], ["start"], ["fly"], ["start", "--confg", "x"]):
        done = run(*arguments)
        assert done.returncode > 0 and done.stderr.strip() + done.stdout.strip(), arguments


def test_layers(topic, config, service):
    """File < secrets < environment, seen by what the running service does."""
    made = topic()
    made.put_all({"x": customer(1)})
    settings = config("not-this-topic")
    settings["kafka"]["cache_max_age_seconds"] = 1
    settings["kafka"]["group_id"] = {"use_hostname": True}
    running = service(settings, secrets={"kafka.topic": "nor-this-one\n", "kafka.cache_max_age_seconds": "2\n"},
                      environment={"APP_KAFKA__TOPIC": made.name, "APP_WEBSERVICE__PREFIX": "/env"})
    running.wait_ready()
    assert running.api.prefix == "/env"
    answer = running.api.record("/customers", "x")
    assert answer.status == 200 and answer.headers["Cache-Control"] == "public, max-age=2"


def test_secrets_show_nowhere(tmp_path, cluster, topic, config, service):
    """From the file, from the secrets folder and from the environment; in logs and in reports, at any level."""
    made = topic()
    made.put_all({"x": customer(1)})
    settings = config(made.name)
    settings["kafka"]["properties"] = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN",
                                       "sasl.username": "alice"}
    settings["kafka"]["brokers"] = cluster.bootstrap("SASL_PLAINTEXT")
    secrets = {"kafka.properties.sasl.password": "alice-secret\n"}
    running = service(settings, secrets=secrets, environment={"CAPTURE_LOG": "trace"}).wait_ready()
    running.check_all("/customers", {"x": customer(1)})
    assert running.stop() == 0
    texts = [running.logged(), running.printed()]
    settings["cache"]["stores"].append({"name": "r", "type": "redis", "url": "redis://u:alice-secret@h:1x"})
    settings["kafka"]["schema_registry_url"] = "http://u:alice-secret@host"
    settings["kafka"]["properties"]["sasl.password"] = "alice-secret"
    for extra in ({}, {"oops": 1}):
        done = check(tmp_path, {**settings, **extra}, "--secrets", write_secrets(tmp_path, secrets))
        texts += [done.stdout, done.stderr]
    assert not [text for text in texts if "alice-secret" in text]
    assert texts[0], "CAPTURE_LOG=trace logged nothing"


def test_log_level(topic, config, service):
    """The default is WARN: a quiet start. Per component too."""
    made = topic()
    quiet = service(config(made.name), environment={"CAPTURE_LOG": ""}).wait_ready()
    loud = service(config(made.name), environment={"CAPTURE_LOG": "warn,kafka=debug"}).wait_ready()
    # librdkafka's own lines show with `debug` in its properties only; ours have the component's name.
    verbose = service(config(made.name), environment={"CAPTURE_LOG": "warn,ingest=info"}).wait_ready()
    assert " info " not in quiet.logged() and " info " not in loud.logged(), (quiet.logged(), loud.logged())
    assert " info ingest: " in verbose.logged() and " info app: " not in verbose.logged(), verbose.logged()


def test_port_in_use_is_said(topic, config, service, tmp_path):
    running = service(config(topic().name))
    settings = config("t", webservice={"address": f"127.0.0.1:{running.health.connection.port}"})
    done = run("start", "--config", write_config(tmp_path, settings))
    assert done.returncode > 0
    assert str(running.health.connection.port) in done.stderr


def test_config_check_starts_nothing(config, tmp_path):
    """Neither broker nor registry is asked."""
    settings = config("t")
    settings["kafka"]["brokers"] = "127.0.0.1:1"
    settings["kafka"]["schema_registry_url"] = "http://127.0.0.1:1"
    done = check(tmp_path, json.dumps(settings))
    assert done.returncode == 0, done
