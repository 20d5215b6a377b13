"""The image and the service in a bare Debian below a folder: what an engine for containers and a machine would do.

Minutes, and as root: only with PUSH_CACHE_BARE=1 (make test-bare-debian). Needs debootstrap and systemd-container.
"""
import json
import os
import shutil
import subprocess

import pytest

from deploy import dockerfile
from deploy.tools import DEPS, run

pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.skipif(os.environ.get("PUSH_CACHE_BARE") != "1", reason="takes minutes: make test-bare-debian"),
]
RELEASE = run("sh", "-c", '. /etc/os-release; echo "$VERSION_CODENAME"').strip()
BASE = DEPS / f"bare-{RELEASE}"
CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


@pytest.fixture(scope="module")
def image(package, tmp_path_factory):
    """The root of the image: a bare Debian of this release, and the last stage of the Dockerfile on top."""
    base = BASE
    if not base.exists():
        made = base.with_suffix(".new")
        shutil.rmtree(made, ignore_errors=True)
        run("debootstrap", "--variant=minbase", RELEASE, made, seconds=1200)
        made.rename(base)
    root = tmp_path_factory.mktemp("image") / "root"
    run("cp", "-a", "--reflink=auto", base, root)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    [step] = dockerfile.steps(dockerfile.stages()[-1], "RUN")
    mount, command = step.split(" ", 1)
    assert mount == "--mount=type=bind,from=build,source=/out,target=/out"
    (root / "out").mkdir()
    shutil.copy(package, root / "out")
    run("chroot", root, "sh", "-c", command, env=CLEAN, seconds=1200)
    shutil.rmtree(root / "out")
    yield root
    shutil.rmtree(root)


def test_image_runs_with_a_read_only_root(image, tmp_path):
    """Its user, its command and its health check, in a network of its own, where no broker is."""
    stage = dockerfile.stages()[-1]
    user = dockerfile.steps(stage, "USER")[0]
    [volume] = dockerfile.steps(stage, "VOLUME")
    start = dockerfile.exec_form(dockerfile.steps(stage, "ENTRYPOINT")[0]) + \
        dockerfile.exec_form(dockerfile.steps(stage, "CMD")[0])
    check = dockerfile.exec_form(dockerfile.steps(stage, "HEALTHCHECK")[0])
    script = tmp_path / "script"
    script.write_text(f"""set -eu
ip link set lo up
mount --bind {image} {image}
mount -t proc proc {image}/proc
mount -t tmpfs -o uid={user.split(":")[0]} tmpfs {image}{volume}
mount -o remount,bind,ro {image}
inside="chroot --userspec={user} --groups= {image}"
$inside touch /etc/x 2>/dev/null && exit 90
$inside {" ".join(start)} &
service=$!
for attempt in $(seq 100); do $inside {" ".join(check)} && break; sleep 0.1; done
$inside {" ".join(check)} --ready && exit 91
kill -TERM $service
wait $service
""")
    assert "live" in run("unshare", "--mount", "--net", "sh", script, env=CLEAN)


def test_image_is_small(image):
    """Beyond the bare Debian, in MiB: the programs, and the libraries that are not there anyhow."""
    def size(folder):
        return int(run("du", "-sm", "--exclude=var/cache", "--exclude=var/lib/apt/lists", folder).split()[0])
    added = size(image) - size(BASE)
    print(f"the image adds {added} MiB")
    assert added < 60


CHECKS = """#!/bin/sh
# Runs within: what it finds goes to /found as one JSON object a line.
exec >/found 2>/found.log
set -x
say() { printf '{"%s": "%s"}\\n' "$1" "$2"; }
until push-cache health --ready --url http://127.0.0.1:8079/hams >&2; do sleep 0.2; done
say ready yes
say type "$(systemctl show push-cache -p Type --value)"
say active "$(systemctl show push-cache -p ActiveState --value)"
say user "$(stat -c %U "/proc/$(systemctl show push-cache -p MainPID --value)")"
say seccomp "$(sed -n 's/^Seccomp:\\t//p' "/proc/$(systemctl show push-cache -p MainPID --value)/status")"
until systemctl show push-cache -p StatusText --value | grep -qx ready; do sleep 0.2; done
say status ready
systemctl stop push-cache
say result "$(systemctl show push-cache -p Result --value)"
"""
BOOT = """[Unit]
After=push-cache.service
[Service]
Type=oneshot
ExecStart=/checks
ExecStopPost=/usr/bin/systemctl poweroff --no-block
"""


def test_unit_runs_below_systemd(image):
    """The unit with all its restrictions, booted; with the demo in the service's place it has records to load."""
    run("chroot", image, "sh", "-c", "apt-get update -qq && apt-get install -y -qq --no-install-recommends systemd-sysv dbus",
        env=CLEAN, seconds=1200)
    units = image / "etc/systemd/system"
    (units / "push-cache.service.d").mkdir(parents=True)
    (units / "push-cache.service.d/demo.conf").write_text(
        "[Service]\nExecStart=\nExecStart=/usr/bin/push-cache demo --port 8080\n")
    (units / "checks.service").write_text(BOOT)
    (image / "checks").write_text(CHECKS)
    (image / "checks").chmod(0o755)
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    for name, target in (("push-cache", "/usr/lib/systemd/system"), ("checks", "/etc/systemd/system")):
        (wants / f"{name}.service").symlink_to(f"{target}/{name}.service")
    run("systemd-nspawn", "--quiet", "-D", image, "--boot", "--private-network", "--register=no", "--keep-unit",
        f"--machine=push-cache-{os.getpid()}", stdin=subprocess.DEVNULL, seconds=180)
    found = {}
    for line in (image / "found").read_text().splitlines():
        found.update(json.loads(line))
    assert found == {"ready": "yes", "type": "notify", "active": "active", "user": "push-cache", "seccomp": "2",
                     "status": "ready", "result": "success"}, (image / "found.log").read_text()
