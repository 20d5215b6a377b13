"""The status page in a real Chromium: what a person sees of the built program, and nothing of its inside.

PUSH_CACHE_PICTURES=1 writes the pictures of docs/images anew.
"""
import contextlib
import itertools
import os
import re
import struct
import subprocess
import threading
import urllib.parse

import pytest

from e2e.browser import Browser, web_packages
from e2e.clients import Wrk
from e2e.producing import BILL, CUSTOMER, TICKET, Kafka, customer, datum, sample
from e2e.pushcache import ROOT, shared_store, slow
from services import Network, free_port

PICTURES = ROOT / "docs/images" if os.environ.get("PUSH_CACHE_PICTURES") == "1" else None
CONTRAST = 4.5  # WCAG 2.2, 1.4.3 (AA)
ACCOUNTS = 60_000 if PICTURES else 20_000
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def chromium(work):
    browser = Browser(work / "chromium.log")
    yield browser
    browser.end()


@pytest.fixture
def browser(chromium):
    """At the end of each test the page must have done nothing that it must not."""
    yield chromium
    assert chromium.problems() == []


def address(running, path="/"):
    parts = urllib.parse.urlsplit(running.addresses()["health"])
    return f"{parts.scheme}://{parts.netloc}{path}"


def samples(running, least):
    """Waits for as many intervals of the history."""
    running.wait(lambda: len(running.health.get("/status/history").json()["times_ms"]) >= least, f"{least} intervals",
                 30 + 6 * least)


def pictures(browser, name, height):
    """Of the page as it is, in both schemes; they must both be readable."""
    browser.size(1180, height)
    for scheme in ("dark", "light"):
        browser.scheme(scheme)
        least = browser.contrast()
        assert least["contrast"] >= CONTRAST, (scheme, least)
        if PICTURES:
            file = PICTURES / f"status-{name}-{scheme}.png"
            browser.picture(file)
            assert file.stat().st_size < 150_000


def test_loading_with_progress_then_ready(own_cluster, registry, config, service, browser):
    cluster = own_cluster(proxied=True).start()
    made = Kafka(cluster.bootstrap(), registry).create("accounts", 4)
    producer = made.kafka.new_producer(**{"batch.num.messages": 50})  # or they would come by the thousand
    for number in range(ACCOUNTS):
        made.put(f"C{number:07}", customer(number), producer=producer)
    made.flush(producer)
    cluster.set_network(Network(rate=300_000))
    settings = slow(config(made.name))
    settings["kafka"]["brokers"] = cluster.bootstrap("PROXIED")
    running = service(settings)
    browser.open(address(running))
    browser.wait(r"Loading\n[1-9]\d? %[^\n]*\n?.*[26]0,\d{3} offsets · [\d,.]+K? records/s · about .* left")
    assert browser.title() == "Loading · Push Cache"
    assert 0 < int(browser.attribute("#loading-bar", "aria-valuenow")) < 100
    browser.wait(rf"{made.name}/2\s+loading\s+[1-9]\d? %\s+[\d,]+\s+[\d,]+\s+[\d,]+\s+[\d,.]+\s+[\d.]+ (s|min)", "#partitions")
    assert "0 of 4 caught up" in browser.text()
    browser.ask("/customers", "C0000001")
    browser.wait("not ready, so an answer could be wrong", "#lookup-result")
    assert "Not ready yet, because" not in browser.text()  # it only loads
    samples(running, 4 if PICTURES else 1)
    browser.wait(r"all topics \d", "#plot-ingest")
    pictures(browser, "loading", 800)
    cluster.set_network(Network())
    text = browser.wait(r"^Push Cache\s+Ready\b.*4 of 4 caught up")
    assert "Progress" not in text and "offsets" not in text and "Not ready" not in text
    assert f"{ACCOUNTS:,}" in browser.text("#figures")
    browser.ask("/customers", "C0000001")
    browser.wait('"accountId": "C0000001"', "#lookup-result")


@pytest.fixture
def billing(kafka):
    """A topic with records of three types and some that are bad."""
    made = kafka.create(f"billing-{next(numbers)}", 3)
    for number in range(3_000):
        made.put(f"C{number}", customer(number), CUSTOMER)
        made.put(f"B{number}", sample("bill", number), BILL)
        made.put(f"T{number}", sample("ticket", number), TICKET)
    made.put_raw("bad", struct.pack(">bI", 0, made.id_of(CUSTOMER)) + datum(CUSTOMER, customer(1))[:-3], partition=1)
    made.put_raw("bad", b'{"accountId": "x"}', partition=2)
    made.put(None, customer(1), partition=2)
    made.flush()
    return made


@contextlib.contextmanager
def updates(made):
    """Some records a second until the end."""
    finished = threading.Event()
    producer = made.kafka.new_producer()

    def run():
        number = 0
        while not finished.wait(0.02):
            for _ in range(20 + number % 500 // 25):
                made.put(f"C{number % 3_000}", customer(number % 3_000, updatedAt=number), CUSTOMER, producer=producer)
                number += 1
            producer.poll(0)
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
        made.flush(producer)


def test_ready_with_rates_times_and_bad_records(billing, config, service, browser, tmp_path):
    made = billing
    running = service(config(made.name)).wait_ready()
    seconds = 120 if PICTURES else 20
    loads = []
    for number, (connections, keys) in enumerate([(12, ["/customers/C%d"]), (4, ["/bills/B%d", "/bills/none%d"]),
                                                  (2, ["/tickets/T%d"])]):
        folder = tmp_path / f"load-{number}"
        folder.mkdir()
        paths = [key % i for key in keys for i in range(1_000)]
        loads.append(Wrk(folder, running.addresses()["api"], paths, 1, connections, seconds + 5 * number))
    try:
        with updates(made):
            browser.open(address(running))
            browser.wait(r"^Push Cache\s+Ready\s+version \d+\.\d+\.\d+ · up \d")
            browser.wait(r"Requests/s\s+[\d.]+[K\d,]*\s+Slowest route’s p99\s+[\d.]+ (µs|ms)", "#figures")
            bills = browser.row("#routes", "/bills")
            assert bills[0] == "bills" and bills[4] == "0", bills
            assert all(re.fullmatch(r"[1-9][\d,.]*K?", bills[i]) for i in (2, 3, 7, 8)), bills
            assert all(re.fullmatch(r"[\d.]+ (µs|ms)", bills[i]) for i in (5, 6)), bills
            # Lines of every route with requests, and of the ingest.
            samples(running, 22 if PICTURES else 3)
            browser.wait(r"/customers [\d.,K]+\s*/bills [\d.,K]+", "#plot-requests")
            running.wait(lambda: all(browser.pixels("#plot-requests", f"--series-{i}") > 30 for i in (0, 1, 3)), "lines")
            assert browser.pixels("#plot-times", "--series-3") > 30  # which lies above the others
            assert browser.pixels("#plot-ingest", "--series-0") > 30
            assert browser.pixels("#plot-requests", "--series-5") == 0
            assert re.search(r"/customers [\d.]+ µs", browser.attribute("#plot-times .plot", "aria-label"))

            assert browser.row("#stores", "customers")[:3] == ["in memory", "ok", "3,000"]
            assert "1 undecodable" in browser.text("#bad-sum") and "1 bad magic" in browser.text("#bad-sum")
            bad = {cells[2]: cells for cells in browser.rows("#bad")}
            assert re.fullmatch(rf"{made.name}/1@\d+", bad["undecodable"][1])
            assert bad["undecodable"][3] == str(made.id_of(CUSTOMER)) and "byte" in bad["undecodable"][4]
            assert bad["bad magic"][3] == "–" and bad["null key"][4] == "the key is null"

            browser.ask("/customers", "C7")
            browser.wait('"accountId": "C0000007"', "#lookup-result")
            pictures(browser, "ready", 1150)
    finally:
        for load in loads:
            load.kill()


def test_a_record_as_it_is_and_nothing_but_text(topic, config, service, browser):
    """Numbers keep all their digits, and what looks like markup is shown as the text it is."""
    made = topic()
    markup = "<img src=x onerror=\"document.title='taken'\"><b>bold</b>"
    odd = customer(1, name=markup, createdAt=9_007_199_254_740_993, updatedAt=-2**63)
    made.put(markup, odd)
    made.put('a"b/c +%&?#é漢', customer(2))
    made.flush()
    running = service(config(made.name)).wait_ready()
    browser.open(address(running, "/hams/"))  # where a path in front of it leads
    browser.wait("Ready")
    browser.ask("/customers", markup)
    text = browser.wait(r"Position", "#lookup-result")
    assert f"{made.name}/0@0" in text and f"com.polecatworks.billing.Customer (id {made.id_of(CUSTOMER)})" in text
    assert markup in text and '"createdAt": 9007199254740993' in text and f'"updatedAt": {-2**63}' in text
    assert browser.count("#lookup-result img, #lookup-result b") == 0
    assert browser.title() == "Ready · Push Cache"
    browser.ask("/customers", 'a"b/c +%&?#é漢')
    browser.wait('"accountId": "C0000002"', "#lookup-result")
    browser.ask("/customers", "<i>nobody</i>")
    text = browser.wait("No record", "#lookup-result")
    assert "No record of /customers has the key “<i>nobody</i>”." in text and "accountId" not in text
    assert browser.count("#lookup-result i") == 0
    browser.ask("/bills", markup)  # another store
    browser.wait("No record of /bills", "#lookup-result")


def test_why_it_is_not_ready(topic, config, service, browser, gate):
    made = topic(partitions=2)
    made.put("good", customer(1), partition=0)
    made.put_raw("x", struct.pack(">bI", 0, 2_000_000_000) + b"x", partition=0)
    made.put("good", customer(1), partition=1)
    made.flush()
    settings = config(made.name, kafka={"on_bad_record": "stop"})
    settings["kafka"]["schema_registry_url"] = gate.url
    gate.shut()
    browser.open(address(service(settings)))
    text = browser.wait("Not ready yet, because.*set aside until the registry tells.*"
                        "Schema 2000000000: .*asked [2-9] times")
    assert "Loading" in text
    assert browser.row("#partitions", f"{made.name}/0")[:2] == ["loading", "100 %"]

    other = topic()
    other.put("good", customer(1))
    other.flush()
    running = service(config(other.name, kafka={"on_bad_record": "stop"})).wait_ready()
    browser.open(address(running))
    browser.wait("Ready")
    other.put_raw("bad", b"\x01")
    other.flush()
    text = browser.wait(r"^Push Cache\s+Not ready\b.*Not ready, because")
    assert running.reasons().split(" | ")[0] in text
    assert browser.title() == "Not ready · Push Cache"
    assert browser.row("#partitions", f"{other.name}/0")[0] == "stopped"
    assert "bad magic" in browser.text("#bad")


def test_a_service_that_goes_and_comes(topic, config, service, browser):
    made = topic()
    made.put("C1", customer(1))
    made.flush()
    settings = config(made.name, hams={"address": f"127.0.0.1:{free_port()}", "prefix": "/hams"})
    running = service(settings).wait_ready()
    browser.open(address(running))
    browser.wait("Ready")
    running.kill()
    text = browser.wait("No connection.*The service has not answered since .* Trying again")
    assert "1 of 1 caught up" in text  # what it said last stays
    browser.ask("/customers", "C1")
    browser.wait("The service does not answer", "#lookup-result")
    service(settings).wait_ready()
    text = browser.wait(r"^Push Cache\s+Ready")
    assert "not answered" not in text and browser.title() == "Ready · Push Cache"


def test_both_schemes_and_a_phone(billing, config, service, browser):
    made = billing
    running = service(config(made.name)).wait_ready()
    backs = {}
    for scheme in ("light", "dark"):
        browser.open(address(running), scheme=scheme, width=390, height=800)
        browser.wait("Ready.*caught up.*bad magic")
        backs[scheme] = sum(map(int, re.findall(r"\d+", browser.style("body", "background-color"))[:3]))
        least = browser.contrast()
        assert least["contrast"] >= CONTRAST, (scheme, least)
        assert browser.overflow() == 0
    assert backs["light"] > 600 and backs["dark"] < 150, backs


def test_more_partitions_than_are_shown(topic, config, service, browser):
    made = topic(partitions=30)
    made.put("C1", customer(1))
    made.flush()
    browser.open(address(service(config(made.name)).wait_ready()))
    browser.wait("30 of 30 caught up")
    assert len(browser.rows("#partitions")) == 12
    browser.press("Show 18 more")
    assert len(browser.rows("#partitions")) == 30
    browser.press("Show fewer")
    assert len(browser.rows("#partitions")) == 12


def test_without_the_plotting_library(billing, config, service, browser, tmp_path):
    """As a build without npm makes the page: figures alone."""
    plain = tmp_path / "page.html"
    subprocess.run(["cmake", "-D", f"WEB={ROOT / 'web'}", "-D", "UPLOT=", "-D", f"PAGE={plain}",
                    "-P", ROOT / "cmake/status_page.cmake"], check=True)
    library = (web_packages() / "node_modules/uplot/dist/uPlot.iife.min.js").read_text()
    assert library[:200] not in plain.read_text()
    made = billing
    running = service(config(made.name)).wait_ready()
    assert library[:200] in running.health.get("/").body.decode()
    browser.open(address(running), html=plain.read_text())
    text = browser.wait(r"This build has no plots.*/customers\s+customers\s+writer")
    browser.wait(r"all topics [\d.]+", "#plot-ingest")
    assert "Ready" in text and browser.count("canvas") == 0
    browser.ask("/customers", "C7")
    browser.wait('"accountId": "C0000007"', "#lookup-result")


def look_up(running, route, key):
    return running.health.get(f"/status/record?{urllib.parse.urlencode({'route': route, 'key': key}, quote_via=urllib.parse.quote)}")


def test_one_record_over_http_and_both_kinds_of_stores(topic, config, service, redis_server, browser):
    """Of stores in memory and in Redis, whose answers come later."""
    made = topic()
    made.put("C1", customer(1, accountId="C1"))
    made.flush()
    redis = redis_server()
    shared = shared_store(redis)
    settings = config(made.name, webservice={"position_headers": False})
    settings["cache"]["stores"] += shared["stores"]
    settings["cache"]["routes"] += [{"path": "/shared", "store": "shared"}]
    running = service(settings).wait_ready()
    for route in ("/customers", "/shared"):
        found = look_up(running, route, "C1")
        assert found.status == 200 and found.headers["Cache-Control"] == "no-store", found
        said = found.json()
        assert said.pop("timestamp_ms") > 1_600_000_000_000
        assert said == {"found": True, "topic": made.name, "partition": 0, "offset": 0, "record": customer(1, accountId="C1"),
                        "schema": {"id": made.id_of(CUSTOMER), "name": "com.polecatworks.billing.Customer"}}
        absent = look_up(running, route, "no one")
        assert absent.status == 200 and absent.json() == {"found": False}
    assert running.health.request("HEAD", "/status/record?route=/customers&key=C1").status == 200
    assert running.api.request("POST", "/customers", customer(9)).status == 201
    local = look_up(running, "/customers", "C0000009").json()
    assert local["found"] and local["topic"] is None and local["offset"] is None
    assert look_up(running, "/nothing", "C1").status == 404
    for query in ("", "?route=/customers", "?route=/customers&key=%FF", "?route=/customers&key=%zz"):
        assert running.health.get(f"/status/record{query}").status == 400, query
    # No request of the route's for a look-up.
    by_path = {route["path"]: route for route in running.status()["routes"]}
    assert by_path["/customers"]["requests"] == 1 and by_path["/shared"]["requests"] == 0
    browser.open(address(running))
    browser.wait("2 of 2 caught up")
    assert [row[0] for row in browser.rows("#partitions")] == [f"{made.name}/0", f"{made.name}/0 (group)"]
    assert browser.row("#stores", "shared")[:2] == ["Redis", "ok"] and browser.row("#stores", "shared")[-1] == "none"
    assert browser.row("#stores", "customers")[-1] == "1 added"
    assert running.api.request("DELETE", "/customers/C0000009").status == 200
    assert running.api.request("DELETE", "/shared/C1").status == 200
    browser.wait(r"1 added, 1 removed[^,]*Redis[^,]*1 removed", "#stores")
    assert running.api.request("POST", "/shared", customer(1, accountId="C1")).status == 201
    browser.wait(r"1 added, 1 removed[^,]*Redis[^,]*1 added, 1 removed", "#stores")
    browser.ask("/shared", "C1")
    browser.wait('"accountId": "C1"', "#lookup-result")
    redis.kill()
    browser.ask("/shared", "C1")
    browser.wait("Redis|does not answer|store", "#lookup-result .said.bad")
    running.wait(lambda: look_up(running, "/shared", "C1").status == 503, "Redis to be missed")
    assert look_up(running, "/customers", "C1").json()["found"]
