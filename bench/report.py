"""Makes the page of the benchmarks from their results: README.md and pictures beside the *.json of a folder.

    scripts/bench report docs/benchmarks

Prints each row's ratio and goal as well.
"""
import json
import pathlib
import sys
import textwrap

import report_plots

# In the order of the page: the file, its title, what its rows are.
SUITES = [
    ("store", "Lookups and writes",
     "The store in memory, within one process. The reference holds the same records in 64 shards of "
     "`std::unordered_map`, each under a `std::shared_mutex`; `chase` rows are against two dependent random reads of "
     "as much memory, which is the least that a lookup with a record apart from its index can cost."),
    ("snapshot", "Snapshots",
     "A million Customers, the file in the page cache. `scan` hands out every record, `write` is a whole snapshot with its "
     "fsync (most of it on a thread that gives way to all others), `load` a start from it: every byte verified, decompressed and put "
     "into an empty store. `file` is bytes of the file a record."),
    ("avro", "Avro to JSON",
     "One thread, 1,024 records of each type in turn. The reference decodes to a generic tree that Boost.JSON renders."),
    ("http", "HTTP",
     "100,000 Customers, random keys, loopback, one load generator thread on the same machine. The reference is a bare "
     "epoll server that sends answers of the same size and reads nothing of a request but its end. `cpu` is user and "
     "system time of the server's process for one request."),
    ("redis", "Stores in Redis",
     "One Redis on the same machine. `write` are the store's fenced writes, so many in a batch and two batches under way, against "
     "redis-benchmark's SET pipelined by as many. `get` are GETs of 50,000 Customers through HTTP over 64 connections; the "
     "reference is redis-benchmark's own GET over as many, a proxy of the same HTTP server and client that sends the raw "
     "value, or webdis. `cpu` is user and system time of the serving process for one request."),
    ("kafka", "Kafka to ready",
     "Customers in 4 partitions of a real broker on the same machine; from the start of the process to the first 200 of "
     "`/hams/ready`. The reference, a librdkafka consumer that only counts, runs from its start to the last record. "
     "`bytes` is resident memory for each record, `overhead` what of it is neither key nor value."),
]
PICTURES = [
    ("store", "lookup.svg", "one lookup by the number of records", report_plots.lookup),
    ("store", "concurrency.svg", "lookups by concurrent tasks", report_plots.concurrency),
    ("store", "bytes.svg", "memory of a record beyond its key and value", report_plots.memory),
    ("avro", "avro.svg", "one record from Avro to JSON", report_plots.avro),
    ("http", "http.svg", "requests a second and CPU time of a request", report_plots.http),
    ("kafka", "kafka.svg", "records a second from the start to ready", report_plots.kafka),
]


def paragraph(words):
    """Wrapped as the other pages are."""
    return textwrap.wrap(words, 118, break_long_words=False, break_on_hyphens=False)


def number(value):
    """Three to four digits that count."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 or size == 0 else f"{value:.4f}"


def cell(values, middle):
    """"12.3 (11.9 to 14.0)", without the spread for what is fixed."""
    if min(values) == max(values):
        return number(middle)
    return f"{number(middle)} ({number(min(values))} to {number(max(values))})"


def goal(row):
    return "" if row["goal"] is None else f"≥ {number(row['goal'])}"


def met(row):
    return {True: "yes", False: "**no**", None: ""}[row.get("met")]


def table(suite):
    lines = ["| row | unit | ours | reference | ratio | goal | met |", "| --- | --- | ---: | ---: | ---: | --- | --- |"]
    for row in suite["rows"]:
        name = f"`{row['name']}`"
        if "skipped" in row:
            lines.append(f"| {name} | {row['unit']} | skipped: {row['skipped']} | | | | |")
            continue
        ours = cell(row["ours"], row["ours_median"])
        reference, ratio = "", ""
        if "ratio" in row:
            reference = cell(row["reference_values"], row["reference_median"])
            ratio = number(row["ratio"])
        lines.append(f"| {name} | {row['unit']} | {ours} | {reference} | {ratio} | {goal(row)} | {met(row)} |")
    return lines


def references(suite):
    """What the second sides are, for rows where the text above the table does not say it."""
    found = {}
    for row in suite["rows"]:
        if row.get("reference_values"):
            found.setdefault(row["reference"], []).append(row["name"])
    lines = ["References:", ""]
    for words, names in found.items():
        shown = ", ".join(f"`{name}`" for name in names[:2]) + (" and others" if len(names) > 2 else "")
        lines.append(f"- {words}: {shown}")
    return lines


def machine_lines(suites):
    seen = []
    for name, suite in suites.items():
        machine = suite["machine"]
        text = (f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_bytes'] / 2**30:.0f} GiB, "
                f"{machine['kernel']}, GCC {machine['compiler']}")
        kind = "quick" if suite["quick"] else "full"
        line = f"| {name} | {machine['date'][:10]} | `{machine['commit']}` | {kind}, {suite['rounds']} rounds | {text} |"
        seen.append(line)
    return ["| suite | date | commit | run | machine |", "| --- | --- | --- | --- | --- |", *seen]


def missed(suites):
    return [f"`{row['name']}` ({number(row['ratio'])} of {number(row['goal'])})"
            for suite in suites.values() for row in suite["rows"] if row.get("met") is False]


def page(suites, pictures):
    rows = [row for suite in suites.values() for row in suite["rows"]]
    goals = [row for row in rows if "met" in row]
    lines = [
        "# Benchmarks",
        "",
        "<!-- Made by bench/report.py from the *.json beside it; do not edit. -->",
        "",
        *paragraph("Each row is measured as pairs: ours, reference, ours, reference and so on, after one warm-up of each. Values are "
                   "medians, with least and greatest of the rounds in parentheses. **Ratio** says how many times better than the "
                   "reference ours is; it is the median of the rounds' own ratios, so that a machine that is busy for a while "
                   "touches both sides alike. A goal is the least ratio to reach."),
        "",
        f"{sum(row['met'] for row in goals)} of {len(goals)} goals are met.",
        "",
        "    make bench         # all of it again, into this folder",
        "    make bench-quick   # smaller and quicker, into build/release/benchmarks",
        "    build/release/bin/store_bench --filter lookup/hit   # one suite, some rows; --help lists the rest",
        "",
        *machine_lines(suites),
    ]
    behind = missed(suites)
    if behind:
        lines += ["", *paragraph("Goals that are not met: " + ", ".join(behind) + ".")]
    for name, title, words in SUITES:
        if name not in suites:
            continue
        lines += ["", f"## {title}", "", *paragraph(words)]
        for suite, file, alt, _ in PICTURES:
            if suite == name and file in pictures:
                lines += ["", f"![{alt[0].upper() + alt[1:]}]({file})"]
        lines += ["", *table(suites[name]), "", *references(suites[name])]
    return "\n".join(lines) + "\n"


def print_ratios(suites):
    for suite in suites.values():
        for row in suite["rows"]:
            if "ratio" in row:
                verdict = {True: "met", False: "NOT met", None: ""}[row.get("met")]
                print(f"{row['name']:44} {number(row['ours_median']):>12} {row['unit']:12} "
                      f"ratio {number(row['ratio']):>8}  {goal(row):8} {verdict}".rstrip())
            else:
                value = row.get("skipped") or f"{number(row['ours_median']):>12} {row['unit']}"
                print(f"{row['name']:44} {value}")


def main():
    folder = pathlib.Path(sys.argv[1])
    suites = {}
    for name, _, _ in SUITES:
        if (folder / f"{name}.json").exists():
            suites[name] = json.loads((folder / f"{name}.json").read_text())
    if not suites:
        sys.exit(f"report: {folder} has no results")
    pictures = [file for suite, file, _, draw in PICTURES
                if suite in suites and draw(suites[suite]["rows"], folder / file)]
    (folder / "README.md").write_text(page(suites, pictures))
    print_ratios(suites)
    print(f"\n{folder / 'README.md'}")


if __name__ == "__main__":
    main()
