"""What the documentation shows works: each whole configuration in it, and the examples."""
import re

import pytest

from e2e.pushcache import ROOT, run, write_config

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
MARK = "<!-- config-check -->"
OF_STATUS = {"kafka.dead_letters", "kafka.error", "kafka.partitions[]", "kafka.topics[]", "snapshot.refused"}  # what /status says
BLOCK = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.MULTILINE)  # of code


def blocks():
    """Each block of code: its place, its text, and whether the mark stands before it."""
    for page in PAGES:
        text = page.read_text()
        for block in BLOCK.finditer(text):
            place = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, block.start()) + 1}"
            yield place, re.sub(r"^    ", "", block[0], flags=re.MULTILINE), text[:block.start()].rstrip().endswith(MARK)


MARKED = [(place, text) for place, text, marked in blocks() if marked]


@pytest.mark.parametrize("text", [text for _, text in MARKED], ids=[place for place, _ in MARKED])
def test_marked_configurations(tmp_path, text):
    done = run("config-check", "--config", write_config(tmp_path, text))
    assert done.returncode == 0 and "note:" not in done.stderr, done.stderr


def test_whole_configurations_are_marked():
    """So that a new one is not left unchecked."""
    whole = [(place, marked) for place, text, marked in blocks()
             if re.search(r"^kafka:", text, re.MULTILINE) and re.search(r"^cache:", text, re.MULTILINE)]
    assert len(whole) >= 5 and [place for place, marked in whole if not marked] == []


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_examples(example):
    done = run("config-check", "--config", example)
    assert done.returncode == 0, done.stderr


def words(pattern):
    """Those in code within the text of a page for users: (page, word)."""
    for page in PAGES:
        if page.name == "HACKING.md" or "internals" in page.parts:
            continue
        for code in re.findall(r"`([^`\n]+)`", page.read_text()):
            yield from ((page.relative_to(ROOT), word) for word in re.findall(pattern, code))


def test_metrics_that_pages_name_exist():
    reference = (ROOT / "docs/reference/metrics.md").read_text()
    known = re.findall(r"^\| `(\w+)` \|", reference, re.MULTILINE)
    named = list(words(r"\b(?:push_cache|process)_\w+"))
    wrong = [(page, word) for page, word in named if not any(
        name == word or name.startswith(word) and word.endswith("_") or re.fullmatch(name + "_(bucket|sum|count)", word)
        for name in known)]
    assert len(named) > 50 and [(str(page), word) for page, word in wrong] == []


def test_keys_that_pages_name_exist():
    reference = (ROOT / "docs/reference/configuration.md").read_text()
    known = set(re.findall(r"^\| `([\w.\[\]]+)` \|", reference, re.MULTILINE))
    sections = {key[:end] for key in known for end in range(len(key)) if key[end] in ".["}
    first = "|".join({key.split(".")[0] for key in known if "." in key})
    named = list(words(rf"(?<![\w./-])(?:{first})\.[a-z_]+[\w.\[\]]*"))
    wrong = [(str(page), word) for page, word in named
             if word.rstrip(".") not in known | sections | OF_STATUS and not word.startswith("kafka.properties.")
             and re.sub(r"\.\d+\.", "[].", word) not in known]  # in the secrets directory
    assert len(named) > 50 and wrong == []
