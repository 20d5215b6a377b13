#!/usr/bin/env python3
"""Prints dashboards/push-cache.json, Grafana's dashboard, from the table of panels below. A test compares.

    python3 deploy/monitoring/dashboard.py > deploy/monitoring/dashboards/push-cache.json
"""
import json

# In an expression: @ stands for what the variables job and instance select, & for the same and the store, % for the same
# and the route. A panel: kind, width (of 24), title, description, unit, then expression -> legend.
EACH = "{{instance}}"
DURATIONS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def rate(name, by, selected="@"):
    return f"sum by ({by}) (rate({name}{{{selected}}}[$__rate_interval]))"


def quantile(q, name, by="", selected="@"):
    return f"histogram_quantile({q}, {rate(name + '_bucket', 'le' + by, selected)})"


def quantiles(name, selected="@", of=DURATIONS):
    return {quantile(q, name, selected=selected): legend for legend, q in of.items()}


ROWS = {
    "State": [
        ("yesno", 4, "Ready", "What /hams/ready says: all that was in the topics at the start is there.", "short",
         {"push_cache_ready{@}": EACH}),
        ("yesno", 4, "Kafka", "Whether the brokers answered lately. Without them values get older.", "short",
         {"push_cache_kafka_connected{@}": EACH}),
        ("stat", 4, "Records", "Records in all stores together.", "short",
         {"sum by (instance) (push_cache_records_total{@})": EACH}),
        ("stat", 4, "Age", "Of the partition that is furthest behind: how old what is held of it is.", "s",
         {"max by (instance) (push_cache_partition_lag_seconds{@})": EACH}),
        ("name", 4, "Version", "What runs.", "short", {"push_cache_build_info{@}": "{{instance}}: {{version}}"}),
        ("stat", 4, "Up for", "Time since the start of the process.", "s", {"time() - process_start_time_seconds{@}": EACH}),
        ("lines", 8, "Lag", "Records in Kafka that are still to be read.", "short", {"push_cache_consumer_lag_total{@}": EACH}),
        ("lines", 8, "Load rate", "Records from Kafka a second, as the service itself measures it.", "cps",
         {"push_cache_load_rate{@}": EACH}),
        ("stat", 4, "Ready after", "Time from the start until it was ready the first time.", "s",
         {"push_cache_ready_seconds{@}": EACH}),
        ("stat", 4, "Ready in", "Time until ready at the present rate; nothing once it is.", "s",
         {"push_cache_load_eta_seconds{@}": EACH}),
    ],
    "Requests": [
        ("lines", 8, "Requests by route", "Requests to the API; the route is empty for paths of none.", "reqps",
         {rate("push_cache_requests_total", "route, method", "%"): "{{method}} {{route}}"}),
        ("lines", 8, "Requests by status", "By class. 4xx has the keys that are not there.", "reqps",
         {rate("push_cache_requests_total", "status", "%"): "{{status}}"}),
        ("lines", 8, "Errors", "Share of answers with 5xx. While it is not ready all reads answer 503.", "percentunit",
         {rate("push_cache_requests_total", "instance", '%, status="5xx"') + " / "
          + rate("push_cache_requests_total", "instance", "%"): EACH}),
        ("lines", 8, "Latency", "From when the server turned to a request until its answer was handed to the connection.", "s",
         quantiles("push_cache_request_duration_seconds", "%")),
        ("lines", 8, "Latency by route (p99)", "A list takes as long as its reader.", "s",
         {quantile(0.99, "push_cache_request_duration_seconds", ", route", "%"): "{{route}}"}),
        ("lines", 8, "Misses", "Reads of a key that is not there.", "reqps", {rate("requests_miss", "instance"): EACH}),
    ],
    "Ingest": [
        ("lines", 8, "Records from Kafka", "That came to an end, whatever it was.", "cps",
         {rate("push_cache_consumed_total", "instance"): EACH}),
        ("lines", 8, "What became of them", "Unrouted: no store takes their schema. Outdated: a later one of the key came from "
         "another partition. Type changes: in a compacted topic, took their key out of a store that does not take their type. "
         "Future: with a timestamp far ahead of the clock.", "cps",
         {rate("updates_received", "job"): "updates", rate("tombstones_processed", "job"): "tombstones",
          rate("schema_unrouted_count", "job"): "unrouted", rate("push_cache_outdated_total", "job"): "outdated",
          rate("push_cache_type_changes_total", "job"): "type changes",
          rate("push_cache_future_timestamps_total", "job"): "future"}),
        ("lines", 8, "Bad records by cause", "Records that could not be applied; their keys keep the values before.", "cps",
         {rate("bad_records_total", "cause"): "{{cause}}"}),
        ("lines", 8, "Freshness", "From a record's timestamp until it was served, of records that came when all was caught up.",
         "s", quantiles("push_cache_freshness_seconds")),
        ("lines", 8, "Lag by partition", "Records still to be read, of the instance that has most.", "short",
         {"max by (topic, partition, feed) (push_cache_partition_lag{@})": "{{topic}}/{{partition}} {{feed}}"}),
        ("lines", 8, "Age by partition", "How old what is held of it is, at the instance that is furthest behind.", "s",
         {"max by (topic, partition, feed) (push_cache_partition_lag_seconds{@})": "{{topic}}/{{partition}} {{feed}}"}),
        ("lines", 8, "Written to Kafka", "Records that others write to the topics, by the ends of the partitions.", "cps",
         {"sum by (topic) (max by (topic, partition) (rate(push_cache_partition_end{@}[$__rate_interval])))": "{{topic}}"}),
        ("lines", 8, "Partitions that wait", "For a schema, a store or dead letters; or that stand at a bad record.", "short",
         {"push_cache_partitions_waiting{@}": EACH}),
        ("lines", 8, "Set aside, and bad keys", "Records whose schema is not known yet; keys whose last record is bad.", "short",
         {"push_cache_set_aside_records{@}": "{{instance}} set aside",
          "push_cache_bad_keys{@}": "{{instance}} bad keys"}),
        ("lines", 8, "Dead letters", "Bad records for the dead letter topic: acknowledged by it since the start, and waiting.",
         "short", {"push_cache_dead_letters_total{@}": "{{instance}} acknowledged",
                   "push_cache_dead_letters_waiting{@}": "{{instance}} waiting"}),
    ],
    "Schema registry": [
        ("lines", 6, "Requests by outcome", "All but ok are tried again as long as something needs the answer.", "reqps",
         {rate("push_cache_registry_requests_total", "outcome"): "{{outcome}}"}),
        ("lines", 6, "Duration", "Until the answer or the time-out.", "s",
         quantiles("push_cache_registry_request_duration_seconds")),
        ("lines", 6, "Schemas", "Known, waited for by records, and of no use since they are no Avro.", "short",
         {"max by (job) (push_cache_registry_schemas{@})": "known",
          "sum by (job) (push_cache_registry_schemas_waiting{@})": "waiting",
          "sum by (job) (push_cache_registry_schemas_failed{@})": "failed"}),
        ("lines", 6, "Writers that a route cannot show", "Schemas whose records the route's reader schema cannot show.", "short",
         {"max by (route) (push_cache_unresolvable_writers{%})": "{{route}}"}),
    ],
    "Stores": [
        ("lines", 8, "Records by store", "Of a store in Redis: when they were counted last.", "short",
         {"push_cache_records_total{&}": "{{instance}} {{store}}"}),
        ("lines", 8, "Keys and values", "Their bytes, without the store's own overhead.", "bytes",
         {"push_cache_store_bytes{&}": "{{instance}} {{store}}"}),
        ("lines", 8, "Memory by kind", "Index, order of the keys, records, and what is free for records to come.", "bytes",
         {"sum by (kind) (push_cache_store_memory_bytes{&})": "{{kind}}"}),
        ("lines", 8, "Memory against its cap", "Share of memory_max_bytes. At 1 the store refuses new keys.", "percentunit",
         {"sum by (instance, store) (push_cache_store_memory_bytes{&})"
          " / (sum by (instance, store) (push_cache_store_memory_max_bytes{&}) > 0)": "{{instance}} {{store}}"}),
        ("lines", 8, "Refused", "Records with a new key that a full store did not take. It is not ready from then on.", "short",
         {"push_cache_store_refused_total{&}": "{{instance}} {{store}}"}),
        ("lines", 8, "Failed writes", "That a store refused; they are tried again.", "cps",
         {rate("push_cache_store_errors_total", "instance"): EACH}),
        ("lines", 8, "Local writes", "Records added by POST and removed by DELETE since the start: of these the store differs "
         "from its topics.", "short",
         {"push_cache_local_writes_total{&}": "{{instance}} {{store}} {{kind}}"}),
    ],
    "Redis": [
        ("lines", 8, "Calls by kind", "That have ended.", "ops",
         {rate("push_cache_redis_calls_total", "store, kind", "&"): "{{store}} {{kind}}"}),
        ("lines", 8, "Calls that failed", "By outcome: oom (its maxmemory), denied (its ACL), timeout, lost, ...", "ops",
         {rate("push_cache_redis_calls_total", "store, outcome", '&, outcome!~"ok|wrong_type"'): "{{store}} {{outcome}}"}),
        ("lines", 8, "Duration by kind (p99)", "Until the answer or the time-out.", "s",
         {quantile(0.99, "push_cache_redis_call_duration_seconds", ", store, kind", "&"): "{{store}} {{kind}}"}),
        ("lines", 8, "Connections to Redis", "Open, and calls that wait for their answers or to be sent.", "short",
         {"sum by (store) (push_cache_redis_connections{&})": "{{store}} open",
          "sum by (store) (push_cache_redis_calls_waiting{&})": "{{store}} waiting calls"}),
        ("lines", 8, "Made and lost", "Of those lost some were given up since Redis did not answer.", "cps",
         {rate("push_cache_redis_connections_total", "store", "&"): "{{store}} made",
          rate("push_cache_redis_connections_lost_total", "store", "&"): "{{store}} lost",
          rate("push_cache_redis_connect_errors_total", "store", "&"): "{{store}} not made"}),
        ("lines", 8, "Redirections and retries", "Moved or ask: another node of the Cluster has the key.", "ops",
         {rate("push_cache_redis_redirections_total", "store, kind", "&"): "{{store}} {{kind}}",
          rate("push_cache_redis_retries_total", "store", "&"): "{{store}} sent again"}),
    ],
    "Snapshots": [
        ("lines", 6, "Taken and failed", "Since the start.", "short",
         {"push_cache_snapshots_total{@}": "{{instance}} taken", "push_cache_snapshot_errors_total{@}": "{{instance}} failed"}),
        ("lines", 6, "Age of the latest", "Nothing before the first one of this run.", "s",
         {"time() - push_cache_snapshot_timestamp_seconds{@}": EACH}),
        ("lines", 6, "Duration of the latest", "How long it took to write.", "s",
         {"push_cache_snapshot_duration_seconds{@}": EACH}),
        ("lines", 6, "Size of the latest", "Of its file.", "bytes", {"push_cache_snapshot_bytes{@}": EACH}),
        ("lines", 12, "Records in the latest", "Records that it holds.", "short", {"push_cache_snapshot_records{@}": EACH}),
        ("lines", 12, "Loaded at the start", "Records from a snapshot; 0: there was none, or it was refused.", "short",
         {"push_cache_snapshot_loaded_records{@}": EACH}),
    ],
    "Process": [
        ("lines", 6, "Processor", "Cores in use.", "short", {rate("process_cpu_seconds_total", "instance"): EACH}),
        ("lines", 6, "Memory", "Resident.", "bytes", {"process_resident_memory_bytes{@}": EACH}),
        ("lines", 6, "File descriptors", "Share of the limit that is open.", "percentunit",
         {"process_open_fds{@} / process_max_fds{@}": EACH}),
        ("lines", 6, "Threads", "Of the process.", "short", {"process_threads{@}": EACH}),
        ("lines", 6, "Open connections", "By port: api, or hams for health.", "short",
         {"push_cache_http_connections{@}": "{{instance}} {{server}}"}),
        ("lines", 6, "New connections", "Taken, and refused since there were too many.", "cps",
         {rate("push_cache_http_connections_total", "server"): "{{server}} taken",
          rate("push_cache_http_connections_refused_total", "server"): "{{server}} refused"}),
        ("lines", 6, "Bytes", "Of HTTP.", "Bps",
         {rate("push_cache_http_received_bytes_total", "server"): "{{server}} received",
          rate("push_cache_http_sent_bytes_total", "server"): "{{server}} sent"}),
        ("lines", 6, "Bad requests", "No valid HTTP, too large or too slow.", "reqps",
         {rate("push_cache_http_bad_requests_total", "server"): "{{server}}"}),
    ],
}

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
ANSWERS = [{"type": "value", "options": {"0": {"text": "no", "color": "red"}, "1": {"text": "yes", "color": "green"}}}]


def selected(expression):
    base = 'job=~"$job", instance=~"$instance"'
    return (expression.replace("@", base).replace("&", base + ', store=~"$store"').replace("%", base + ', route=~"$route"'))


def panel(kind, title, description, unit, targets):
    made = {"title": title, "description": description, "type": "timeseries" if kind == "lines" else "stat",
            "datasource": DATASOURCE,
            "targets": [{"refId": chr(ord("A") + at), "datasource": DATASOURCE, "expr": selected(expression),
                         "legendFormat": legend, **({} if kind == "lines" else {"instant": True})}
                        for at, (expression, legend) in enumerate(targets.items())],
            "fieldConfig": {"defaults": {"unit": unit}, "overrides": []}}
    defaults = made["fieldConfig"]["defaults"]
    if kind == "lines":
        defaults["min"] = 0
        defaults["custom"] = {"lineWidth": 1, "fillOpacity": 5, "showPoints": "never"}
        made["options"] = {"legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
                           "tooltip": {"mode": "multi", "sort": "desc"}}
    else:
        defaults["color"] = {"mode": "fixed", "fixedColor": "text"}
        made["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "none", "justifyMode": "auto",
                           "textMode": "name" if kind == "name" else "auto", "orientation": "auto", "wideLayout": True,
                           "colorMode": "background" if kind == "yesno" else "value",
                           "showPercentChange": False, "percentChangeColorMode": "standard"}
        if kind == "yesno":
            defaults["mappings"] = ANSWERS
    return made


def panels():
    """Row after row, each panel right of the one before while there is room."""
    made = []
    top = 0
    for row, members in ROWS.items():
        made.append({"title": row, "type": "row", "collapsed": False, "panels": [],
                     "gridPos": {"h": 1, "w": 24, "x": 0, "y": top}})
        top += 1
        left = tallest = 0
        for kind, width, *rest in members:
            if left + width > 24:
                left, top, tallest = 0, top + tallest, 0
            height = 8 if kind == "lines" else 4
            tallest = max(tallest, height)
            made.append({**panel(kind, *rest), "gridPos": {"h": height, "w": width, "x": left, "y": top}})
            left += width
        top += tallest
    return [{"id": number, **one} for number, one in enumerate(made, 1)]


def variable(name, label, metric, **more):
    query = f"label_values({selected(metric)}, {name})"
    return {"name": name, "label": label, "type": "query", "datasource": DATASOURCE, "definition": query,
            "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
            "current": {"text": "All", "value": "$__all"}, **more}


def dashboard():
    return {
        "uid": "push-cache", "title": "Push Cache", "tags": ["push-cache"], "schemaVersion": 39, "version": 1, "editable": True,
        "description": "What Prometheus scrapes from Push Cache. Made by deploy/monitoring/dashboard.py.",
        "time": {"from": "now-1h", "to": "now"}, "refresh": "30s", "timezone": "browser", "graphTooltip": 1,
        "annotations": {"list": []}, "links": [],
        "templating": {"list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "refresh": 1,
             "current": {"text": "Prometheus", "value": "prometheus"}},
            variable("job", "Job", "push_cache_build_info"),
            variable("instance", "Instance", 'push_cache_build_info{job=~"$job"}'),
            # All of these is also the empty route. All jobs and instances are those listed, so that process_* is ours.
            variable("route", "Route", "push_cache_request_duration_seconds_count{@}", allValue=".*"),
            variable("store", "Store", "push_cache_records_total{@}", allValue=".*"),
        ]},
        "panels": panels(),
    }


def text(value, indent=0):
    """JSON with as much on a line as there is room for."""
    line = json.dumps(value)
    if not isinstance(value, (dict, list)) or len(line) + indent <= 120:
        return line
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {text(one, indent + 1)}" for key, one in value.items()]
    else:
        parts = [text(one, indent + 1) for one in value]
    gap = "\n" + " " * (indent + 1)
    first, last = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return first + gap + ("," + gap).join(parts) + gap[:-1] + last


if __name__ == "__main__":
    print(text(dashboard()))
