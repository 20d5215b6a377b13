"""How records name their schema: headers of Confluent's serializers, GUIDs, Apicurio's 8-byte ids."""
import http.client
import http.server
import json
import struct
import threading
import uuid

import pytest

from e2e.producing import CUSTOMER, customer, datum, framed
from e2e.pushcache import shared_store
from services import ServiceError

VALUE_HEADER = "__value_schema_id"
KEY_HEADER = "__key_schema_id"
GUID = uuid.UUID("7ac2f1b0-4c1d-3e5a-9b7f-001122334455")
KEY_GUID = uuid.UUID("00000000-0000-0000-0000-000000000001")
STRING = '"string"'


def by_id(number):
    return b"\x00" + struct.pack(">I", number)


def by_guid(guid):
    return b"\x01" + guid.bytes


def apicurio(number, content):
    return b"\x00" + struct.pack(">q", number) + content


class Guids:
    """A registry that knows GUIDs, as Confluent's from line 8 on does; all else is asked of a real one."""

    def __init__(self, registry):
        self.ids = {}  # GUID -> what /schemas/guids/GUID/ids answers; others are not known
        self.requests = []
        guids = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                guids.requests.append(self.path)
                status, body = self.answer()
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def answer(self):
                parts = self.path.strip("/").split("/")
                if parts[:2] == ["schemas", "guids"]:
                    known = guids.ids.get(uuid.UUID(parts[2]))
                    if known is None or parts[3:] != ["ids"]:
                        return 404, {"error_code": 40403, "message": "Schema not found"}
                    return 200, known
                return registry.request("GET", self.path)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def guids(registry):
    made = Guids(registry)
    yield made
    made.end()


def test_ids_in_headers(kafka, topic, config, service):
    """The header goes before what a value begins with, the last one of a name before those before it, and one
    without a value is none."""
    made = topic()
    number = made.id_of(CUSTOMER)
    key_number = kafka.registry.register(f"{made.name}-key", STRING)
    bare = datum(CUSTOMER, customer(1))
    made.put_raw("bare", bare, headers=[(VALUE_HEADER, by_id(number))])
    made.put_raw(datum("string", "key"), bare, headers=[(KEY_HEADER, by_id(key_number)), (VALUE_HEADER, by_id(number))])
    made.put_raw("last", bare, headers=[(VALUE_HEADER, by_id(2_000_000_000)), (VALUE_HEADER, by_id(number))])
    made.put_raw("null", framed(number, bare), headers=[(VALUE_HEADER, None)])
    made.put_raw("others", framed(number, bare), headers=[("traceparent", b"00-1-2-01")])
    made.put_raw("both", framed(number, bare), headers=[(VALUE_HEADER, by_id(number))])  # 5 bytes too many
    made.put_raw("zero", bare, headers=[(VALUE_HEADER, by_id(0))])
    made.put_raw("cut", bare, headers=[(VALUE_HEADER, by_id(number)[:-1])])
    made.put_raw("magic", bare, headers=[(VALUE_HEADER, b"\x02" + by_id(number))])
    made.put_raw(datum("string", "gone"), bare, headers=[(KEY_HEADER, by_id(key_number)), (VALUE_HEADER, by_id(number))])
    made.put_raw(datum("string", "gone"), None, headers=[(KEY_HEADER, by_id(key_number))])
    made.flush()
    running = service(config(made.name)).wait_ready()
    running.check_all("/customers", {key: customer(1) for key in ("bare", "key", "last", "null", "others")})
    counted = running.status()["records"]["bad"]
    assert counted["undecodable"] == 1 and counted["bad_magic"] == 2 and counted["truncated"] == 1, counted
    assert sum(counted.values()) == 4, counted


def test_a_datum_that_looks_like_the_wire_format(topic, config, service):
    """Its header alone says that it is none."""
    flat = {"type": "record", "name": "Customer", "namespace": "com.polecatworks.billing",
            "fields": [{"name": name, "type": "int"} for name in "abcdef"]}
    made = topic()
    number = made.id_of(flat)
    record = dict.fromkeys("abcdef", 0) | {"e": 1}
    assert datum(flat, record)[:5] == b"\x00\x00\x00\x00\x02"  # schema 2 by its first bytes
    made.put_raw("flat", datum(flat, record), headers=[(VALUE_HEADER, by_id(number))])
    made.flush()
    service(config(made.name)).wait_ready().check_all("/customers", {"flat": record})


def test_guids_in_headers(kafka, topic, config, service, guids):
    """Asked of the registry once; a GUID that it does not know may come; all that is told has the registry's id."""
    made = topic()
    number = made.id_of(CUSTOMER)
    key_number = kafka.registry.register(f"{made.name}-key", STRING)
    bare = datum(CUSTOMER, customer(1))
    headers = [(KEY_HEADER, by_guid(KEY_GUID)), (VALUE_HEADER, by_guid(GUID))]
    for key in ("a", "b"):
        made.put_raw(datum("string", key), bare, headers=headers)
    made.flush()
    guids.ids[KEY_GUID] = [{"context": ".", "id": key_number}]
    settings = config(made.name, cache={"stores": [{"name": "all", "type": "in_memory"}],
                                        "routes": [{"path": "/customers", "store": "all"}]})
    settings["kafka"]["schema_registry_url"] = guids.url
    running = service(settings)
    running.wait(lambda: any(one.get("schema_guid") == str(GUID) and one["schema_id"] is None and one["attempts"]
                             for one in running.status()["registry"]["waiting"]), "the GUID to be asked for")
    guids.ids[GUID] = [{"context": ".other", "id": number + 1}, {"context": ".", "id": number}]
    running.wait_ready()
    running.wait(lambda: running.status()["set_aside"]["records"] == 0, "both to be applied")
    running.check_all("/customers", {"a": customer(1), "b": customer(1)})
    assert guids.requests.count(f"/schemas/guids/{KEY_GUID}/ids") == 1
    assert not running.status()["registry"]["waiting"]
    made.put("c", customer(3))  # the same schema by its id
    made.flush()
    running.wait_record("/customers", "c", customer(3))
    assert guids.requests.count(f"/schemas/ids/{number}") == 1


def test_guids_in_redis(kafka, topic, config, service, guids, redis_server):
    """What Redis holds has the registry's id: another process knows no GUID."""
    made = topic()
    number = made.id_of(CUSTOMER)
    bare = datum(CUSTOMER, customer(1))
    made.put_raw("a", bare, headers=[(VALUE_HEADER, by_guid(GUID))])
    made.flush()
    guids.ids[GUID] = [{"context": ".", "id": number}]
    redis = redis_server()
    settings = config(made.name, cache=shared_store(redis))
    settings["kafka"]["schema_registry_url"] = guids.url
    running = service(settings).wait_ready()
    running.check_all("/customers", {"a": customer(1)})
    assert running.stop() == 0
    guids.ids.clear()
    asked = len(guids.requests)
    running = service(settings).wait_ready()
    running.check_all("/customers", {"a": customer(1)})
    assert not [path for path in guids.requests[asked:] if "guids" in path]


def native_registry(registry, method, path, body=None, headers=None):
    """A request to Apicurio's own API."""
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=30)
    try:
        connection.request(method, "/apis/registry/v3" + path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise ServiceError(f"{method} {path}: {answer.status} {text}")
        return json.loads(text)
    finally:
        connection.close()


def ids_of(registry, subject, version=1):
    """globalId and contentId of what is registered under a subject."""
    meta = native_registry(registry, "GET", f"/groups/default/artifacts/{subject}/versions/{version}")
    return meta["globalId"], meta["contentId"]


@pytest.fixture
def apicurio_ids(kafka, topic):
    """A topic, and the globalId and contentId of its schema, which differ, as those of another schema do."""
    made = topic()
    kafka.registry.register(f"{made.name}-twin", CUSTOMER)  # one content, and a globalId more
    made.id_of(CUSTOMER)
    global_id, content_id = ids_of(kafka.registry, f"{made.name}-value")
    assert global_id != content_id
    return made, global_id, content_id


@pytest.mark.parametrize("wire_format", ["apicurio", "apicurio_content_id"])
def test_apicurio(kafka, apicurio_ids, config, service, wire_format):
    """Ids of 8 bytes in values, keys and headers, of a real Apicurio."""
    made, global_id, content_id = apicurio_ids
    subject = f"{made.name}-key"
    kafka.registry.register(subject, {"type": "record", "name": made.name.replace("-", "_"),
                                      "fields": [{"name": "id", "type": "string"}]})
    wanted = 0 if wire_format == "apicurio" else 1
    number = (global_id, content_id)[wanted]
    key_number = ids_of(kafka.registry, subject)[wanted]
    kind = ("globalId", "contentId")[wanted]
    bare = datum(CUSTOMER, customer(1))
    made.put_raw("payload", apicurio(number, bare))
    made.put_raw(apicurio(key_number, datum("string", "key")), apicurio(number, bare))
    made.put_raw(datum("string", "headers"), bare,
                 headers=[(f"apicurio.key.{kind}", struct.pack(">q", key_number)),
                          (f"apicurio.value.{kind}", struct.pack(">q", number))])
    made.put_raw("large", apicurio(2**31, bare))
    made.put_raw("zero", apicurio(0, bare))
    made.put_raw("cut", apicurio(number, bare)[:8])
    made.put_raw("confluent", framed(number, bare))
    made.flush()
    settings = config(made.name)
    settings["kafka"]["wire_format"] = wire_format
    running = service(settings).wait_ready()
    running.check_all("/customers", {key: customer(1) for key in ("payload", "key", "headers")})
    status = running.status()
    assert status["records"]["bad"]["bad_magic"] == 3 and status["records"]["bad"]["truncated"] == 1, status["records"]
    assert any("2147483648" in one["detail"] for one in status["bad_records"])


def test_apicurio_schema_with_references(kafka, topic, config, service):
    made = topic()
    registry = kafka.registry
    part = {"type": "record", "name": "Part", "namespace": "com.polecatworks.billing",
            "fields": [{"name": "n", "type": "int"}]}
    registry.register(f"{made.name}-part", part)
    whole = {"type": "record", "name": "Customer", "namespace": "com.polecatworks.billing",
             "fields": [{"name": "part", "type": "com.polecatworks.billing.Part"}]}
    registry.register(f"{made.name}-value", whole, [{"name": "com.polecatworks.billing.Part",
                                                     "subject": f"{made.name}-part", "version": 1}])
    global_id, _ = ids_of(registry, f"{made.name}-value")
    made.put_raw("k", apicurio(global_id, b"\x2a"))
    made.flush()
    settings = config(made.name)
    settings["kafka"]["wire_format"] = "apicurio"
    service(settings).wait_ready().check_all("/customers", {"k": {"part": {"n": 21}}})


def test_formats_that_are_not_read_are_named(topic, config, service):
    """An id of 0 is bad at once: nothing waits, and the text names what to set."""
    made = topic()
    number = made.id_of(CUSTOMER)
    bare = datum(CUSTOMER, customer(1))
    values = {b"\x03\x00" + GUID.bytes + bare: "AWS Glue", b"\x03\x05" + GUID.bytes + bare: "AWS Glue",
              b'{"a": 1}': "JSON", b"Obj\x01" + bare: "object container file", b"\xc3\x01" + bytes(8) + bare: "single-object",
              apicurio(number, bare): "kafka.wire_format: apicurio", framed(0, bare): "schema id 0"}
    for index, value in enumerate(values):
        made.put_raw(f"k{index}", value)
    made.put_raw(b"\x03\x00" + GUID.bytes, made.encode(customer(1), CUSTOMER))
    made.put("good", customer(2))
    made.flush()
    running = service(config(made.name)).wait_ready()
    running.check_all("/customers", {"good": customer(2)})
    status = running.status()
    details = [one["detail"] for one in status["bad_records"]]
    for text in values.values():
        assert any(text in detail for detail in details), (text, details)
    assert status["records"]["bad"]["bad_magic"] == len(values) and status["records"]["bad"]["bad_key"] == 1
    assert not status["registry"]["waiting"]
