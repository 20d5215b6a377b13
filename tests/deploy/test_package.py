"""The Debian package: what linters say of it, and a real installation where that may be done."""
import contextlib
import gzip
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from deploy import dockerfile
from deploy.tools import ROOT, attempt, run
from services import Process, free_port

pytestmark = pytest.mark.timeout(3600)  # the first one builds the package
PAGES = ["man1/push-cache.1", "man1/populate_kafka.1", "man5/push-cache.yaml.5"]


def test_lintian_has_nothing_to_say(package):
    done = attempt("lintian", "--fail-on", "error,warning", package)
    assert done.returncode == 0 and not done.stdout, done


def test_the_package_names_what_the_programs_need(package):
    depends = run("dpkg-deb", "-f", package, "Depends")
    for name in ("libc6", "libssl3", "libsystemd0", "libcurl4", "ca-certificates", "adduser"):
        assert name in depends, depends


def test_programs_are_stripped_and_hardened(unpacked):
    for name in ("push-cache", "populate_kafka"):
        program = unpacked / "usr/bin" / name
        sections = run("readelf", "--wide", "--sections", "--dynamic", "--file-header", program)
        assert ".symtab" not in sections and ".debug_info" not in sections
        assert "BIND_NOW" in sections and "DYN (Position-Independent" in sections
        assert program.stat().st_size < 12 * 2**20


def test_the_status_page_has_plots(unpacked):
    """A build without npm has none; a release must."""
    assert b"leeoniya/uPlot (v" in (unpacked / "usr/bin/push-cache").read_bytes()


@pytest.mark.parametrize("page", PAGES)
def test_man_pages_are_right(unpacked, tmp_path, page):
    text = gzip.decompress((unpacked / f"usr/share/man/{page}.gz").read_bytes()).decode()
    file = tmp_path / "page"
    file.write_text(text)
    done = attempt("mandoc", "-Tlint", "-Wwarning", file)
    assert done.returncode == 0 and not done.stdout, done


def test_man_pages_have_every_option(unpacked):
    def page(name):
        text = run("mandoc", "-Tutf8", "-Owidth=300", unpacked / f"usr/share/man/{name}.gz")
        return re.sub(r".\x08", "", text)  # a letter struck twice is bold
    settings = (ROOT / "docs/reference/configuration.md").read_text()
    keys = [line.split("`")[1] for line in settings.splitlines() if line.startswith("| `")]
    shown = page(PAGES[2])
    assert len(keys) > 40 and [key for key in keys if key not in shown] == []
    for name, commands in (("push-cache", [[], ["start"], ["config-check"], ["verify"], ["health"], ["demo"]]),
                           ("populate_kafka", [[]])):
        shown = page(f"man1/{name}.1")
        for command in commands:
            printed = run(unpacked / "usr/bin" / name, *command, "--help")
            options = [line.split()[0] for line in printed.splitlines() if line.startswith("  -")]
            assert options and [option for option in options if option not in shown] == []


def test_unit_is_hardened():
    run("systemd-analyze", "security", "--offline=true", "--threshold=20",
        ROOT / "deploy/debian/push-cache.service")


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_maintainer_scripts_are_shell(script):
    run("dash", "-n", ROOT / "deploy/debian" / script)


def state():
    """What an installation changes of a machine, as far as the package may."""
    places = ["/etc/push-cache", "/var/lib/push-cache", "/usr/bin/push-cache", "/usr/bin/populate_kafka",
              "/usr/lib/systemd/system/push-cache.service", "/usr/share/doc/push-cache"]
    return {"packages": run("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\n"),
            "places": [place for place in places if os.path.lexists(place)],
            "users": sorted(pathlib.Path("/etc/passwd").read_text().splitlines()),
            "groups": sorted(pathlib.Path("/etc/group").read_text().splitlines())}


@pytest.fixture
def installed(package):
    """The package on this machine, purged at the end: as root, and only where it is not yet."""
    if os.getuid() != 0 or not shutil.which("dpkg"):
        pytest.skip("installing needs root and dpkg")
    before = state()
    if before["places"] or "push-cache" in before["packages"] or "push-cache:" in " ".join(before["users"]):
        pytest.skip("push-cache is installed here, and must stay as it is")
    try:
        run("dpkg", "-i", package)
        yield package
    finally:
        subprocess.run(["dpkg", "--purge", "push-cache"], check=True, capture_output=True)
    assert state() == before


def test_install_run_and_purge(installed, tmp_path):
    assert "push-cache 0." in run("push-cache", "version")
    assert run("populate_kafka", "--help")
    assert "the configuration is right" in run("push-cache", "config-check", "--config",
                                               "/etc/push-cache/push-cache.yaml", "--secrets", "/etc/push-cache/secrets")
    run("systemd-analyze", "verify", "--man=no", "push-cache.service")
    secrets = pathlib.Path("/etc/push-cache/secrets").stat()
    assert secrets.st_mode & 0o777 == 0o750 and secrets.st_uid == 0 and secrets.st_gid != 0

    # As the unit and the image run it, but for the ports and the system's own sandbox.
    image = dockerfile.stages()[-1]
    command = dockerfile.exec_form(dockerfile.steps(image, "ENTRYPOINT")[0]) + \
        dockerfile.exec_form(dockerfile.steps(image, "CMD")[0])
    unit = pathlib.Path("/usr/lib/systemd/system/push-cache.service").read_text()
    assert f"ExecStart=/usr/bin/{' '.join(command)}\n" in unit
    environment = {"APP_WEBSERVICE__ADDRESS": f"127.0.0.1:{free_port()}", "APP_HAMS__ADDRESS": f"127.0.0.1:{free_port()}",
                   "APP_KAFKA__BROKERS": f"127.0.0.1:{free_port()}"}
    run("install", "-d", "-o", "push-cache", "-g", "push-cache", "/var/lib/push-cache")  # StateDirectory=
    as_user = ["setpriv", "--reuid=push-cache", "--regid=push-cache", "--init-groups", "--no-new-privs"]
    with contextlib.ExitStack() as stack:
        service = Process([*as_user, *command], tmp_path / "log", env=environment, cwd="/")
        stack.callback(service.kill)
        check = dockerfile.exec_form(dockerfile.steps(image, "HEALTHCHECK")[0])
        service.wait_until(
            lambda: attempt(*as_user, *check, env={**os.environ, **environment}, cwd="/").returncode == 0, 30, "health")
        # No broker is there: live, and not ready.
        assert attempt(*check, "--ready", env={**os.environ, **environment}).returncode == 1
        assert service.stop() == 0


def test_removal_keeps_the_configuration(installed):
    config = pathlib.Path("/etc/push-cache/push-cache.yaml")
    config.write_text(config.read_text() + "# mine\n")
    run("dpkg", "--remove", "push-cache")
    assert config.read_text().endswith("# mine\n") and not pathlib.Path("/usr/bin/push-cache").exists()
    run("dpkg", "-i", "--force-confold", installed)
    assert config.read_text().endswith("# mine\n")
