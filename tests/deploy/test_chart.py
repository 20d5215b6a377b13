"""The Helm chart: helm's own lint, what it renders to against files that were looked at, the schemas of Kubernetes, and
the program's own check of the configuration in it.

    PUSH_CACHE_GOLDEN=write make test-deploy    writes those files anew: read the difference
"""
import json
import os
import pathlib
import re

import kubernetes_validate
import pytest
import yaml

import monitoring
from deploy.tools import ROOT, attempt, config_check, documents, go_tool, run

CHART = ROOT / "deploy/helm/push-cache"
HERE = pathlib.Path(__file__).parent / "chart"
CASES = {"default": [], "all": ["--values", HERE / "all.values.yaml"], "redis": ["--values", HERE / "redis.values.yaml"]}
KUBERNETES = "1.33.0"  # what helm takes the cluster for
SECRETS = {"default": None, "redis": {"cache.stores.1.url": "redis://:pass@redis:6379"}}


@pytest.fixture(scope="session")
def render():
    made = {}

    def render(case):
        if case not in made:
            made[case] = run(go_tool("helm"), "template", "demo", CHART, "--namespace", "billing",
                             "--kube-version", KUBERNETES, *CASES[case])
        return made[case]
    return render


def of_kind(text, kind):
    return [document for document in documents(text) if document["kind"] == kind]


@pytest.mark.parametrize("case", CASES)
def test_lint(case):
    run(go_tool("helm"), "lint", "--strict", CHART, *CASES[case])


@pytest.mark.parametrize("case", CASES)
def test_renders_to_what_was_looked_at(render, case):
    golden = HERE / f"{case}.golden.yaml"
    if os.environ.get("PUSH_CACHE_GOLDEN") == "write":
        golden.write_text(render(case))
    assert render(case) == golden.read_text()


@pytest.fixture(scope="session")
def schemas(tmp_path_factory):
    """The schemas of Kubernetes' objects, strict, as kubeconform finds them: one file a kind, related by file names;
    and the Prometheus operator's of its own."""
    source = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    newest = max(source.glob("*-local-strict"), key=lambda folder: [int(n) for n in folder.name[1:].split("-")[0].split(".")])
    folder = tmp_path_factory.mktemp("schemas")
    for name in ("_definitions", "configmap-v1", "deployment-apps-v1", "horizontalpodautoscaler-autoscaling-v2",
                 "networkpolicy-networking-v1", "pod-v1", "poddisruptionbudget-policy-v1", "secret-v1", "service-v1",
                 "serviceaccount-v1", "statefulset-apps-v1"):
        text = (newest / f"{name}.json").read_text().replace('"/api/_definitions.json', '"_definitions.json')
        schema = json.loads(text)
        del schema["$id"]  # a place in the network, which references would be looked for at
        (folder / f"{name}.json").write_text(json.dumps(schema))
    for kind in ("servicemonitor", "prometheusrule"):
        operator = yaml.safe_load(go_tool(f"{kind}s.yaml").read_text())
        [version] = [one for one in operator["spec"]["versions"] if one["name"] == "v1"]
        (folder / f"{kind}-monitoring-v1.json").write_text(json.dumps(closed(version["schema"]["openAPIV3Schema"])))
    return folder


def closed(schema):
    """The schema, which takes no properties but those it names."""
    if isinstance(schema, dict):
        schema = {key: closed(value) for key, value in schema.items()}
        if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
            if "apiVersion" in schema["properties"]:
                schema["properties"]["metadata"] = {"type": "object"}
            schema.setdefault("additionalProperties", False)
    return [closed(one) for one in schema] if isinstance(schema, list) else schema


def conform(schemas, text):
    return attempt(go_tool("kubeconform"), "-strict", "-schema-location",
                   f"{schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", "-", input=text)


@pytest.mark.parametrize("case", CASES)
def test_is_what_kubernetes_takes(render, schemas, case):
    done = conform(schemas, render(case))
    assert done.returncode == 0 and not done.stdout, done


@pytest.mark.parametrize("good, bad", [
    ("readOnlyRootFilesystem:", "readOnlyRootFileSystem:"), ("maxUnavailable: 34%", "maxUnavailible: 34%"),
    ("averageUtilization: 70", "averageUtilization: x"), ("port: health", "prot: health"), ("storage: 20Gi", "storage: []"),
])
def test_those_schemas_find_mistakes(render, schemas, good, bad):
    text = render("all")
    assert good in text
    assert conform(schemas, text.replace(good, bad)).returncode != 0


@pytest.mark.parametrize("case", CASES)
def test_the_program_takes_its_configuration(render, tmp_path, case):
    text = render(case)
    [config] = of_kind(text, "ConfigMap")
    secrets = SECRETS.get(case) or {name: value for one in of_kind(text, "Secret") for name, value in one["stringData"].items()}
    [workload] = of_kind(text, "Deployment") + of_kind(text, "StatefulSet")
    [container] = workload["spec"]["template"]["spec"]["containers"]
    assert ("--secrets" in container["args"]) == bool(secrets)
    # The folder of snapshots is there only in a pod.
    file = yaml.safe_load(config["data"]["push-cache.yaml"])
    if case != "default":
        assert file["snapshot"].pop("dir") == "/var/lib/push-cache"
    environment = {one["name"]: one["value"] for one in container["env"] if one["name"].startswith("APP_")}
    config_check(tmp_path, yaml.safe_dump(file), secrets or None, environment)
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"].startswith("/" + file["hams"]["prefix"].strip("/") + "/")


def test_the_guides_values(schemas, tmp_path):
    """Those of docs/guides/kubernetes.md."""
    guide = (ROOT / "docs/guides/kubernetes.md").read_text()
    [block] = re.findall(r"(?:^    .*\n)*^    config:\n(?:^    .*\n)+", guide, re.MULTILINE)
    values = tmp_path / "values.yaml"
    values.write_text(block)
    text = run(go_tool("helm"), "template", "demo", CHART, "--kube-version", KUBERNETES, "--values", values)
    done = conform(schemas, text)
    assert done.returncode == 0, done
    [config] = of_kind(text, "ConfigMap")
    config_check(tmp_path, config["data"]["push-cache.yaml"], {"kafka.properties.sasl.password": "x"})


@pytest.fixture(scope="session")
def watched():
    """What is rendered with the alert rules and the dashboard, which are as long as all the rest."""
    return run(go_tool("helm"), "template", "demo", CHART, "--namespace", "billing", "--kube-version", KUBERNETES,
               "--set", "prometheusRule.enabled=true,prometheusRule.labels.release=prometheus,dashboard.enabled=true",
               "--set", "dashboard.annotations.grafana_folder=Push Cache")


def test_alert_rules_are_those_of_the_file(watched):
    [made] = of_kind(watched, "PrometheusRule")
    assert made["spec"] == yaml.safe_load(monitoring.RULES.read_text())
    assert made["metadata"]["labels"]["release"] == "prometheus"


def test_dashboard_is_that_of_the_file(watched):
    [made] = [one for one in of_kind(watched, "ConfigMap") if one["metadata"]["name"].endswith("-dashboard")]
    assert made["data"] == {"push-cache.json": monitoring.DASHBOARD.read_text()}
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert made["metadata"]["annotations"] == {"grafana_folder": "Push Cache"}


def test_rules_and_dashboard_are_what_kubernetes_takes(watched, schemas):
    done = conform(schemas, watched)
    assert done.returncode == 0 and not done.stdout, done
    assert conform(schemas, watched.replace("expr:", "exp:", 1)).returncode != 0


def test_no_secret_but_in_the_secret(render):
    for document in documents(render("all")):
        if document["kind"] != "Secret":
            assert "s#s" not in json.dumps(document) and "0123" not in json.dumps(document)


@pytest.mark.parametrize("values, said", [
    (["--set", "replicas=3"], "replicas"), (["--set", "image.pullPolicy=Sometimes"], "pullPolicy"),
    (["--set", "config.kafka.topic=null"], "topic"), (["--set", "config.cache.stores=null"], "stores"),
    (["--set-string", r"secrets.values.a\/b=x"], "a/b"),
])
def test_wrong_values_are_refused(values, said):
    done = attempt(go_tool("helm"), "template", "demo", CHART, "--kube-version", KUBERNETES, *values)
    assert done.returncode != 0 and said in done.stderr, done
