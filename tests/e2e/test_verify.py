"""`push-cache verify`: a running service against a replay of its topics, and against another service."""
import contextlib
import http.client
import http.server
import json
import re
import threading
import urllib.parse

import pytest

from e2e.producing import TYPES, customer, sample
from e2e.pushcache import run, write_config
from services import free_port, wait_for

AWKWARD = ["a/b", "..", ".", "a b", "%41", "?x=1", "#", "+", "é漢🎉", '"\\', "\x01\n", "a\x00", "a//b/", "x" * 5000, "C 1&c=2"]
COUNT = 50_000


def url_of(running):
    return f"http://127.0.0.1:{running.api.connection.port}/cache"


def verify(folder, settings, url, *arguments, code=0):
    """Runs it to its end; the JSON that it prints, or what it complains of."""
    folder.mkdir(exist_ok=True)
    path = write_config(folder, settings)
    done = run("verify", "--config", path, "--url", url, "--json", *arguments, seconds=120)
    assert done.returncode == code, (done.returncode, done.stdout[-3000:], done.stderr[-3000:])
    return json.loads(done.stdout) if done.stdout else done.stderr


def counts(result, path):
    """The counts of a route that are not 0."""
    row = next(row for row in result["routes"] if row["path"] == path)
    return {name: value for name, value in row.items() if isinstance(value, int) and value}


def differences(result):
    return {(row["path"], one["key"]): one for row in result["routes"] for one in row["differences"]}


@pytest.fixture(scope="module")
def large(kafka):
    """50,000 keys of four types in three partitions, each written more than once, and tombstones."""
    made = kafka.create("verify-large", 3)
    each = COUNT // 4
    for kind, (_, schema, field) in TYPES.items():
        for seed in (0, 1):
            for number in range(each):
                record = sample(kind, number, seed)
                made.put(f"{kind}-{record[field]}", record, schema)
    for kind, (_, schema, field) in TYPES.items():
        for number in range(0, each, 50):
            made.put(f"{kind}-{sample(kind, number)[field]}", None)
    for key in AWKWARD:
        made.put(key, customer(7, accountId=key))
    made.flush()
    return made


@pytest.fixture
def small(topic):
    """Twenty customers and two that are gone."""
    made = topic(partitions=2)
    made.put_all({f"k{n:02}": customer(n) for n in range(22)})
    made.put_all({"k20": None, "k21": None})
    return made


def test_all_equal(large, config, service, tmp_path):
    settings = config(large.name)
    running = service(settings).wait_ready()
    result = verify(tmp_path / "v", settings, url_of(running))
    each = COUNT // 4 - COUNT // 4 // 50
    assert result["equal"] and result["against"] is None
    assert counts(result, "/customers") == {"keys": each + len(AWKWARD), "equal": each + len(AWKWARD)}
    for path in ("/bills", "/usage", "/tickets"):
        assert counts(result, path) == {"keys": each, "equal": each}
    assert result["total"]["keys"] == 4 * each + len(AWKWARD)
    print("rate", result["total"]["keys"] / result["compare_seconds"])


def test_a_table_for_people(small, config, service, tmp_path):
    settings = config(small.name)
    running = service(settings).wait_ready()
    assert running.api.request("DELETE", "/customers/k03").status == 200
    done = run("verify", "--config", write_config(tmp_path, settings), "--url", url_of(running))
    assert done.returncode == 1, done
    assert re.search(r"^route +keys +equal +missing +stale +extra +error +moving$", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^/customers +20 +19 +1 +0 +0 +0 +0$", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"^in all +20 +19 +1 +0 +0 +0 +0$", done.stdout, re.MULTILINE), done.stdout
    assert re.search(rf'^missing /customers "k03": topic: {small.name}/\d@\d+; service: 404$', done.stdout,
                     re.MULTILINE), done.stdout
    assert "ready: 24 records applied" in done.stderr, done.stderr


def test_what_was_changed_through_http_shows(small, config, service, tmp_path):
    settings = config(small.name)
    settings["cache"]["routes"][0]["key_from_body"] = "accountId"
    running = service(settings).wait_ready()
    assert running.api.request("DELETE", "/customers/k00").status == 200
    added = running.api.request("POST", "/customers", customer(99, accountId="new"),
                                {"Content-Type": "application/json"})
    assert added.status == 201, added
    assert running.api.request("DELETE", "/customers/k05").status == 200
    added = running.api.request("POST", "/customers", customer(5, accountId="k05", name="another"),
                                {"Content-Type": "application/json"})
    assert added.status == 201, added
    result = verify(tmp_path / "v", settings, url_of(running), code=1)
    assert counts(result, "/customers") == {"keys": 21, "equal": 18, "missing": 1, "stale": 1, "extra": 1}
    found = differences(result)
    assert {key: one["verdict"] for (_, key), one in found.items()} == {"k00": "missing", "k05": "stale", "new": "extra"}
    assert found[("/customers", "k00")]["topic"].startswith(small.name + "/")
    assert found[("/customers", "new")]["topic"] is None


class Liar:
    """Stands before a service. `lie(path, status, headers, body)` gives what is answered instead, or None: cut."""

    def __init__(self, running, lie):
        port = running.api.connection.port

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def setup(self):
                super().setup()
                self.behind = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

            def finish(self):
                self.behind.close()
                super().finish()

            def do_GET(self):
                self.behind.putrequest("GET", self.path, skip_host=True)
                self.behind.putheader("Host", "service")
                self.behind.endheaders()
                answer = self.behind.getresponse()
                told = lie(self.path, answer.status, dict(answer.headers), answer.read())
                if told is None:
                    self.close_connection = True
                    return
                status, headers, body = told
                self.send_response(status)
                for name in ("ETag", "Push-Cache-Position"):
                    if name in headers:
                        self.send_header(name, headers[name])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/cache"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(30)


def key_in(path):
    found = re.fullmatch(r"/cache/customers/(.+)", path)
    return found and urllib.parse.unquote(found[1])


def test_a_service_that_lies(small, config, service, tmp_path):
    settings = config(small.name)
    running = service(settings).wait_ready()

    def lie(path, status, headers, body):
        key = key_in(path)
        if key == "k01":
            return 404, {}, b'{"code":"not_found","message":"no record has this key"}'
        if key == "k02":
            return 200, {**headers, "Push-Cache-Position": "elsewhere/3@17"}, body.replace(b"High", b"Low")
        if key == "k03":
            return 500, {}, b'{"code":"internal","message":"no"}'
        if key == "k04":
            return None
        if key == "added":
            return 200, {}, b"{}"
        if key == "k05":
            return 200, headers, body + b" "
        if path == "/cache/customers":  # the list, whole, with one more that is there and one that is not
            return 200, {}, json.dumps([*json.loads(body), "added", "only-listed é"]).encode()
        return status, headers, body

    with Liar(running, lie) as liar:
        result = verify(tmp_path / "v", settings, liar.url, code=1)
    assert counts(result, "/customers") == {"keys": 22, "equal": 15, "missing": 1, "stale": 2, "extra": 2,
                                            "error": 2}, result
    assert not result["equal"]
    found = differences(result)
    assert {key: one["verdict"] for (_, key), one in found.items()} == {
        "k01": "missing", "k02": "stale", "k03": "error", "k04": "error", "k05": "stale", "added": "extra",
        "only-listed é": "extra"}
    assert found[("/customers", "k02")]["service"]["position"] == "elsewhere/3@17"
    assert re.fullmatch(rf"{small.name}/\d@\d+", found[("/customers", "k02")]["topic"])
    assert found[("/customers", "k03")]["service"]["status"] == 500
    assert found[("/customers", "k04")]["service"]["fault"]
    assert found[("/customers", "added")]["topic"] is None


def test_a_lie_that_ends_is_no_difference(small, config, service, tmp_path):
    """Each key is answered wrongly twice, the list once cut: as a service in motion may look."""
    settings = config(small.name)
    running = service(settings).wait_ready()
    asked = {}

    def lie(path, status, headers, body):
        asked[path] = asked.get(path, 0) + 1
        if key_in(path) and asked[path] <= 2:
            return 404, {}, b"{}"
        if path == "/cache/customers" and asked[path] == 1:
            return 200, {}, body[:-5]
        return status, headers, body

    with Liar(running, lie) as liar:
        result = verify(tmp_path / "v", settings, liar.url)
    assert counts(result, "/customers") == {"keys": 20, "equal": 20}
    assert all(asked[f"/cache/customers/k{n:02}"] == 3 for n in range(20)), asked
    assert asked["/cache/customers"] == 2, asked


def test_show_limits_what_is_shown(small, config, service, tmp_path):
    settings = config(small.name)
    running = service(settings).wait_ready()
    with Liar(running, lambda path, *told: (404, {}, b"{}") if key_in(path) else told) as liar:
        result = verify(tmp_path / "v", settings, liar.url, "--show", "3", code=1)
    assert counts(result, "/customers") == {"keys": 20, "missing": 20}
    assert [one["key"] for one in result["routes"][0]["differences"]] == ["k00", "k01", "k02"]


@contextlib.contextmanager
def traffic(made, keys):
    """Writes to the topic all the time: changes, new keys and tombstones. Gives a list of how many so far."""
    stop, written, faults = threading.Event(), [0], []
    producer = made.kafka.new_producer()

    def produce():
        try:
            number = 0
            while not stop.is_set():
                key = f"customer-C{number * 7919 % keys:07}"
                made.put(key, None if number % 11 == 0 else customer(number), producer=producer)
                number += 1
                if number % 200 == 0:
                    made.flush(producer)
                    written[0] = number
        except Exception as fault:  # shown by the test itself
            faults.append(fault)

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield written
    finally:
        stop.set()
        thread.join(60)
        made.flush(producer)
        assert not faults, faults[0]


def test_no_difference_while_the_topic_is_written(topic, config, service, tmp_path):
    made = topic(partitions=3)
    made.put_all({f"customer-C{n:07}": customer(n) for n in range(10_000)})
    settings = config(made.name)
    first, second = service(settings).wait_ready(), service(settings).wait_ready()
    with traffic(made, keys=12_000) as written:
        wait_for(lambda: written[0] > 2000, 60, "traffic")
        for _ in range(3):
            before = written[0]
            result = verify(tmp_path / "v", settings, url_of(first))
            assert result["equal"] and result["total"]["keys"] > 5000, result
            assert written[0] > before, "nothing was written meanwhile"
        result = verify(tmp_path / "v", settings, url_of(first), "--against", url_of(second))
        assert result["equal"] and result["total"]["keys"] > 5000, result


def test_no_difference_of_keys_that_change_all_the_time(topic, config, service, tmp_path):
    """Every key is written hundreds of times a second: no look at it finds both sides at rest."""
    made = topic(partitions=3)
    made.put_all({f"customer-C{n:07}": customer(n) for n in range(10)})
    settings = config(made.name)
    running = service(settings).wait_ready()
    with traffic(made, keys=10) as written:
        wait_for(lambda: written[0] > 2000, 60, "traffic")
        result = verify(tmp_path / "v", settings, url_of(running))
    assert result["equal"] and result["total"]["keys"] > 0, result


def test_a_lost_key_shows_while_the_topic_is_written(topic, config, service, tmp_path):
    made = topic(partitions=3)
    made.put_all({f"customer-C{n:07}": customer(n) for n in range(5_000)})
    made.put_all({"quiet": customer(1)})
    settings = config(made.name)
    running = service(settings).wait_ready()
    assert running.api.request("DELETE", "/customers/quiet").status == 200
    with traffic(made, keys=6_000) as written:
        wait_for(lambda: written[0] > 1000, 60, "traffic")
        result = verify(tmp_path / "v", settings, url_of(running), code=1)
    assert set(differences(result)) == {("/customers", "quiet")}


def test_without_a_list_extras_are_not_looked_for(small, config, service, tmp_path):
    settings = config(small.name)
    settings["cache"]["routes"] = [{"path": "/customers", "store": "customers", "list": False}]
    running = service(settings).wait_ready()
    result = verify(tmp_path / "v", settings, url_of(running))
    assert counts(result, "/customers") == {"keys": 20, "equal": 20}
    assert "not looked for" in result["routes"][0]["notes"][0]
    # A configuration that has one, a service that has none.
    result = verify(tmp_path / "v", config(small.name, cache={"routes": [{"path": "/customers", "store": "customers"}]}),
                    url_of(running))
    assert "not looked for" in result["routes"][0]["notes"][0]
    result = verify(tmp_path / "v", settings, url_of(running), "--against", url_of(running))
    assert result["total"]["keys"] == 0 and "not compared" in result["routes"][0]["notes"][0]


def test_the_empty_key_is_not_asked_for(small, config, service, tmp_path):
    small.put_all({"": customer(1)})
    settings = config(small.name)
    running = service(settings).wait_ready()
    assert "" in running.keys("/customers")
    result = verify(tmp_path / "v", settings, url_of(running))
    assert counts(result, "/customers") == {"keys": 20, "equal": 20}
    assert "empty key" in result["routes"][0]["notes"][0]


def test_two_services(large, config, service, tmp_path):
    settings = config(large.name)
    settings["cache"]["routes"][3]["key_from_body"] = "ticketId"
    first, second = service(settings).wait_ready(), service(settings).wait_ready()
    urls = url_of(first), "--against", url_of(second)
    result = verify(tmp_path / "v", {**settings, "kafka": {**settings["kafka"], "brokers": "127.0.0.1:1"}}, *urls)
    assert result["equal"] and result["total"]["keys"] == result["total"]["equal"] > 45_000, result
    assert first.api.request("DELETE", "/customers/customer-C0000001").status == 200
    assert second.api.request("DELETE", "/bills/bill-C0000002").status == 200
    assert first.api.request("DELETE", "/tickets/" + urllib.parse.quote("ticket-T0000003")).status == 200
    changed = dict(sample("ticket", 3), status="lost", ticketId="ticket-T0000003")
    added = first.api.request("POST", "/tickets", changed, {"Content-Type": "application/json"})
    assert added.status == 201, added
    result = verify(tmp_path / "v", settings, *urls, code=1)
    assert counts(result, "/customers")["only_second"] == 1
    assert counts(result, "/bills")["only_first"] == 1
    found = differences(result)
    assert found[("/customers", "customer-C0000001")]["first"]["status"] == 404
    assert found[("/customers", "customer-C0000001")]["second"]["status"] == 200
    assert found[("/tickets", "ticket-T0000003")]["verdict"] == "different"


def test_two_services_of_which_one_lies(small, config, service, tmp_path):
    settings = config(small.name)
    running = service(settings).wait_ready()

    def lie(path, status, headers, body):
        if key_in(path) == "k07":
            return status, {**headers, "ETag": '"another"'}, body
        if key_in(path) == "k08":
            return status, headers, body.replace(b"High", b"Low")
        if key_in(path) == "k09":
            return 500, {}, b"{}"
        return status, headers, body

    with Liar(running, lie) as liar:
        result = verify(tmp_path / "v", settings, url_of(running), "--against", liar.url, code=1)
    assert counts(result, "/customers") == {"keys": 20, "equal": 17, "different": 2, "error": 1}
    assert {key for _, key in differences(result)} == {"k07", "k08", "k09"}


def test_lists_in_any_order(small, config, service, tmp_path):
    """With keys that come twice, as the lists of stores in Redis may be."""
    settings = config(small.name)
    running = service(settings).wait_ready()
    odd = [f"k{n:02}" for n in range(19, 4, -1)] + ["b", "k07", "a", "b"]

    def lie(path, status, headers, body):
        if path == "/cache/customers":
            return 200, {}, json.dumps(odd).encode()
        return (404, {}, b"{}") if key_in(path) == "k09" else (status, headers, body)
    with Liar(running, lie) as liar:
        for urls in ((url_of(running), liar.url), (liar.url, url_of(running)), (liar.url, liar.url)):
            same = urls[0] == urls[1]
            result = verify(tmp_path / "v", settings, urls[0], "--against", urls[1], code=0 if same else 1)
            assert counts(result, "/customers")["keys"] == (17 if same else 22), result
            assert {key for _, key in differences(result)} == (set() if same else {"k09"})
        assert counts(verify(tmp_path / "v", settings, liar.url, code=1), "/customers") == {
            "keys": 22, "equal": 19, "missing": 1, "extra": 2}


def test_it_waits_for_a_service_that_loads(small, config, service, tmp_path):
    """The service answers 503 until it was asked some times; that is waited for, and no difference."""
    settings = config(small.name)
    running = service(settings).wait_ready()
    asked = []

    def lie(path, status, headers, body):
        asked.append(path)
        return (503, {}, b'{"code":"unavailable","message":"still loading"}') if len(asked) <= 5 else (status, headers, body)
    with Liar(running, lie) as liar:
        assert verify(tmp_path / "v", settings, liar.url)["equal"]
        said = verify(tmp_path / "v", settings, liar.url.replace("/cache", "/nowhere"), code=2)
    assert "webservice.prefix" in said
    with Liar(running, lambda *_: (503, {}, b'{"code":"unavailable","message":"still loading"}')) as liar:
        said = verify(tmp_path / "v", settings, liar.url, "--timeout", "2", code=2)
    assert "still loading" in said and "--timeout" in said


def test_the_registry_comes_later(small, config, service, gate, tmp_path):
    settings = config(small.name)
    running = service(settings).wait_ready()
    settings["kafka"]["schema_registry_url"] = gate.url
    gate.shut()
    said = verify(tmp_path / "v", settings, url_of(running), "--timeout", "3", code=2)
    assert "set aside until the registry tells" in said and "--timeout" in said, said
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(verify(tmp_path / "v", settings, url_of(running))))
    gate.open()
    gate.failures = 3
    thread.start()
    thread.join(120)
    assert outcome and outcome[0]["equal"]
    assert gate.failures == 0


def test_what_cannot_be_done(small, config, service, tmp_path):
    settings = config(small.name)
    said = verify(tmp_path / "v", settings, f"http://127.0.0.1:{free_port()}/cache", code=2)
    assert "does not answer" in said
    for url in ("127.0.0.1:80", "ftp://x/", "http://u:geheim@x/", "http://x/?a=b"):
        said = verify(tmp_path / "v", settings, url, code=2)
        assert "--url" in said and "geheim" not in said, said
    done = run("verify", "--config", write_config(tmp_path, settings))
    assert done.returncode == 2 and "port 0" in done.stderr, done
    broken = config(small.name, cache={"routes": [{"path": "/x", "store": "none"}]}, nonsense={"a": 1})
    said = verify(tmp_path / "v", broken, "http://127.0.0.1:1/", code=2)
    assert "nonsense" in said and "cache.routes" in said, said
    running = service(settings).wait_ready()
    lost = {**settings, "kafka": {**settings["kafka"], "brokers": f"127.0.0.1:{free_port()}"}}
    said = verify(tmp_path / "v", lost, url_of(running), "--timeout", "2", code=2)
    assert "--timeout" in said, said


def test_the_address_of_the_configuration_is_the_default(small, config, service, tmp_path):
    settings = config(small.name, webservice={"address": f"0.0.0.0:{free_port()}"})
    settings["webservice"]["address"] = settings["webservice"]["address"].replace("0.0.0.0", "127.0.0.1")
    service(settings).wait_ready()
    path = write_config(tmp_path, {**settings, "webservice": {
        **settings["webservice"], "address": settings["webservice"]["address"].replace("127.0.0.1", "0.0.0.0")}})
    done = run("verify", "--config", path)
    assert done.returncode == 0 and "equal: http://127.0.0.1:" in done.stdout, done


def test_a_service_that_ends_meanwhile(large, config, service, tmp_path):
    settings = config(large.name)
    running = service(settings).wait_ready()
    asked = []

    def lie(path, status, headers, body):
        asked.append(path)
        if len(asked) == 300:
            liar.server.socket.close()  # nobody listens any more
        return (status, headers, body) if len(asked) < 300 else None
    with Liar(running, lie) as liar:
        said = verify(tmp_path / "v", settings, liar.url, code=2)
    assert "does not answer" in said
