"""The embedded default: one process with its own broker and registry, populated, serving."""
import json
import shlex
import socket
import subprocess
import urllib.parse

import pytest

from e2e.pushcache import PushCache, run

COUNT = 40


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    demo = PushCache(tmp_path_factory.mktemp("demo"), arguments=["demo", "--count", str(COUNT), "--port", "0"])
    demo.start().wait_ready()
    yield demo
    if demo.process.alive():
        demo.kill()


def routes(demo):
    return [route["path"] for route in demo.status()["routes"]]


def test_all_four_types_answer(demo):
    fields = {frozenset(["accountId", "name", "address", "phone", "createdAt", "updatedAt"]),
              frozenset(["accountId", "year", "totalAmount", "payments"]),
              frozenset(["accountId", "serviceType", "amount", "unit", "timestamp"]),
              frozenset(["ticketId", "accountId", "issue", "status", "timestamp"])}
    seen = set()
    for path in routes(demo):
        keys = demo.keys(path)
        assert len(keys) == COUNT and keys == sorted(set(keys)), path
        for key in keys:
            answer = demo.api.record(path, key)
            assert answer.status == 200
            record = answer.json()
            assert key in (record.get("ticketId"), record["accountId"])
            seen.add(frozenset(record))
        assert demo.api.record(path, "no such key").status == 404
    assert seen == fields


def test_list_takes_limit_offset_and_filter(demo):
    path = routes(demo)[0]
    keys = demo.keys(path)
    assert demo.keys(path, "?limit=7&offset=5") == keys[5:12]
    part = keys[3][-3:]
    assert demo.keys(path, "?filter=" + urllib.parse.quote(part)) == [key for key in keys if part in key]


def test_updates_go_on(demo):
    """Records change while it runs, and the change is seen through the API."""
    path = routes(demo)[0]
    before = {key: demo.api.record(path, key).body for key in demo.keys(path)}
    demo.wait(lambda: any(demo.api.record(path, key).body != body for key, body in before.items()),
              "a record to change")


def test_counts_in_status_and_metrics(demo):
    status = demo.status()
    assert status["ready"] and status["state"] == "ready" and status["reasons"] == []
    assert {store["records"] for store in status["stores"]} == {COUNT}
    assert status["records"]["updates"] >= 4 * COUNT
    assert all(part["state"] == "caught_up" for part in status["kafka"]["partitions"])
    metrics = demo.metrics()
    assert metrics["updates_received"] >= 4 * COUNT
    assert metrics["push_cache_ready"] == 1 and metrics["push_cache_ready_seconds"] > 0


def test_the_curl_lines_it_prints_work(demo):
    demo.wait(lambda: "curl" in demo.printed(), "the curl lines")
    lines = [line.strip() for line in demo.printed().splitlines() if line.strip().startswith("curl")]
    for line in lines:
        done = subprocess.run(shlex.split(line), capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0 and done.stdout, (line, done)


def test_ends_by_sigterm_with_0_once_requests_are_answered(tmp_path):
    demo = PushCache(tmp_path, arguments=["demo", "--count", "10", "--port", "0"]).start().wait_ready()
    path = routes(demo)[0]
    key = demo.keys(path)[-1]
    # A request that is half sent when the signal comes is still answered.
    host, port = demo.api.connection.host, demo.api.connection.port
    with socket.create_connection((host, port), timeout=30) as half:
        half.sendall(f"GET {demo.api.prefix}{path}/{key} HTTP/1.1\r\nHost: x\r\n".encode())
        # Our connection is accepted for certain once a later one has been answered by every loop.
        for _ in range(20):
            demo.client().get(path)
        demo.process.signal(15)
        demo.wait(lambda: not listens(host, port) or b"stopping" in demo.health.get("/status").body, "its stop to begin")
        half.sendall(b"\r\n")
        answer = b""
        while part := half.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["accountId"] == key
    assert demo.process.wait(30) == 0
    assert not listens(host, port)


def listens(host, port):
    try:
        socket.create_connection((host, port), timeout=5).close()
        return True
    except OSError:
        return False


def test_refuses_more_records_than_the_embedded_broker_holds():
    done = run("demo", "--count", "100000000", "--port", "0")
    assert done.returncode != 0
    assert "count" in done.stderr.lower(), done.stderr


def test_version():
    done = run("version")
    assert done.returncode == 0
    assert done.stdout.strip(), done
