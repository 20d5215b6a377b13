"""The linters, and running commands. `scripts/setup deploy` installs all of them."""
import os
import pathlib
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("PUSH_CACHE_BIN") or "build/release/bin")
BIN = BIN if BIN.is_absolute() else ROOT / BIN
DEPS = pathlib.Path(os.environ.get("PUSH_CACHE_DEPS") or
                    pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "push-cache")


def run(*command, cwd=ROOT, seconds=120, **options):
    """What a command printed; fails with it all when its exit code is not 0."""
    done = attempt(*command, cwd=cwd, seconds=seconds, **options)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def attempt(*command, cwd=ROOT, seconds=120, **options):
    return subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False,
                          timeout=seconds, **options)


def go_tool(name):
    """Its path. The test is skipped where there was no Go to build it: scripts/setup has said so."""
    path = DEPS / "go-tools" / name
    if not path.exists():
        pytest.skip(f"{name} is not installed: it needs a newer Go than this release has")
    return path


def python_tool(name):
    """A program of this environment of Python."""
    return pathlib.Path(sys.prefix) / "bin" / name


def documents(text):
    """Of a YAML stream, without the empty ones."""
    return [document for document in yaml.safe_load_all(text) if document]


def config_check(folder, config, secrets=None, environment=None):
    """Whether the built program takes a configuration; `config` is its text."""
    file = pathlib.Path(folder) / "push-cache.yaml"
    file.write_text(config)
    command = [BIN / "push-cache", "config-check", "--config", file]
    if secrets is not None:
        for name, value in secrets.items():
            (pathlib.Path(folder) / "secrets").mkdir(exist_ok=True)
            (pathlib.Path(folder) / "secrets" / name).write_text(value)
        command += ["--secrets", pathlib.Path(folder) / "secrets"]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("APP_")}
    run(*command, env={**plain, **(environment or {})})
