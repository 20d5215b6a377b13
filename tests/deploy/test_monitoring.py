"""Alert rules and dashboard: by promtool, and against the metric table and the guide. tests/e2e/test_prometheus.py runs
them."""
import itertools
import json
import re
import shutil

import pytest
import yaml

import monitoring
from deploy.tools import ROOT, run

CASES = ROOT / "tests/deploy/monitoring/push-cache.test.yaml"
GUIDE = ROOT / "docs/guides/alerts.md"
ALERTS = monitoring.alerts()
METRICS = monitoring.metrics()
TARGET = {"job", "instance"}  # labels that a scrape adds
# In no panel and no rule: what others there say better, or what says nothing about how it does.
UNUSED = {"requests_total", "schema_mismatch_count", "push_cache_partition_position", "push_cache_http_requests_total",
          "process_virtual_memory_bytes", "push_cache_set_aside_bytes", "push_cache_set_aside_total"}


def test_promtool_takes_configuration_and_rules(tmp_path):
    shutil.copytree(monitoring.FOLDER / "rules", tmp_path / "rules")
    shutil.copy2(monitoring.FOLDER / "prometheus.yaml", tmp_path)
    said = run("promtool", "check", "config", tmp_path / "prometheus.yaml")
    assert f"{len(ALERTS)} rules found" in said and "is valid prometheus config" in said


def test_each_alert_fires_and_does_not():
    run("promtool", "test", "rules", CASES)
    cases = {}
    for case in yaml.safe_load(CASES.read_text())["tests"]:
        instances = {instance for one in case["input_series"] for instance in re.findall(r'instance="(\w)"', one["series"])}
        for test in case["alert_rule_test"]:
            told = {alert["exp_labels"]["instance"] for alert in test["exp_alerts"]}
            cases.setdefault(test["alertname"], []).append((told, instances))
    assert set(cases) == set(ALERTS)
    for alert, found in cases.items():
        assert any(not told for told, _ in found), f"{alert}: no moment at which it tells nothing"
        assert any(told and instances - told for told, instances in found), f"{alert}: no instance of which it tells nothing"


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_says_all_that_is_needed(alert):
    rule = ALERTS[alert]
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert "{{ $labels." in rule["annotations"]["summary"]
    assert rule["annotations"]["runbook"] == f"{GUIDE.relative_to(ROOT)}#{alert.lower()}"
    for label in re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())):
        assert label in TARGET | labels_of(rule["expr"]), label


def test_each_alert_has_its_section():
    parts = re.split(r"^### (\w+)\n", GUIDE.read_text(), flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2]))
    assert list(sections) == parts[1::2] and set(sections) == set(ALERTS)
    for alert, text in sections.items():
        assert text.strip().startswith(ALERTS[alert]["labels"]["severity"].capitalize() + ". "), alert
    for anchor in re.findall(r"\]\(#([\w-]+)\)", GUIDE.read_text()):
        assert anchor in {alert.lower() for alert in ALERTS}, anchor


def base(name):
    """The metric that a series is of."""
    plain = re.sub(r"_(bucket|sum|count)$", "", name)
    return plain if METRICS.get(plain, ("",))[0] == "histogram" else name


def labels_of(expression):
    """The labels that its series may have."""
    found = set()
    for name, _ in monitoring.selectors(expression):
        found |= METRICS.get(base(name), ("", set()))[1]
    return found


EXPRESSIONS = {**{alert: rule["expr"] for alert, rule in ALERTS.items()},
               **{f"{title} {target['refId']}": target["expr"] for title, target in monitoring.shown()}}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expression_is_of_metrics_that_there_are(name):
    expression = EXPRESSIONS[name]
    found = monitoring.selectors(expression)
    assert found
    for metric, matchers in found:
        if metric == "up":
            continue
        assert base(metric) in METRICS, metric
        kind, labels = METRICS[base(metric)]
        assert {label for label, _, _ in matchers} <= labels | TARGET, metric
        assert (kind == "histogram") == (base(metric) != metric), metric
        # rate() and increase() are for what only grows; the others for what does not.
        grows = re.search(rf"\b(rate|increase)\({metric}\b", expression)
        assert kind != "gauge" or not grows or metric == "push_cache_partition_end", metric
    assert monitoring.grouping(expression) <= labels_of(expression) | TARGET | {"le"}


def test_each_metric_is_used_or_known_not_to_be():
    used = {base(name) for expression in EXPRESSIONS.values() for name, _ in monitoring.selectors(expression)}
    assert set(METRICS) - used == UNUSED


def test_dashboard_is_made_from_its_table():
    made = run("python3", "deploy/monitoring/dashboard.py")
    assert monitoring.DASHBOARD.read_text() == made, "write it anew: the first lines of deploy/monitoring/dashboard.py say how"


def test_dashboard_is_well_formed():
    board = json.loads(monitoring.DASHBOARD.read_text())
    assert board["uid"] == "push-cache" and board["schemaVersion"] >= 39 and "id" not in board
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in board["panels"]]
    assert len(set(titles)) == len(titles)
    for one in board["panels"]:
        place = one["gridPos"]
        assert place["x"] >= 0 and place["w"] > 0 and place["x"] + place["w"] <= 24, one["title"]
    for one, other in itertools.combinations(board["panels"], 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def overlap(one, other):
    return (one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
            and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"])


def test_dashboard_uses_its_variables_alone():
    board = monitoring.dashboard()
    variables = {one["name"] for one in board["templating"]["list"]}
    assert {"datasource", "job", "instance", "route", "store"} == variables
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(board))) - {"__rate_interval", "__all"}
    assert used == variables
    provisioned = yaml.safe_load((monitoring.FOLDER / "grafana/datasources.yaml").read_text())["datasources"]
    [source] = [one for one in board["templating"]["list"] if one["type"] == "datasource"]
    assert source["current"]["value"] in {one["uid"] for one in provisioned}


@pytest.mark.parametrize("panel", monitoring.panels(), ids=lambda panel: panel["title"])
def test_panel(panel):
    assert panel["title"] and panel["description"].endswith((".", "...")) and panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "${datasource}"
    references = [target["refId"] for target in panel["targets"]]
    assert references and len(set(references)) == len(references)
    for target in panel["targets"]:
        assert target["legendFormat"]
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
            assert label in kept(target["expr"]), (target["expr"], label)


def kept(expression):
    """The labels that an expression's series have: those it groups by, or all."""
    grouped = re.match(r"^(?:histogram_quantile\([\d.]+, )?(?:sum|max) by \(([^)]*)\)", expression)
    return set(grouped[1].split(", ")) if grouped else labels_of(expression) | TARGET
