"""The HTTP API against a real topic."""
import json
import re
import socket
import urllib.parse

import pytest

from e2e.producing import BILL, customer, sample
from e2e.pushcache import PushCache, make_config

KEYS = ["plain", "with space", "a/b", "a%2Fb", "100%", "q?x=1&y", "#", "+", "ключ", "漢字", "🎉", "é", "..", ".", "~",
        '"', "\\", "a" * 5000, "%", "a;b", "[x]", "C1"]


@pytest.fixture(scope="module")
def running(kafka, cluster, registry, tmp_path_factory):
    """One service for what only reads."""
    made = kafka.create("api", 2)
    for number, key in enumerate(KEYS):
        made.put(key, customer(number))
    made.put("bill", sample("bill", 1), BILL, partition=0)
    made.flush()
    settings = make_config(cluster.bootstrap(), registry.url, "api", made.name,
                           kafka={"cache_max_age_seconds": 17}, cache={"writes": "off"})
    settings["cache"]["routes"].append({"path": "/keyed", "store": "customers", "key_from_body": "id"})
    running = PushCache(tmp_path_factory.mktemp("api"), settings).start().wait_ready()
    yield running
    running.kill()


def test_record(running):
    answer = running.api.record("/customers", "plain")
    assert answer.status == 200 and answer.json() == customer(0)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Cache-Control"] == "public, max-age=17"
    assert answer.headers["ETag"] == f'"{customer(0)["updatedAt"]}"'
    assert int(answer.headers["Content-Length"]) == len(answer.body)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key[:20]))
def test_any_key(running, key):
    answer = running.api.record("/customers", key)
    assert answer.status == 200 and answer.json() == customer(KEYS.index(key))


def test_conditional_get(running):
    tag = running.api.record("/customers", "plain").headers["ETag"]
    for value in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        answer = running.api.get("/customers/plain", {"If-None-Match": value})
        assert answer.status == 304 and answer.body == b"", value
        assert answer.headers["ETag"] == tag
    assert running.api.get("/customers/plain", {"If-None-Match": '"other"'}).status == 200
    assert running.api.get("/customers/absent", {"If-None-Match": "*"}).status == 404


def test_etag_without_updated_at(running):
    """From partition and offset; still one that answers 304."""
    answer = running.api.record("/bills", "bill")
    assert answer.status == 200
    assert re.fullmatch(r'"[^"]+"', answer.headers["ETag"])
    assert running.api.get("/bills/bill", {"If-None-Match": answer.headers["ETag"]}).status == 304


def test_head(running):
    full = running.api.record("/customers", "plain")
    head = running.api.request("HEAD", "/customers/plain")
    assert head.status == 200 and head.body == b""
    for header in ("Content-Length", "ETag", "Cache-Control", "Content-Type"):
        assert head.headers[header] == full.headers[header], header
    assert running.api.request("HEAD", "/customers/absent").status == 404


def test_absent(running):
    for path in ("/customers/absent", "/customers/bill", "/bills/plain", "/nowhere", "/nowhere/x"):
        answer = running.api.get(path)
        assert answer.status == 404, path
        assert list(answer.json()) == ["code", "message"] and answer.json()["code"] == "not_found", path
        assert isinstance(answer.json()["message"], str), path


def test_errors_have_a_code(running):
    """Of both ports, by handlers and by the connection itself."""
    rows = [
        ("GET", "/customers?limit=x", 400, "invalid_argument"),
        ("GET", "/customers/%zz", 400, "invalid_argument"),
        ("PUT", "/customers/plain", 405, "method_not_allowed"),
        ("PUT", "/openapi.json", 405, "method_not_allowed"),
        ("GET", "/openapi.json/x", 404, "not_found"),
        ("GET", "/keyed_by_body/x", 404, "not_found"),
    ]
    for method, path, status, code in rows:
        answer = running.api.request(method, path)
        assert answer.status == status and list(answer.json()) == ["code", "message"], (path, answer)
        assert answer.json()["code"] == code, (path, answer)
    for path, status, code in (("/nowhere", 404, "not_found"), ("/status/record", 400, "invalid_argument")):
        answer = running.health.get(path)
        assert answer.status == status and answer.json()["code"] == code, (path, answer)
    host, port = running.api.connection.host, running.api.connection.port
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(b"GET /x HTTP/3.0\r\nHost: x\r\n\r\n")
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.split()[1] == b"505" and json.loads(body)["code"] == "http_version"


def test_outside_the_prefix(running):
    host, port = running.api.connection.host, running.api.connection.port
    for path in ("/", "/cach", "/cached/customers", "/customers/plain", "/hams/ready"):
        with socket.create_connection((host, port), timeout=30) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert connection.makefile("rb").readline().split()[1] == b"404", path


def test_list(running):
    keys = sorted(KEYS, key=str.encode)
    assert running.keys("/customers") == keys
    assert running.keys("/customers", "?limit=5") == keys[:5]
    assert running.keys("/customers", "?offset=5") == keys[5:]
    assert running.keys("/customers", "?limit=3&offset=4") == keys[4:7]
    assert running.keys("/customers", "?limit=0") == []
    assert running.keys("/customers", "?offset=1000") == []
    for part in ("a", "%", "клю", "/", "nothing like it", " "):
        quoted = urllib.parse.quote(part, safe="")
        assert running.keys("/customers", f"?filter={quoted}") == [key for key in keys if part in key], part
    assert running.keys("/customers", "?filter=a&limit=1&offset=1") == [key for key in keys if "a" in key][1:2]


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "offset=-1", "offset=1.5", "limit=99999999999999999999"])
def test_list_with_a_bad_query(running, query):
    answer = running.api.get(f"/customers?{query}")
    assert answer.status == 400
    assert query.split("=", maxsplit=1)[0] in answer.json()["message"]


def test_writes_off(running):
    for method, path in (("POST", "/customers"), ("DELETE", "/customers/plain")):
        answer = running.api.request(method, path, customer(1) if method == "POST" else None)
        assert answer.status == 405, answer
        assert answer.json()["message"]
    assert running.api.record("/customers", "plain").status == 200


def test_unknown_methods(running):
    for method in ("PUT", "PATCH", "BREW"):
        answer = running.api.request(method, "/customers/plain", "{}")
        assert answer.status in (405, 501), answer


def test_key_from_the_body(running):
    for method in ("POST", "GET"):
        answer = running.api.request(method, "/keyed_by_body", {"id": "a/b", "more": 1})
        assert answer.status == 200 and answer.json() == customer(KEYS.index("a/b")), (method, answer)
    assert running.api.request("POST", "/keyed_by_body", {"id": "absent"}).status == 404
    for body in ('{"other": 1}', "{", "[]", ""):
        answer = running.api.request("POST", "/keyed_by_body", body)
        assert answer.status == 400 and answer.json()["message"], (body, answer)


def test_pipelined_requests_are_answered_in_order(running):
    host, port = running.api.connection.host, running.api.connection.port
    wanted = [number % 2 for number in range(50)]
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(b"".join(
            f"GET {running.api.prefix}/customers/{('plain', 'absent')[n]} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            for n in wanted))
        stream = connection.makefile("rb")
        for number in wanted:
            assert stream.readline().split()[1] == (b"200", b"404")[number]
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            assert ("accountId" if number == 0 else "message") in json.loads(stream.read(length))


def test_metrics(running):
    before = running.metrics()
    running.api.record("/customers", "plain")
    running.api.record("/customers", "absent")
    text = running.health.get("/metrics").body.decode()

    def total(name):
        return (sum(v for k, v in running.metrics().items() if k.split("{")[0] == name),
                sum(v for k, v in before.items() if k.split("{")[0] == name))
    for name in ("requests_total", "requests_miss"):
        now, then = total(name)
        assert now > then, (name, text)
    for name in ("updates_received", "tombstones_processed", "schema_mismatch_count", "schema_unrouted_count",
                 "push_cache_records_total", "push_cache_consumer_lag_total"):
        assert re.search(rf"^# HELP {name}\S* \S+", text, re.MULTILINE), name
        assert re.search(rf"^{name}\S*(\{{.*\}})? ", text, re.MULTILINE), name


def test_users_goes_to_the_first_route_when_none_claims_it(running):
    assert running.api.record("/users", "plain").json() == customer(0)
    assert running.keys("/users") == running.keys("/customers")


@pytest.fixture
def writable(topic, config, service):
    made = topic()
    made.put_all({"C1": customer(1, accountId="C1")})
    return service(config(made.name)).wait_ready()


def test_post(writable):
    new = customer(2, accountId="new/é")
    answer = writable.api.request("POST", "/customers", new)
    assert answer.status == 201 and answer.json() == new, answer
    assert writable.api.record("/customers", "new/é").json() == new
    assert writable.keys("/customers") == ["C1", "new/é"]
    again = writable.api.request("POST", "/customers", {**new, "name": "other"})
    assert again.status == 409 and again.json()["message"]
    assert writable.api.record("/customers", "new/é").json() == new


@pytest.mark.parametrize("change, field", [
    ({"updatedAt": "yesterday"}, "updatedAt"), ({"name": None}, "name"), ({"name": 5}, "name"),
    ({"createdAt": 1.5}, "createdAt"), ({"createdAt": 2**63}, "createdAt"), ({"surplus": 1}, "surplus")])
def test_post_that_does_not_match(writable, change, field):
    answer = writable.api.request("POST", "/customers", {**customer(7), **change})
    assert answer.status == 400 and field in answer.json()["message"], answer
    assert writable.keys("/customers") == ["C1"]


@pytest.mark.parametrize("missing", ["accountId", "phone"])
def test_post_with_a_field_missing(writable, missing):
    record = customer(7)
    del record[missing]
    answer = writable.api.request("POST", "/customers", record)
    assert answer.status == 400 and missing in answer.json()["message"], answer


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', "{}{}", b"\xff\xfe"])
def test_post_that_is_no_object(writable, body):
    answer = writable.api.request("POST", "/customers", body)
    assert answer.status == 400 and answer.json()["message"], answer


def test_delete(writable):
    answer = writable.api.request("DELETE", "/customers/C1")
    assert answer.status == 200 and answer.json() == customer(1, accountId="C1"), answer
    assert writable.api.record("/customers", "C1").status == 404
    answer = writable.api.request("DELETE", "/customers/C1")
    assert answer.status == 404 and answer.json()["message"]
    assert writable.keys("/customers") == []


def test_update_after_a_local_write_wins(topic, config, service):
    made = topic()
    made.put_all({"C1": customer(1)})
    running = service(config(made.name)).wait_ready()
    assert running.api.request("DELETE", "/customers/C1").status == 200
    made.put_all({"C1": customer(3)})
    running.wait_record("/customers", "C1", customer(3))
    assert running.keys("/customers") == ["C1"]
