"""A real Chromium, driven by browser.mjs (playwright-core of web/package-lock.json, which scripts/setup fetches)."""
import hashlib
import json
import os
import pathlib
import subprocess

from e2e.pushcache import ROOT

DEPS = pathlib.Path(os.environ.get("PUSH_CACHE_DEPS") or
                    pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "push-cache")


def web_packages():
    """The folder of the npm packages."""
    lock = hashlib.sha256((ROOT / "web/package-lock.json").read_bytes()).hexdigest()[:12]
    folder = DEPS / f"web-{lock}"
    assert folder.is_dir(), f"{folder} is not there: run scripts/setup test"
    return folder


class Browser:
    """One page at a time. Each method is a command of browser.mjs; elements are named by CSS selectors."""

    def __init__(self, log):
        self.stream = open(log, "wb")
        self.child = subprocess.Popen(["node", ROOT / "tests/e2e/browser.mjs", web_packages()], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stream)

    def _do(self, command, **parameters):
        self.child.stdin.write(json.dumps({"command": command, **parameters}) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        assert line, f"the browser has ended, see {self.stream.name}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def open(self, url, **options):
        """A new page: scheme="dark", width=390, height=800, html= another page in the place of that address."""
        self._do("open", url=url, **options)

    def text(self, at="body"):
        """What a person can read there."""
        return self._do("text", at=at)

    def rows(self, at):
        """What can be read of a table: the cells of each row."""
        return self._do("rows", at=at)

    def row(self, at, first):
        """Those of the row whose first cell is `first`, behind it."""
        [found] = [others for cell, *others in self.rows(at) if cell == first]
        return found

    def wait(self, pattern, at="body"):
        """Waits until what can be read there matches; gives it."""
        return self._do("wait", pattern=pattern, at=at)

    def ask(self, route, key):
        """Fills the look-up's form and sends it by the Enter key."""
        self._do("ask", route=route, key=key)

    def press(self, name):
        self._do("press", name=name)

    def scheme(self, scheme):
        self._do("scheme", scheme=scheme)

    def size(self, width, height):
        self._do("size", width=width, height=height)

    def contrast(self):
        """The least of all texts that can be seen: {contrast, text}."""
        return self._do("contrast")

    def pixels(self, at, colour):
        """How many of the canvas there have the colour of that CSS variable."""
        return self._do("pixels", at=at, colour=colour)

    def style(self, at, name):
        return self._do("style", at=at, property=name)

    def count(self, at):
        return self._do("count", at=at)

    def attribute(self, at, name):
        return self._do("attribute", at=at, name=name)

    def title(self):
        return self._do("title")

    def overflow(self):
        """Pixels that the page is wider than its window."""
        return self._do("overflow")

    def problems(self):
        """Errors of scripts, what the policy forbade, and requests to elsewhere."""
        return self._do("problems")

    def picture(self, file):
        self._do("picture", file=str(file))

    def end(self):
        self.child.stdin.close()
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait(20)
        self.child.stdout.close()
        self.stream.close()
