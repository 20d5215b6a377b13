"""What deploy/monitoring has, and what it asks for, for the tests that hold it against the programs."""
import json
import pathlib
import re
import shutil

import yaml

from services import Prometheus

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ROOT / "deploy/monitoring"
DASHBOARD = FOLDER / "dashboards/push-cache.json"
RULES = FOLDER / "rules/push-cache.yaml"
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset"}
SELECTOR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:\{([^{}]*)\})?(?!\w|\s*\()')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


def metrics():
    """The metric table, by its generated page: name -> (type, labels)."""
    page = (ROOT / "docs/reference/metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", page, re.MULTILINE)
    return {name: (kind, {label for label in labels.strip().split(", ") if label}) for name, kind, labels in rows}


def alerts():
    """name -> rule"""
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    return {rule["alert"]: rule for rule in rules}


def dashboard():
    return json.loads(DASHBOARD.read_text())


def panels():
    """Those that show something: rows have no targets."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def shown():
    """(title of the panel, target) of all panels."""
    return [(panel["title"], target) for panel in panels() for target in panel["targets"]]


def selectors(expression):
    """The metrics that an expression asks for: pairs of a name and its matchers, (label, operator, value)."""
    plain = GROUPING.sub("", re.sub(r"\[[^\]]*\]", "", expression))
    return [(name, MATCHER.findall(matchers)) for name, matchers in SELECTOR.findall(plain) if name not in WORDS]


def grouping(expression):
    """The labels that it groups or matches by."""
    return {label.strip() for labels in GROUPING.findall(expression) for label in labels.split(",") if label.strip()}


def filled(expression, interval="1m"):
    """What Grafana sends for it when all of every variable is selected."""
    return re.sub(r"\$(job|instance|route|store)\b", ".*", expression).replace("$__rate_interval", interval)


def prometheus(folder, ports):
    """A Prometheus configured by deploy/monitoring, but quicker, and with the targets on these ports of loopback."""
    settings = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    [job] = settings["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
    settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    made = Prometheus(folder, settings)
    shutil.copytree(FOLDER / "rules", made.folder / "rules")
    return made


def not_inactive(server):
    """The alerts that a Prometheus has found a reason for, be it for their whole `for` or not: (alert, port)."""
    return {(alert["labels"]["alertname"], int(alert["labels"]["instance"].split(":")[1]))
            for alert in server.api("alerts")["alerts"]}
