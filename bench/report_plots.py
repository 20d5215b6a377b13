"""The pictures of the benchmarks' page. Each function draws one from a suite's rows and says whether it could.

Colours and greys are of middle brightness on no background: readable on white and on black alike.
"""
import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, NullFormatter  # noqa: E402

OURS, THEIRS, THIRD, FOURTH = "#2f81f7", "#db6d28", "#8b949e", "#3fa45b"
INK = "#7d8590"
plt.rcParams.update({
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "push-cache",  # the same file for the same values
    "font.family": "sans-serif", "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"], "font.size": 11,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.titlesize": 12, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": INK, "grid.alpha": 0.25, "grid.linewidth": 0.7,
    "legend.frameon": False, "savefig.transparent": True,
})


def short(value, _=None):
    """1,500,000 -> "1.5 M"."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def exact(value):
    """For a bar's end: 1,397 or 0.367, but 1.28 M."""
    if value >= 100_000:
        return short(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def by_size(rows, prefix, which):
    """(sizes, medians) of the rows PREFIX/SIZE, by size. `which`: ours or reference."""
    points = []
    for row in rows:
        head, _, size = row["name"].rpartition("/")
        if head == prefix and f"{which}_median" in row:
            points.append((int(size), row[f"{which}_median"]))
    points.sort()
    return [x for x, _ in points], [y for _, y in points]


def named(rows, name):
    """The row of this name, if it was run with both sides."""
    return next((row for row in rows if row["name"] == name and "ratio" in row), None)


def save(figure, path, legend_of=None):
    """Writes the picture, with the legend of one of its axes below."""
    if legend_of is not None:
        handles, labels = legend_of.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    return True


def lines(axes, rows, series):
    """Draws (prefix, which, label, colour, style) as lines over a logarithmic size."""
    drawn = 0
    for prefix, which, label, colour, style in series:
        x, y = by_size(rows, prefix, which)
        if x:
            axes.plot(x, y, style, color=colour, label=label, linewidth=2, markersize=5)
            drawn += 1
    if drawn:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(short))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(short))
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper left")
    return drawn > 0


def bars(axes, groups, sides, label):
    """Grouped horizontal bars: `sides` is a list of (name, colour, values by group; None = no bar)."""
    height = 0.8 / len(sides)
    widest = max(value for _, _, values in sides for value in values if value is not None)
    for index, (name, colour, values) in enumerate(sides):
        places = [place + (index - (len(sides) - 1) / 2) * height for place in range(len(groups))]
        axes.barh(places, [value or 0 for value in values], height * 0.92, color=colour, label=name)
        for place, value in zip(places, values):
            if value is not None:
                axes.text(value + widest * 0.01, place, exact(value), va="center", fontsize=9)
    axes.set_yticks(range(len(groups)), groups)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, widest * 1.13)
    axes.xaxis.set_major_formatter(FuncFormatter(short))
    axes.set_xlabel(label)


def lookup(rows, path):
    figure, (one, sixteen) = plt.subplots(1, 2, figsize=(10, 4.2), sharey=True, layout="constrained")
    found = lines(one, rows, [
        ("lookup/hit/single", "reference", "unordered_map + shared_mutex", THEIRS, "s-"),
        ("lookup/miss/single", "reference", "the same, key absent", THEIRS, "s:"),
        ("lookup/chase/single", "reference", "two dependent random reads", THIRD, "^--"),
        ("lookup/hit/single", "ours", "Push Cache", OURS, "o-"),
        ("lookup/miss/single", "ours", "Push Cache, key absent", OURS, "o:")])
    found |= lines(sixteen, rows, [
        ("lookup/hit/batch16", "reference", "unordered_map + shared_mutex, one by one", THEIRS, "s-"),
        ("lookup/chase/batch16", "reference", "two dependent random reads", THIRD, "^--"),
        ("lookup/hit/batch16", "ours", "Push Cache, 16 at once", OURS, "o-")])
    one.set(title="One key at a time", xlabel="records", ylabel="ns a lookup")
    sixteen.set(title="16 keys at a time", xlabel="records")
    return found and save(figure, path)


def concurrency(rows, path):
    found = []
    for row in rows:
        parts = row["name"].split("/")
        if parts[0] == "concurrent" and len(parts) == 3 and parts[1].isdigit() and "ratio" in row:
            found.append((int(parts[2]), int(parts[1]), row))
    if not found:
        return False
    found.sort(key=lambda one: one[:2])
    several = len({size for size, _, _ in found}) > 1
    figure, axes = plt.subplots(figsize=(8, 1.4 + 0.6 * len(found)), layout="constrained")
    groups = [(f"{short(size)} records, " if several else "") + f"{tasks} task{'s' if tasks > 1 else ''}"
              for size, tasks, _ in found]
    bars(axes, groups, [("Push Cache", OURS, [row["ours_median"] for _, _, row in found]),
                        ("unordered_map + shared_mutex", THEIRS, [row["reference_median"] for _, _, row in found])],
         "ns of wall time a lookup")
    axes.set_title("Lookups by concurrent tasks" + ("" if several else f", {short(found[0][0])} records"))
    return save(figure, path, axes)


def memory(rows, path):
    kinds = [("bytes/fresh", "after the first load", OURS),
             ("bytes/overwritten", "after every key was written ten times more", FOURTH)]
    found = {prefix: dict(zip(*by_size(rows, prefix, "ours"))) for prefix, _, _ in kinds}
    sizes = sorted(set().union(*found.values()))
    if not sizes:
        return False
    figure, axes = plt.subplots(figsize=(8, 1.6 + 0.6 * len(sizes)), layout="constrained")
    bars(axes, [f"{short(size)} records" for size in sizes],
         [(label, colour, [found[prefix].get(size) for size in sizes]) for prefix, label, colour in kinds],
         "bytes a record")
    goals = [row["reference_median"] for row in rows if row["name"].startswith("bytes/fresh/") and "ratio" in row]
    if goals:
        axes.axvline(goals[0], color=THIRD, linestyle="--", linewidth=2, label=f"goal: {goals[0]:.0f}")
        axes.set_xlim(0, max(axes.get_xlim()[1], goals[0] * 1.1))
    axes.set_title("Memory of a record beyond its key and value")
    return save(figure, path, axes)


def pairs(rows, axes, groups, label, names=("Push Cache", "reference")):
    """Bars of ours and the reference for [(words, row's name)]."""
    found = [named(rows, name) for _, name in groups]
    bars(axes, [words for words, _ in groups],
         [(names[0], OURS, [row and row["ours_median"] for row in found]),
          (names[1], THEIRS, [row and row["reference_median"] for row in found])], label)


def avro(rows, path):
    # The nested type is several times as long, so it has a scale of its own.
    plain = [(kind, name) for kind in ("customer", "bill", "usage", "ticket")
             if named(rows, name := f"avro/{kind}/to_json")]
    nested = [(kind, name) for kind in ("nested",) if named(rows, name := f"avro/{kind}/to_json")]
    parts = [part for part in (plain, nested) if part]
    if not parts:
        return False
    figure, panels = plt.subplots(len(parts), 1, figsize=(8, 1.9 + 0.6 * (len(plain) + len(nested))), squeeze=False,
                                  height_ratios=[len(part) for part in parts], layout="constrained")
    for axes, part in zip(panels[:, 0], parts):
        pairs(rows, axes, part, "ns a record", ("Push Cache's compiled plan", "tree of values and Boost.JSON"))
    panels[0, 0].set_title("From Avro to JSON")
    return save(figure, path, panels[0, 0])


def http(rows, path):
    kinds = [("hit", "GET"), ("304", "304"), ("404", "404")]
    shapes = [("plain", "one request at a time"), ("pipelined16", "pipelined ×16")]
    parts = []
    for shape, words in shapes:
        groups = [(f"{kind_words}, {connections} connections", f"http/{kind}/{shape}/{connections}")
                  for connections in (64, 512) for kind, kind_words in kinds
                  if named(rows, f"http/{kind}/{shape}/{connections}/throughput")]
        if groups:
            parts.append((words, groups))
    if not parts:
        return False
    total = sum(len(groups) for _, groups in parts)
    figure, panels = plt.subplots(len(parts), 2, figsize=(11, 1.9 + 0.55 * total), squeeze=False, sharey="row",
                                  height_ratios=[len(groups) for _, groups in parts], layout="constrained")
    for row, (words, groups) in zip(panels, parts):
        for axes, figure_name, label in zip(row, ("throughput", "cpu"), ("requests a second: more is better",
                                                                         "µs of server CPU a request: less is better")):
            pairs(rows, axes, [(text, f"{name}/{figure_name}") for text, name in groups], label,
                  ("Push Cache", "bare epoll server that sends as many bytes"))
            axes.set_title(words)
        row[1].invert_yaxis()  # shared with the left, so the second turn undid the first
    return save(figure, path, panels[0, 0])


def kafka(rows, path):
    sizes = sorted(int(row["name"].split("/")[1]) for row in rows
                   if row["name"].count("/") == 2 and row["name"].endswith("/throughput") and "ratio" in row)
    if not sizes:
        return False
    figure, panels = plt.subplots(1, 2, figsize=(11, 1.7 + 0.7 * len(sizes)), sharey=True, layout="constrained")
    for axes, figure_name, label in zip(panels, ("throughput", "cpu"), ("records a second: more is better",
                                                                        "CPU seconds a million: less is better")):
        pairs(rows, axes, [(f"{short(size)} records", f"kafka/{size}/{figure_name}") for size in sizes], label,
              ("Push Cache, from its start to ready", "librdkafka consumer that only counts"))
    panels[1].invert_yaxis()
    figure.suptitle("From Kafka to ready", fontsize=12)
    return save(figure, path, panels[0])
