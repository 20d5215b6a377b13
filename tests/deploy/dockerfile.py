"""Reads the Dockerfile and .dockerignore as far as this project's own go."""
import json
import re
import shutil

from deploy.tools import ROOT, run


def stages():
    """The instructions of each stage: [(word, arguments), ...], with what stands on several lines as one."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line.split(None, 1) for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]
    found = []
    for word, arguments in lines:
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, arguments))
    return found


def steps(stage, word):
    return [arguments for name, arguments in stage if name == word]


def exec_form(text):
    """The words of CMD, ENTRYPOINT or HEALTHCHECK, which must all do without a shell."""
    return json.loads(text[text.index("["):])


def copy_context(folder):
    """What `COPY . .` puts into an image: the tree as git has it, and what is new in it, less what
    .dockerignore leaves out: `*`, then `!path` for what stays."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().split("\n") if line and not line.startswith("#")]
    assert rules[0] == "*" and rules[-1] == "**/__pycache__", rules
    kept = [rule.removeprefix("!") for rule in rules[1:-1]]
    assert all(rule.startswith("!") and (ROOT / rule[1:]).exists() for rule in rules[1:-1]), rules
    for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if any(name == rule or name.startswith(rule + "/") for rule in kept) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
