"""openapi.json of a running service: a valid OpenAPI document, whose schemas are those of what is answered."""
import copy
import json

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from e2e.producing import CUSTOMER, TYPES, customer, sample
from e2e.pushcache import shared_store

CUSTOMER_2 = {**CUSTOMER, "fields": [*CUSTOMER["fields"], {"name": "email", "type": "string", "default": ""}]}
# Every kind of type, with logical types.
READING = {"type": "record", "name": "Reading", "namespace": "lab", "doc": "What a sensor said.", "fields": [
    {"name": "id", "type": "string"},
    {"name": "value", "type": ["null", "double", "string"], "default": None, "doc": "Or why there is none."},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["WARM", "COLD"]}, "default": "WARM"},
    {"name": "raw", "type": "bytes", "default": "\u00ff"},
    {"name": "check", "type": {"type": "fixed", "name": "Check", "size": 4}},
    {"name": "tags", "type": {"type": "map", "values": "int"}, "default": {}},
    {"name": "parts", "type": {"type": "array", "items": "Reading"}, "default": []},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}}]}


def document(running):
    """The document, which is valid."""
    answer = running.api.get("/openapi.json")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json", answer
    made = answer.json()
    OpenAPIV31SpecValidator(made).validate()
    return made


def schema_of(made, path, method="get", status="200"):
    """A validator of what is answered, or with status None of what is taken."""
    operation = made["paths"][path][method]
    content = operation["requestBody"] if status is None else operation["responses"][status]
    schema = {**content["content"]["application/json"]["schema"], "components": made["components"]}
    return Draft202012Validator(schema)


def check_records(running, made, route):
    """Every record of the route is as the document says, and a broken one is not."""
    shown, listed = schema_of(made, route + "/{id}"), schema_of(made, route)
    keys = running.keys(route)
    listed.validate(keys)
    assert keys
    for key in keys:
        record = running.api.record(route, key).json()
        shown.validate(record)
        field = next(iter(record))
        assert not shown.is_valid({name: value for name, value in record.items() if name != field})
        assert not shown.is_valid({**record, "no-field": 1})
        assert not shown.is_valid({**record, field: [record[field]]})


@pytest.fixture
def four(topic, config, service):
    """A service with the four types in one topic, and one more route with a reader schema."""
    made = topic(partitions=2)
    settings = config(made.name)
    settings["cache"]["routes"] += [
        {"path": "/view", "store": "customers", "schema": f"{made.name}-view:1", "list": False},
        {"path": "/by-id", "store": "customers", "key_from_body": "accountId"}]
    view = copy.deepcopy(CUSTOMER)
    view["fields"] = [{"name": "accountId", "type": "string"}, {"name": "tier", "type": "string", "default": "basic"}]
    made.kafka.registry.register(f"{made.name}-view", view)
    running = service(settings)
    empty = document(running)  # before there is any record
    assert schema_of(empty, "/customers/{id}").is_valid({"anything": 1})
    for kind, (_, schema, key) in TYPES.items():
        for number in range(40):
            record = sample(kind, number)
            made.put(f"{kind}-{record[key]}", record, schema)
    made.flush()
    running.wait_ready()
    running.wait(lambda: running.status()["records"]["updates"] >= 160, "the records")
    return running


def test_records_are_as_the_document_says(four):
    made = document(four)
    for route, _, _ in TYPES.values():
        check_records(four, made, route)
    view = schema_of(made, "/view/{id}")
    for key in four.keys("/customers"):
        view.validate(four.api.record("/view", key).json())
        assert not view.is_valid(four.api.record("/customers", key).json())
    errors = Draft202012Validator({"$ref": "#/components/schemas/push-cache-error", "components": made["components"]})
    errors.validate(four.api.record("/customers", "nobody").json())


def test_only_what_is_served_is_in_it(four):
    made = document(four)
    assert made["servers"] == [{"url": "/cache"}]
    paths = made["paths"]
    assert set(paths) == {"/openapi.json", "/by-id_by_body", *(route + more for more in ("", "/{id}") for route in (
        "/customers", "/bills", "/usage", "/tickets", "/view", "/by-id"))}
    assert "get" not in paths["/view"] and "get" in paths["/customers"]
    # Each path has the methods that its Allow has.
    for path, item in paths.items():
        if path == "/openapi.json" or path.endswith("_by_body"):
            continue
        allowed = four.api.request("OPTIONS", path.replace("{id}", "x")).headers["Allow"].split(", ")
        assert {method.upper() for method in item} == set(allowed) - {"HEAD"}, (path, allowed)


def test_statuses_and_headers(four):
    """What is answered stands there: status and headers."""
    made = document(four)
    record = customer(77)
    key = f"/{record['accountId']}"
    asked = [("get", "/customers/{id}", "/customers/nobody", None), ("get", "/customers", "/customers?limit=x", None),
             ("post", "/by-id", "/by-id", record), ("post", "/by-id", "/by-id", record),
             ("post", "/by-id", "/by-id", {"accountId": 7}), ("get", "/by-id/{id}", "/by-id" + key, None),
             ("post", "/by-id_by_body", "/by-id_by_body", {"accountId": record["accountId"]}),
             ("post", "/by-id_by_body", "/by-id_by_body", {}), ("delete", "/by-id/{id}", "/by-id" + key, None),
             ("delete", "/by-id/{id}", "/by-id" + key, None), ("get", "/openapi.json", "/openapi.json", None)]
    seen = set()
    for method, path, target, body in asked:
        answer = four.api.request(method.upper(), target, body)
        described = made["paths"][path][method]["responses"][str(answer.status)]
        if "$ref" in described:
            described = made["components"]["responses"][described["$ref"].rsplit("/", 1)[1]]
        sent = set(answer.headers) & set(made["components"]["headers"])
        assert sent <= set(described.get("headers", {})), (method, path, answer.status, sent)
        seen.add((method, answer.status))
    assert seen == {("get", 404), ("get", 400), ("post", 201), ("post", 409), ("post", 400), ("get", 200),
                    ("post", 200), ("delete", 200), ("delete", 404)}


def test_it_changes_with_the_schemas(topic, config, service):
    """Also of records that were written with the version before, which are shown by it."""
    made = topic()
    made.put("a", customer(1))
    made.flush()
    running = service(config(made.name)).wait_ready()
    first = running.api.get("/openapi.json")
    tag = first.headers["ETag"]
    assert running.api.get("/openapi.json", {"If-None-Match": tag}).status == 304
    made.put("b", {**customer(2), "email": "x@example.com"}, CUSTOMER_2)
    made.flush()
    running.wait_record("/customers", "b", {**customer(2), "email": "x@example.com"})
    second = running.api.get("/openapi.json", {"If-None-Match": tag})
    assert second.status == 200 and second.headers["ETag"] != tag
    check_records(running, document(running), "/customers")


@pytest.mark.parametrize("logical", ["numbers", "readable"])
def test_every_kind_of_type_and_what_post_takes(topic, config, service, logical):
    made = topic()
    record = {"id": "r1", "value": float("nan"), "kind": "COLD", "raw": b"\x00\x01", "check": b"abcd",
              "tags": {"a": 1}, "parts": [], "at": 1_700_000_000_000, "price": b"\x01\x02"}
    plain = {**READING, "fields": [{**field, "type": field["type"]["type"]} if field["name"] in ("at", "price") else field
                                   for field in READING["fields"]]}
    number = made.id_of(READING)
    for key, value in {"r1": {**record, "parts": [{**record, "id": "inner", "value": "broken"}]},
                       "r2": {**record, "id": "r2", "value": None}}.items():
        body = made.encode(value, plain)  # for fastavro, which would want dates and decimals
        made.put_raw(key, body[:1] + number.to_bytes(4, "big") + body[5:])
    made.flush()
    settings = config(made.name, json={"logical_types": logical})
    settings["cache"] = {"stores": [{"name": "all", "type": "in_memory"}],
                         "routes": [{"path": "/readings", "store": "all", "key_from_body": "id"}]}
    running = service(settings).wait_ready()
    assert len(running.keys("/readings")) == 2
    described = document(running)
    check_records(running, described, "/readings")
    assert described["components"]["schemas"]["lab.Reading"]["description"] == READING["doc"]

    taken = schema_of(described, "/readings", "post", None)
    least = {"id": "p1", "check": "YWJjZA==", "at": 5, "price": "AQI="}
    for number, (change, fits) in enumerate([
            ({}, True), ({"value": 2.5}, True), ({"value": "why"}, True), ({"kind": "HOT"}, False),
            ({"check": "YWJj"}, False), ({"raw": "?"}, False), ({"tags": {"a": "b"}}, False),
            ({"at": "2023-11-14T22:13:20Z"}, False), ({"more": 1}, False), ({"parts": [{"id": "x"}]}, False)]):
        body = {**least, "id": f"p{number}", **change}
        assert taken.is_valid(body) == fits, body
        answer = running.api.request("POST", "/readings", body)
        assert answer.status == (201 if fits else 400), (body, answer)
        if fits:
            schema_of(described, "/readings", "post", "201").validate(answer.json())
    assert not taken.is_valid({"id": "x"}) and running.api.request("POST", "/readings", {"id": "x"}).status == 400


def test_before_ready_without_writes_and_in_redis(topic, config, service, redis_server, gate):
    made = topic()
    made.put("a", customer(1))
    made.flush()
    settings = config(made.name, cache=shared_store(redis_server()))
    settings["cache"]["writes"] = "off"
    settings["kafka"]["schema_registry_url"] = gate.url
    settings["webservice"].update(prefix="/", position_headers=False)
    gate.shut()
    running = service(settings)
    running.wait_waiting()
    early = document(running)
    assert set(early["paths"]["/customers"]) == {"get", "options"}
    assert early["servers"] == [{"url": "/"}]
    assert "Last-Modified" not in json.dumps(early)
    gate.open()
    running.wait_ready()
    check_records(running, document(running), "/customers")


def test_a_route_of_this_name_goes_first(topic, config, service):
    made = topic()
    made.put("a", customer(1))
    made.flush()
    settings = config(made.name)
    settings["cache"]["routes"][0]["path"] = "/openapi.json"
    running = service(settings).wait_ready()
    assert running.api.get("/openapi.json").json() == ["a"]
    assert running.api.get("/openapi.json/a").json() == customer(1)
