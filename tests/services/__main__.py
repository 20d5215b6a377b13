"""Services by hand, on their usual ports:  python3 -m services install|start|stop|status [NAME...]

    kafka      127.0.0.1:9092   zookeeper  127.0.0.1:2181   registry   http://127.0.0.1:8081/apis/ccompat/v7

`start` returns when they answer; they go on running, with data, log and pid file below the services folder,
until `stop`, and have their records again after the next `start`. `install` only downloads and prepares.
"""
import argparse
import os
import shutil
import signal
import sys

from . import KafkaCluster, Registry, ServiceError, ZooKeeper, install, wait_for

NAMES = ("kafka", "registry", "zookeeper")


def folder_of(name):
    return install.services_folder() / "by-hand" / name


def running(name):
    """The pid of the service that `start` started, if it still runs."""
    try:
        pid = int((folder_of(name) / "pid").read_text())
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            command = stream.read()
    except (OSError, ValueError):
        return None
    return pid if str(install.services_folder()).encode() in command else None  # else the pid is another's


def start(name):
    folder = folder_of(name)
    where = {"kafka": "127.0.0.1:9092", "zookeeper": "127.0.0.1:2181",
             "registry": "http://127.0.0.1:8081/apis/ccompat/v7"}[name]
    pid = running(name)
    if pid:
        print(f"{name} already runs at {where} (pid {pid})")
        return
    if name == "kafka":
        process = KafkaCluster(folder, port=9092, stays=True).start().nodes[0].process
    elif name == "registry":
        process = Registry(folder, port=8081, file=folder / "schemas", stays=True).start().process
    else:
        process = ZooKeeper(folder, port=2181, stays=True).start().process
    (folder / "pid").write_text(f"{process.pid}\n")
    print(f"{name} runs at {where} (pid {process.pid}, log {process.log}); end it with: make stop-services")


def stop(name):
    pid = running(name)
    if not pid:
        return
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: running(name) is None, 60, f"the end of {name} (pid {pid})")
    (folder_of(name) / "pid").unlink()
    print(f"{name} stopped")


def status(name):
    pid = running(name)
    print(f"{name}: {f'runs (pid {pid})' if pid else 'does not run'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("action", choices=["install", "start", "stop", "status", "reset"],
                        help="reset: stop, and forget the data")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES) + " (all, by default)")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(install.EVERYTHING):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if arguments.action == "install":
        for name in arguments.names or ["avro", "certificates", "kafka", "registry"]:
            install.EVERYTHING[name]()
        return 0
    try:
        for name in arguments.names or NAMES:
            if arguments.action == "reset":
                stop(name)
                shutil.rmtree(folder_of(name), ignore_errors=True)
            else:
                {"start": start, "stop": stop, "status": status}[arguments.action](name)
    except (ServiceError, TimeoutError) as error:
        print(f"services: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
