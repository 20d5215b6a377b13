"""Reader schemas: cache.routes[].schema in each of its forms, and writers that cannot be resolved."""
import json

import pytest

from e2e.producing import CUSTOMER, NAMESPACE, customer, record_type
from e2e.pushcache import run, write_config

# The next version of a Customer: one more field, with a default.
CUSTOMER_2 = {**CUSTOMER, "fields": [*CUSTOMER["fields"], {"name": "email", "type": "string", "default": ""}]}
# The phone number as a number: neither can be read as the other.
CUSTOMER_PHONE = {**CUSTOMER, "fields": [
    {**field, "type": "long"} if field["name"] == "phone" else field for field in CUSTOMER["fields"]]}
# What some reader wants to see: fewer fields, one by another name, one that nobody writes.
VIEW = {**record_type("Customer", ("accountId", "string")), "fields": [
    {"name": "accountId", "type": "string"},
    {"name": "fullName", "type": "string", "aliases": ["name"]},
    {"name": "tier", "type": "string", "default": "basic"}]}


def view(record):
    return {"accountId": record["accountId"], "fullName": record["name"], "tier": "basic"}


def routes(settings, **schemas):
    """A route on the store of customers for each: path="schema"."""
    settings["cache"]["routes"] = [{"path": f"/{path}", "store": "customers", "schema": schema}
                                   for path, schema in schemas.items()]
    settings["cache"]["stores"] = settings["cache"]["stores"][:1]
    return settings


def reader(running, path):
    """The route's only reader schema, as /status has it."""
    found = next(route for route in running.status()["routes"] if route["path"] == path)
    assert len(found["readers"]) == 1, found
    return found["readers"][0]


def bad(running):
    return {cause: count for cause, count in running.status()["records"]["bad"].items() if count}


def allow_any_change(kafka, made):
    """So that the registry takes a version that cannot read the ones before it."""
    made.id_of(CUSTOMER)
    status, answer = kafka.registry.request("PUT", f"/config/{made.name}-value", {"compatibility": "NONE"})
    assert status == 200, answer


def test_latest_shows_its_new_field_on_old_records(topic, config, service):
    """Without a restart; and a 304 never stands for the former rendering."""
    made = topic()
    made.put_all({"x": customer(1), "y": customer(2)})
    running = service(routes(config(made.name), customers="latest", written="writer")).wait_ready()
    running.check_all("/customers", {"x": customer(1), "y": customer(2)})
    before = running.api.record("/customers", "y")
    tag = before.headers["ETag"]
    assert tag.startswith(f'"{customer(2)["updatedAt"]}-r')
    assert running.api.get("/customers/y", {"If-None-Match": tag}).status == 304
    first = reader(running, "/customers")
    assert (first["state"], first["version"], first["id"]) == ("known", 1, made.id_of(CUSTOMER))
    assert first["name"] == f"{made.name}-value:latest" and first["error"] is None

    changed = {**customer(3), "email": "x@example.com"}
    made.put_all({"x": changed}, CUSTOMER_2)
    running.wait_record("/customers", "x", changed)
    running.wait_record("/customers", "y", {**customer(2), "email": ""})
    after = running.api.get("/customers/y", {"If-None-Match": tag})
    assert after.status == 200 and after.headers["ETag"] != tag
    assert running.api.get("/customers/y", {"If-None-Match": after.headers["ETag"]}).status == 304
    second = reader(running, "/customers")
    assert (second["version"], second["id"], second["unresolvable_writers"]) == (2, made.id_of(CUSTOMER_2), [])
    # Beside it, as written.
    running.check_all("/written", {"x": changed, "y": customer(2)})
    assert "-r" not in running.api.record("/written", "y").headers["ETag"]
    assert bad(running) == {}


def test_a_pinned_version_shows_what_a_newer_writer_writes(topic, config, service):
    """New schema ids appear with no restart, by the pinned version and as written."""
    made = topic()
    made.put_all({"x": customer(1)})
    settings = routes(config(made.name), customers=f"{made.name}-value:1", written="writer")
    running = service(settings).wait_ready()
    changed = {**customer(2), "email": "x@example.com"}
    made.put_all({"x": changed, "new": changed}, CUSTOMER_2)
    running.wait_record("/written", "new", changed)
    running.check_all("/written", {"x": changed, "new": changed})
    running.check_all("/customers", {"x": customer(2), "new": customer(2)})
    assert reader(running, "/customers")["version"] == 1
    assert bad(running) == {}


def test_the_latest_version_of_another_subject(kafka, name, topic, config, service):
    made = topic()
    made.put_all({"x": customer(1), "y": customer(2)})
    number = kafka.registry.register(f"{name}/view", VIEW)
    running = service(routes(config(made.name), customers=f"{name}/view:latest")).wait_ready()
    running.check_all("/customers", {"x": view(customer(1)), "y": view(customer(2))})
    assert reader(running, "/customers")["id"] == number


def test_a_schema_from_a_file(tmp_path, topic, config, service):
    """Also what POST and DELETE answer is by it."""
    made = topic()
    first, second = customer(1), customer(2)
    made.put_all({first["accountId"]: first})
    path = tmp_path / "view.avsc"
    path.write_text(json.dumps(VIEW))
    running = service(routes(config(made.name), customers=f"file:{path}")).wait_ready()
    running.check_all("/customers", {first["accountId"]: view(first)})
    found = reader(running, "/customers")
    assert (found["state"], found["id"], found["version"]) == ("known", None, None)
    posted = running.api.request("POST", "/customers", second, {"Content-Type": "application/json"})
    assert posted.status == 201 and posted.json() == view(second), posted
    running.check_all("/customers", {first["accountId"]: view(first), second["accountId"]: view(second)})
    removed = running.api.request("DELETE", f"/customers/{first['accountId']}")
    assert removed.status == 200 and removed.json() == view(first)


def test_a_writer_that_a_pinned_version_cannot_read(kafka, topic, config, service):
    """Its records are counted and seen, each key keeps its last good value, and others go on."""
    made = topic()
    allow_any_change(kafka, made)
    made.put_all({"x": customer(1), "y": customer(2)})
    running = service(routes(config(made.name), customers=f"{made.name}-value:1")).wait_ready()
    changed = {**customer(3), "phone": 44}
    made.put_all({"x": changed, "new": changed}, CUSTOMER_PHONE)
    made.put_all({"y": customer(4)})
    running.wait_record("/customers", "y", customer(4))
    running.check_all("/customers", {"x": customer(1), "y": customer(4)})
    assert bad(running) == {"unresolvable": 2}
    assert running.metrics()['bad_records_total{cause="unresolvable"}'] == 2
    assert running.metrics()['push_cache_unresolvable_writers{route="/customers"}'] == 1
    found = reader(running, "/customers")
    assert found["state"] == "known" and found["unresolvable_writers"] == [made.id_of(CUSTOMER_PHONE)]
    assert running.ready()
    log = running.log.read_text()
    assert log.count(f"records of schema {made.id_of(CUSTOMER_PHONE)} cannot be resolved") == 1
    assert "bad record (unresolvable)" in log and "phone" in log
    # The last good value can still be replaced and removed.
    made.put_all({"x": customer(5), "y": None})
    running.wait_record("/customers", "y", None)
    running.check_all("/customers", {"x": customer(5)})


def test_a_latest_version_that_cannot_read_the_records_that_are_there(kafka, topic, config, service):
    """They are shown as before, and a later record of their schema is refused."""
    made = topic()
    allow_any_change(kafka, made)
    made.put_all({"x": customer(1), "y": customer(2)})
    running = service(routes(config(made.name), customers="latest")).wait_ready()
    tag = running.api.record("/customers", "x").headers["ETag"]
    changed = {**customer(3), "phone": 44}
    made.put_all({"y": changed}, CUSTOMER_PHONE)
    running.wait_record("/customers", "y", changed)  # and not refused by the former version
    assert bad(running) == {}
    kept = running.api.record("/customers", "x")
    assert kept.json() == customer(1) and kept.headers["ETag"] == tag
    running.wait(lambda: reader(running, "/customers")["unresolvable_writers"] == [made.id_of(CUSTOMER)],
                 "the former writer to be seen as unresolvable")
    made.put("x", customer(4))
    made.put("z", changed, CUSTOMER_PHONE)
    made.flush()
    running.wait_record("/customers", "z", changed)
    running.check_all("/customers", {"x": customer(1), "y": changed, "z": changed})
    assert bad(running) == {"unresolvable": 1}


def test_a_value_that_a_reader_cannot_hold(kafka, topic, config, service):
    """The schemas resolve, one value does not: a symbol that the reader's enum lacks."""
    def with_status(*symbols):
        return {**record_type("Customer", ("accountId", "string")), "fields": [
            {"name": "accountId", "type": "string"},
            {"name": "status", "type": {"type": "enum", "name": "Status", "namespace": NAMESPACE,
                                        "symbols": list(symbols)}}]}
    old, new = with_status("OPEN", "CLOSED"), with_status("OPEN", "CLOSED", "BANNED")
    made = topic()
    made.id_of(old)
    status, answer = kafka.registry.request("PUT", f"/config/{made.name}-value", {"compatibility": "NONE"})
    assert status == 200, answer
    made.put_all({"x": {"accountId": "1", "status": "OPEN"}}, old)
    running = service(routes(config(made.name), customers=f"{made.name}-value:1")).wait_ready()
    made.put("x", {"accountId": "1", "status": "BANNED"}, new)
    made.put("y", {"accountId": "2", "status": "CLOSED"}, new)
    made.flush()
    running.wait_record("/customers", "y", {"accountId": "2", "status": "CLOSED"})
    running.check_all("/customers", {"x": {"accountId": "1", "status": "OPEN"},
                                     "y": {"accountId": "2", "status": "CLOSED"}})
    assert bad(running) == {"unresolvable": 1}
    assert reader(running, "/customers")["unresolvable_writers"] == []


@pytest.mark.parametrize("form", ["latest", "pinned"])
def test_a_reader_schema_that_the_registry_does_not_give_yet(topic, config, service, gate, form):
    """Records wait for it and none is lost, though the writers' schemas are there."""
    made = topic(partitions=2)
    made.put_all({f"k{number}": customer(number) for number in range(20)})
    settings = routes(config(made.name), customers="latest" if form == "latest" else f"{made.name}-value:1")
    settings["kafka"]["schema_registry_url"] = gate.url
    gate.subjects = False
    running = service(settings)
    running.wait_waiting("schema")
    running.wait(lambda: reader(running, "/customers")["error"], "the reader's error")
    assert reader(running, "/customers")["state"] == "waiting"
    running.wait(lambda: running.metrics()["push_cache_registry_schemas"] == 1, "the writer's schema to be known")
    running.wait_waiting("reader schema .*status 500")
    assert bad(running) == {} and running.api.record("/customers", "k1").status == 503
    gate.subjects = True
    running.wait_ready()
    running.check_all("/customers", {f"k{number}": customer(number) for number in range(20)})
    assert reader(running, "/customers")["state"] == "known" and bad(running) == {}


def test_registry_away_at_the_start(topic, config, service, gate):
    made = topic()
    made.put_all({"x": customer(1)})
    gate.shut()
    settings = routes(config(made.name, startup_checks={"enabled": False}), customers="latest")
    settings["kafka"]["schema_registry_url"] = gate.url
    running = service(settings)
    running.wait_waiting("schema")
    gate.open()
    running.wait_ready()
    running.check_all("/customers", {"x": customer(1)})


def test_latest_is_of_each_records_own_topic(topic, config, service):
    """A new version under one topic's subject leaves the other topic's records as they were."""
    first, second = topic(), topic()
    first.put_all({"a": customer(1)})
    second.put_all({"b": customer(2)})
    running = service(routes(config([first.name, second.name]), customers="latest")).wait_ready()
    changed = {**customer(3), "email": "c@example.com"}
    second.put_all({"c": changed}, CUSTOMER_2)
    running.wait_record("/customers", "c", changed)
    running.wait_record("/customers", "b", {**customer(2), "email": ""})
    assert running.api.record("/customers", "a").json() == customer(1)


def test_an_empty_topic_without_a_subject_is_ready(topic, config, service):
    made = topic()
    running = service(routes(config(made.name), customers="latest")).wait_ready()
    assert running.api.record("/customers", "x").status == 404
    made.put_all({"x": customer(1)})
    running.wait_record("/customers", "x", customer(1))


@pytest.mark.parametrize("content, message", [
    (None, "cannot be read: No such file"), ("", "holds no Avro schema"), ('{"type": "recor"}', "unknown type 'recor'"),
    ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "B"}]}', "unknown type 'B'")])
@pytest.mark.parametrize("command", ["config-check", "start"])
def test_a_bad_file_is_a_fault_of_the_configuration(tmp_path, config, command, content, message):
    path = tmp_path / "bad.avsc"
    if content is not None:
        path.write_text(content)
    settings = routes(config("any"), a="writer", b=f"file:{path}", c=f"file:{tmp_path}/absent.avsc")
    done = run(command, "--config", write_config(tmp_path, settings))
    assert done.returncode > 0 and "2 faults" in done.stderr, done
    assert "cache.routes[1].schema" in done.stderr and message in done.stderr, done
    assert "cache.routes[2].schema" in done.stderr and "api http" not in done.stdout, done


@pytest.mark.parametrize("schema", ["newest", "users-value:", "users-value:0", ":3", "file:"])
def test_a_schema_that_is_none_of_the_forms(tmp_path, config, schema):
    done = run("config-check", "--config", write_config(tmp_path, routes(config("any"), a=schema)))
    assert done.returncode > 0 and "cache.routes[0].schema" in done.stderr, done
