"""Runs kafka_bench with a real broker and registry, and topics full of Customers.

    scripts/test-python bench/kafka_services.py [--quick] [kafka_bench's options]
"""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from e2e.producing import Kafka  # noqa: E402
from e2e.pushcache import BIN, make_config, run, write_config  # noqa: E402
from services import KafkaCluster, Registry  # noqa: E402

PARTITIONS = 4


def fill(kafka, folder, records):
    """A topic of so many Customers, each once; what kafka_bench takes as --topic."""
    name = f"customers-{records}"
    kafka.create(name, PARTITIONS)
    folder = folder / name
    folder.mkdir()
    config = make_config(kafka.bootstrap, kafka.registry.url, name, name)
    print(f"kafka: filling {name}", file=sys.stderr, flush=True)
    done = run("-c", write_config(folder, config), "-n", records, program="populate_kafka", seconds=600)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return f"{name}:{records}:{folder / 'config.yaml'}"


def main():
    sizes = [200_000] if "--quick" in sys.argv else [1_000_000, 5_000_000]
    with tempfile.TemporaryDirectory(prefix="push-cache-bench-") as temporary:
        folder = pathlib.Path(temporary)
        registry = Registry(folder / "registry").start()
        cluster = KafkaCluster(folder / "kafka").start()
        try:
            kafka = Kafka(cluster.bootstrap(), registry)
            topics = [fill(kafka, folder, records) for records in sizes]
            command = [BIN / "kafka_bench", "--brokers", cluster.bootstrap(), *sys.argv[1:]]
            for topic in topics:
                command += ["--topic", topic]
            return subprocess.run([str(word) for word in command], check=False).returncode
        finally:
            cluster.stop()
            registry.stop()


if __name__ == "__main__":
    sys.exit(main())
