"""What a supervisor of the service uses: `push-cache health`, and the notifications to systemd."""
import contextlib
import socket
import subprocess

import pytest

from e2e.producing import customer
from e2e.pushcache import BIN, write_config
from services import free_port, wait_for


def health(*arguments, **options):
    return subprocess.run([BIN / "push-cache", "health", *arguments], capture_output=True, text=True, check=False,
                          timeout=60, **options)


def test_health_tells_live_from_ready(topic, config, service, registry, gate, tmp_path):
    made = topic()
    made.put("C1", customer(1))
    settings = config(made.name, hams={"address": f"0.0.0.0:{free_port()}", "prefix": "/probes"})
    settings["kafka"]["schema_registry_url"] = gate.url
    gate.shut()
    running = service(settings)
    running.wait_waiting("registry|schema")
    file = write_config(tmp_path, settings)

    live = health("--config", file)
    assert (live.returncode, live.stdout, live.stderr) == (0, "live\n", "")
    loading = health("--config", file, "--ready")
    assert loading.returncode == 1 and loading.stdout == "", loading
    assert "/probes/ready 503: " in loading.stderr and running.reasons().split(" | ")[0][:20] in loading.stderr

    gate.open()
    running.wait_ready()
    ready = health("--url", running.addresses()["health"], "--ready")
    assert (ready.returncode, ready.stdout, ready.stderr) == (0, "ready\n", "")
    running.stop()
    gone = health("--config", file)
    assert gone.returncode == 1 and "/probes/live: " in gone.stderr, gone


def test_health_takes_the_environment_and_no_proxy(service, tmp_path):
    running = service(arguments=["demo", "--port", "0", "--count", "1"])
    port = running.health.connection.port
    settings = {"kafka": {"brokers": "x:1", "group_id": "g", "topic": "t", "schema_registry_url": "http://x"},
                "cache": {"stores": [{"name": "s", "type": "in_memory"}], "routes": [{"path": "/r", "store": "s"}]}}
    done = health("--config", write_config(tmp_path, settings),
                  env={"APP_HAMS__ADDRESS": f"127.0.0.1:{port}", "http_proxy": "http://127.0.0.1:1"})
    assert (done.returncode, done.stdout) == (0, "live\n"), done


def test_health_gives_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = health("--url", f"http://127.0.0.1:{silent.getsockname()[1]}/hams", "--timeout", "1")
    assert done.returncode == 1 and "imeout" in done.stderr, done


@pytest.mark.parametrize("arguments, said", [
    (["--config", "/nowhere.yaml"], "/nowhere.yaml"),
    (["--url", "ftp://127.0.0.1/"], "ftp"),
    (["--timeout", "0"], "--timeout"),
])
def test_health_refuses_what_it_cannot_ask(arguments, said):
    done = health(*arguments)
    assert done.returncode != 0 and said in done.stderr, done


@contextlib.contextmanager
def notify_socket(path):
    """A stand-in for systemd's socket: its path, and a function that returns all that came so far."""
    lines = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.setblocking(False)

        def received():
            with contextlib.suppress(BlockingIOError):
                while True:
                    lines.extend(listener.recv(65536).decode().split("\n"))
            return lines
        yield received


def test_systemd_is_told_of_serving_loading_and_stopping(topic, config, service, gate, tmp_path):
    made = topic()
    made.put("C1", customer(1))
    settings = config(made.name)
    settings["kafka"]["schema_registry_url"] = gate.url
    gate.shut()
    path = tmp_path / "notify"
    with notify_socket(path) as received:
        running = service(settings, environment={"NOTIFY_SOCKET": str(path)})
        # The ports answer: that is what units ordered after this one wait for, not the load.
        wait_for(lambda: "READY=1" in received(), 30, "READY=1")
        assert not running.ready()
        wait_for(lambda: any(line.startswith("STATUS=waiting: ") for line in received()), 30, "why it waits")
        gate.open()
        wait_for(lambda: "STATUS=ready" in received(), 30, "STATUS=ready")
        assert running.stop() == 0
        lines = received()
        assert lines.index("READY=1") < lines.index("STATUS=ready") < lines.index("STOPPING=1")
        assert lines.count("READY=1") == lines.count("STOPPING=1") == 1
