#!/usr/bin/env python3
"""Fails when a link of a Markdown page leads nowhere: to no file, to no heading of it, or to another host (pages say
all that is needed), or when a page cannot be reached from README.md by links."""
import pathlib
import re
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = {"build", ".git", ".venv", ".pytest_cache", "__pycache__", "node_modules"}
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]*(?:\([^()]*\))?[^()\s]*)(?:\s+\"[^\"]*\")?\)")
CODE = re.compile(r"(`+)(?:.*?[^`])??\1(?!`)")


def pages(root):
    return [path for path in sorted(root.rglob("*.md")) if not SKIPPED & set(path.relative_to(root).parts)]


def prose(text):
    """The lines with their numbers, without blocks of code and comments."""
    text = re.sub(r"<!--.*?-->", lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL)
    fence, blank, block = None, True, False
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark and (fence is None or line.strip() == fence):
            fence = mark[1] if fence is None else None
            continue
        # Indented lines behind an empty one are code; within an item of a list, those that are indented more.
        block = line.startswith("    ") and (blank or block)
        blank = not line.strip()
        if fence is None and not block:
            yield number, line


def plain(text):
    """A heading as it reads: code and links as their text."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return text.replace("`", "").replace("*", "").strip()


def anchors(path):
    """Of each heading, as GitHub makes them."""
    found = set()
    for _, line in prose(path.read_text(encoding="utf-8")):
        heading = re.match(r"#{1,6}\s+(.*?)\s*#*$", line)
        if not heading:
            continue
        slug = re.sub(r"[^\w\- ]", "", plain(heading[1]).lower()).replace(" ", "-")
        name, number = slug, 0
        while name in found:
            number += 1
            name = f"{slug}-{number}"
        found.add(name)
    return found


def links(path):
    lines = list(prose(path.read_text(encoding="utf-8")))
    text = "\n".join(CODE.sub("", line) for _, line in lines)  # a link may go over the end of a line
    for found in LINK.finditer(text):
        yield lines[text.count("\n", 0, found.start())][0], found[1]


def check(root):
    """The faults, and which page leads to which."""
    faults, leads, known = [], {}, {}
    for page in pages(root):
        leads[page] = set()
        for number, target in links(page):
            place = f"{page.relative_to(root)}:{number}: {target}: "
            url = urllib.parse.urlsplit(target)
            if url.scheme or url.netloc or target.startswith("/"):
                faults.append(place + "not a relative link")
                continue
            file = (page.parent / urllib.parse.unquote(url.path)).resolve() if url.path else page
            if not file.exists() or not file.is_relative_to(root):
                faults.append(place + "there is no such file")
                continue
            leads[page].add(file / "README.md" if file.is_dir() else file)
            if url.fragment:
                if file not in known:
                    known[file] = anchors(file) if file.suffix == ".md" else set()
                if url.fragment not in known[file]:
                    faults.append(place + "there is no such heading")
    return faults, leads


def unreached(root, leads):
    seen, waiting = set(), [root / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen:
            seen.add(page)
            waiting += leads.get(page, ())
    return [page for page in leads if page not in seen]


def main():
    root = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    faults, leads = check(root)
    faults += [f"{page.relative_to(root)}: no links lead here from README.md" for page in unreached(root, leads)]
    print("\n".join(faults) or f"docs: {len(leads)} pages, every link leads somewhere")
    sys.exit(1 if faults or not leads else 0)


if __name__ == "__main__":
    main()
