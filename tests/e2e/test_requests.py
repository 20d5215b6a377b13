"""What is known of requests afterwards: the request log, the metrics by route, and how fresh records were."""
import json
import re

import pytest

from e2e.producing import customer
from e2e.pushcache import LIMIT

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CORRELATED = {"X-Request-Id": "r-1", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


def logged_requests(running):
    lines = [json.loads(line) for line in running.logged().splitlines() if line.startswith("{")]
    return [line for line in lines if line["component"] == "request"]


def test_request_log_says_who_asked_what(topic, config, service):
    made = topic()
    made.put_all({"a b": customer(1)})
    running = service(config(made.name, log={"format": "json", "requests": 1}),
                      environment={"CAPTURE_LOG": "error"})
    running.wait_ready()
    found = running.api.get("/customers/a%20b?x=%22", headers=CORRELATED)
    assert (found.headers["X-Request-Id"], found.headers["traceparent"]) == tuple(CORRELATED.values())
    running.api.get("/customers/absent", headers={"X-Request-Id": "not well formed", "traceparent": "00-1-2-3"})
    running.api.get("/customers")
    running.api.get("/nowhere")
    running.wait(lambda: len(logged_requests(running)) == 4, "four lines")
    first, absent, listed, nowhere = logged_requests(running)
    assert re.fullmatch(r"127\.0\.0\.1:\d+", first.pop("client"))
    assert 0 < first.pop("duration_ms") < LIMIT * 1000 and first.pop("time")
    assert first == {"level": "info", "component": "request", "message": "request", "method": "GET",
                     "path": "/cache/customers/a%20b?x=%22", "status": 200, "body_bytes": len(found.body),
                     "request_id": "r-1", "trace_id": TRACE}
    assert absent["status"] == 404 and not {"request_id", "trace_id"} & set(absent)
    assert listed["status"] == 200 and listed["body_bytes"] == len(b'["a b"]')
    assert nowhere["status"] == 404


def test_request_log_is_a_sample_or_nothing(topic, config, service):
    made = topic()
    made.put_all({"k": customer(1)})
    for every in (0, 10):
        running = service(config(made.name, log={"format": "json", "requests": every}, webservice={"threads": 1}))
        running.wait_ready()
        for _ in range(100):
            assert running.api.get("/customers/k").status == 200
        if every:
            running.wait(lambda: len(logged_requests(running)) >= 10, "ten lines")  # pylint: disable=cell-var-from-loop
        running.stop()
        assert len(logged_requests(running)) == (100 // every if every else 0)


def test_requests_by_route_method_and_status(topic, config, service):
    made = topic()
    made.put_all({"k": customer(1, accountId="k")})
    cache = {"stores": [{"name": "s", "type": "in_memory"}],
             "routes": [{"path": "/customers", "store": "s", "key_from_body": "accountId"}, {"path": "/b", "store": "s"}]}
    running = service(config(made.name, cache=cache)).wait_ready()

    def counts():
        found = {}
        for name, value in running.metrics().items():
            if name.startswith("push_cache_requests_total{"):
                found[tuple(re.findall(r'"(.*?)"', name))] = value
        return found
    before = counts()
    for _ in range(3):
        running.api.get("/customers/k")
    tag = running.api.get("/customers/k").headers["ETag"]
    running.api.get("/customers/k", headers={"If-None-Match": tag})
    running.api.get("/customers/absent")
    running.api.request("HEAD", "/b/k")
    running.api.request("POST", "/customers", customer(1, accountId="k"))
    running.api.request("POST", "/customers_by_body", {"accountId": "k"})
    running.api.get("/nowhere")
    running.api.get("/b?limit=1")
    now = counts()
    grown = {labels: value - before.get(labels, 0) for labels, value in now.items() if value != before.get(labels, 0)}
    assert grown == {("/customers", "GET", "2xx"): 4, ("/customers", "GET", "3xx"): 1, ("/customers", "GET", "4xx"): 1,
                     ("/b", "HEAD", "2xx"): 1, ("/customers", "POST", "4xx"): 1,
                     ("/customers_by_body", "POST", "2xx"): 1, ("", "GET", "4xx"): 1, ("/b", "GET", "2xx"): 1}
    metrics = running.metrics()
    assert metrics["requests_total"] == sum(now.values())
    for route in ("/customers", "/b", ""):
        timed = metrics[f'push_cache_request_duration_seconds_count{{route="{route}"}}']
        assert timed == sum(value for labels, value in now.items() if labels[0] == route)


@pytest.mark.parametrize("live", [False, True])
def test_freshness_is_of_live_records_only(topic, config, service, live):
    made = topic()
    made.put_all({f"old{i}": customer(i) for i in range(50)})
    running = service(config(made.name)).wait_ready()
    if live:
        made.put_all({f"new{i}": customer(i) for i in range(20)})
        made.put_raw("bad", b"\x01")
        made.put_all({"last": customer(1)})
        running.wait_record("/customers", "last", customer(1))
    running.wait(lambda: running.metrics()["push_cache_consumed_total"] == (72 if live else 50), "all records")
    metrics = running.metrics()
    assert metrics["push_cache_freshness_seconds_count"] == (21 if live else 0), "what was applied while caught up"
    assert (metrics["push_cache_freshness_seconds_sum"] > 0) == live
    lines = {name: value for name, value in metrics.items() if name.startswith("push_cache_partition_")}
    assert sum(value for name, value in lines.items() if "_position" in name) == \
        sum(value for name, value in lines.items() if "_end" in name) == (72 if live else 50)
