"""The page of /metrics by Prometheus' own lint, and scraped by a real Prometheus with the rules and the dashboard of
deploy/monitoring."""
import math
import re
import subprocess

import pytest

import monitoring
from e2e.producing import BILL, TICKET, USAGE, customer, sample
from e2e.pushcache import LIMIT, PushCache, make_config, shared_store
from services import RedisServer, wait_for

# What has no data unless something is amiss: the time until ready, of a service that loads.
ABSENT = {"push_cache_load_eta_seconds"}


def lint(running, change=lambda page: page):
    """What `promtool check metrics` says about its page: an exit code, and a text."""
    page = change(running.health.get("/metrics").body)
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False, timeout=60)
    return (done.returncode, (done.stdout + done.stderr).decode())


def test_lint_while_loading(topic, config, service, gate):
    made = topic()
    made.put("C1", customer(1))
    made.flush()
    settings = config(made.name)
    settings["kafka"]["schema_registry_url"] = gate.url
    gate.shut()
    running = service(settings)
    running.wait_waiting("registry|schema")
    assert lint(running) == (0, "")
    gate.open()
    running.wait_ready()
    assert lint(running) == (0, "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("prometheus")


@pytest.fixture(scope="module")
def plain(kafka, cluster, registry, folder):
    """A service without anything that is optional: (service, its topic)."""
    made = kafka.create("prometheus-plain", 2)
    made.put("C1", customer(1))
    made.flush()
    running = PushCache(folder / "plain", make_config(cluster.bootstrap(), registry.url, "plain", made.name))
    yield running.start().wait_ready(), made
    running.kill()


@pytest.fixture(scope="module")
def full(kafka, cluster, registry, folder):
    """One with everything: Redis, snapshots, dead letters, a cap of memory, a reader schema; and with a route whose name
    must be escaped in a label."""
    made = kafka.create("prometheus-full", 2)
    made.put("C1", customer(1))
    made.put("B1", sample("bill", 1), BILL)
    made.flush()
    letters = kafka.create("prometheus-letters", 1)
    redis = RedisServer(folder / "redis").start()
    shared = shared_store(redis, schemas=["bill"])
    shared["stores"].append({"name": "cust\"omers\\", "type": "in_memory", "schemas": ["customer"],
                             "memory_max_bytes": 64 * 1024 * 1024})
    shared["routes"] = [{"path": "/customers", "store": "cust\"omers\\", "schema": f"{made.name}-value:1"},
                        {"path": "/bills", "store": "shared"}]
    settings = make_config(cluster.bootstrap(), registry.url, "full", made.name, snapshot={
        "dir": str(folder / "snapshots"), "interval": "1s"})
    settings["cache"] = shared
    settings["kafka"].update(on_bad_record="dead_letter", dead_letter_topic=letters.name)
    running = PushCache(folder / "full", settings)
    yield running.start().wait_ready(), made
    running.kill()
    redis.end()


@pytest.fixture(scope="module")
def prometheus(plain, full, folder):
    running = monitoring.prometheus(folder / "server", [running.health.connection.port for running, _ in (plain, full)])
    yield running.start()
    running.end()


def keep_busy(plain, full):
    """One round of requests and records. The keys are the same ones each time."""
    for running, made in (plain, full):
        for key in ("C1", "C2", "absent"):
            running.api.record("/customers", key)
            running.api.record("/bills", "B" + key[1:])
        running.api.get("/customers?limit=1")
        running.api.get("/bills?limit=1")
        made.put("C2", customer(2))
        made.put("B2", sample("bill", 2), BILL)
        made.put("C3", None)
        made.put_raw("bad", b"garbage")
        made.flush()


def values(prometheus, expression):
    """Those of its series that are numbers."""
    return [value for _, value in prometheus.query(monitoring.filled(expression)) if not math.isnan(value)]


@pytest.fixture(scope="module")
def scraped(prometheus, plain, full):
    """Prometheus, once what both services do shows there."""
    wait_for(lambda: [value for _, value in prometheus.query("up")] == [1, 1], LIMIT, "both services to be up")
    for _, made in (plain, full):  # schemas that are new now: requests to the registry between two scrapes
        made.put("U1", sample("usage", 1), USAGE)
        made.put("T1", sample("ticket", 1), TICKET)
    expressions = [target["expr"] for _, target in monitoring.shown()]
    expected = [one for one in expressions if not any(name in ABSENT for name, _ in monitoring.selectors(one))]

    def missing():
        keep_busy(plain, full)
        return [one for one in expected if not values(prometheus, one)]
    wait_for(lambda: not missing(), LIMIT, lambda: f"data of {missing()}")
    wait_for(lambda: min(values(prometheus, "count_over_time(up[1m])")) >= 3, LIMIT, "rates of both services")
    return prometheus


def test_lint_of_a_plain_service(plain, full):
    keep_busy(plain, full)
    assert lint(plain[0]) == (0, "")
    for kind, name in ((b"counter", "updates_received"), (b"gauge", "push_cache_records_total")):
        code, said = lint(plain[0], lambda page: page.replace(b" untyped\n", b" " + kind + b"\n"))
        assert code != 0 and name in said


def test_lint_with_everything(full, scraped):
    assert lint(full[0]) == (0, "")


def test_every_panel_has_data(scraped):
    """`scraped` has waited for it; and here are its values, where they are known."""
    assert values(scraped, "push_cache_ready") == [1, 1]
    [dead] = values(scraped, "push_cache_dead_letters_total")
    assert dead >= 1
    for name in ABSENT:
        assert scraped.query(name) == []  # and no error


def test_counters_and_histograms(scraped, full):
    rate = values(scraped, 'sum by (route) (rate(push_cache_requests_total{status="2xx", method="GET"}[1m]))')
    assert len(rate) >= 4 and max(rate) > 0
    for name in ("push_cache_request_duration_seconds", "push_cache_freshness_seconds",
                 "push_cache_redis_call_duration_seconds", "push_cache_registry_request_duration_seconds"):
        for q in (0.5, 0.99):
            [value] = values(scraped, f"histogram_quantile({q}, sum by (le) (rate({name}_bucket[1m])))")
            assert 0 < value < 60, (name, q, value)
    running, _ = full
    stores = {labels["store"] for labels, _ in scraped.query(
        f'push_cache_records_total{{instance="127.0.0.1:{running.health.connection.port}"}}')}
    assert stores == {"shared", 'cust"omers\\'}


def test_every_rule_evaluates(scraped):
    def rules():
        return [rule for group in scraped.api("rules")["groups"] for rule in group["rules"]]
    wait_for(lambda: all(rule["health"] != "unknown" for rule in rules()), LIMIT, "each rule to be evaluated")
    assert {rule["name"] for rule in rules()} == set(monitoring.alerts())
    assert [(rule["name"], rule.get("lastError")) for rule in rules() if rule["health"] != "ok"] == []
    # There is a reason for one alert, and on a busy machine for two more; the rules are evaluated each second.
    wait_for(lambda: {alert for alert, _ in monitoring.not_inactive(scraped)} - {"PushCacheSlow", "PushCacheRedisSlow"}
             == {"PushCacheBadRecords"}, LIMIT, lambda: f"bad records alone, not {monitoring.not_inactive(scraped)}")


def test_what_is_matched_by_its_value_is_there(scraped):
    """Of each label that an expression has a value for, such as outcome="oom": some series has it."""
    expressions = [rule["expr"] for rule in monitoring.alerts().values()] + [target["expr"] for _, target in monitoring.shown()]
    matched = {(name, label, value) for expression in expressions for name, matchers in monitoring.selectors(expression)
               for label, _, text in matchers if not text.startswith(("$", "."))
               for value in text.split("|")}
    assert len(matched) > 10
    for name, label, value in sorted(matched):
        assert value in scraped.api(f"label/{label}/values", **{"match[]": name}), (name, label, value)


def test_a_wrong_expression_is_found(scraped):
    with pytest.raises(Exception, match="parse error"):
        scraped.query("rate(push_cache_requests_total)[5m")


def test_the_variables_have_values(scraped):
    """By what Grafana makes of label_values(): the values of a label among the series of a selector."""
    variables = {one["name"]: one for one in monitoring.dashboard()["templating"]["list"] if one["type"] == "query"}
    found = {}
    for name, one in variables.items():
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", one["query"]["query"]).groups()
        found[name] = scraped.api(f"label/{label}/values", **{"match[]": monitoring.filled(selector)})
    assert found["job"] == ["push-cache"] and len(found["instance"]) == 2
    assert {"/customers", "/bills"} <= set(found["route"]) and "shared" in found["store"]
