"""Kafka brokers (KRaft, 1 or more nodes, every kind of listener) and ZooKeeper."""
import pathlib
import shutil
import subprocess

from . import install
from .processes import Process, ServiceError, answers, free_port
from .proxy import Proxy

# name -> security protocol; a node has one port of each, and one for the controller.
LISTENERS = {"PLAINTEXT": "PLAINTEXT", "SASL_PLAINTEXT": "SASL_PLAINTEXT", "SASL_SSL": "SASL_SSL",
             "SSL": "SSL", "MTLS": "SSL"}
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
# Waiting is what a test has least of: short sessions, and a cleaner that works at once.
QUICK = {
    "offsets.topic.num.partitions": 5,
    "transaction.state.log.num.partitions": 5,
    "group.initial.rebalance.delay.ms": 0,
    "broker.session.timeout.ms": 4000,
    "broker.heartbeat.interval.ms": 500,
    "log.cleaner.dedupe.buffer.size": 8388608,
    "log.cleaner.backoff.ms": 200,
    "log.retention.check.interval.ms": 500,
    "log.initial.task.delay.ms": 500,
    "log.segment.delete.delay.ms": 500,
    "message.max.bytes": 16777216,
}


class KafkaNode:
    def __init__(self, number, ports):
        self.number = number
        self.ports = ports  # of each listener, and CONTROLLER
        self.proxy = None  # before the listener PROXIED
        self.process = None


class KafkaCluster:
    """`nodes` combined brokers and controllers on loopback.

    `folder` takes data, logs and properties: a cluster started again on the same folder has its records.
    `ports`: the PLAINTEXT port of the first node, instead of a free one. `config`: more broker settings.
    SASL users are install.USERS, by PLAIN and SCRAM. `proxied`: a client of bootstrap("PROXIED") reaches each node
    through its `proxy` alone, to which the brokers refer it. `acls`: who comes by SASL may do what ACLs allow, and
    nothing else.
    """

    def __init__(self, folder, nodes=1, config=None, port=None, secure=False, home=None, jvm=(),
                 stays=False, proxied=False, acls=False):
        self.folder = pathlib.Path(folder)
        self.config = {**QUICK, **(config or {})}
        if acls:
            self.config.update({"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                                "super.users": "User:ANONYMOUS"})
        self.secure = secure
        self.listeners = dict(LISTENERS) if secure else {"PLAINTEXT": "PLAINTEXT"}
        if proxied:
            self.listeners["PROXIED"] = "PLAINTEXT"
        self.home = pathlib.Path(home or install.kafka())
        self.certificates = install.certificates() if secure else None
        self.jvm = list(jvm)
        self.stays = stays
        self.nodes = []
        for number in range(1, nodes + 1):
            ports = {name: free_port() for name in [*self.listeners, "CONTROLLER"]}
            if port and number == 1:
                ports["PLAINTEXT"] = port
            self.nodes.append(KafkaNode(number, ports))
            if proxied:
                self.nodes[-1].proxy = Proxy(ports["PROXIED"])

    def bootstrap(self, listener="PLAINTEXT"):
        """What a client takes as its list of brokers."""
        return ",".join(f"127.0.0.1:{self._advertised(node, listener)}" for node in self.nodes)

    @staticmethod
    def _advertised(node, listener):
        return node.proxy.port if listener == "PROXIED" else node.ports[listener]

    def set_network(self, network):
        """Of every proxy."""
        for node in self.nodes:
            node.proxy.network = network

    def cut_connections(self):
        """Those through the proxies."""
        for node in self.nodes:
            node.proxy.cut()

    def start(self, numbers=None, seconds=90):
        """Starts all nodes (or those) and returns when each answers."""
        started = [node for node in self.nodes if numbers is None or node.number in numbers]
        for node in started:
            if node.proxy:
                node.proxy.start()
            self._launch(node)
        for node in started:
            # The client port opens only once the broker is ready.
            node.process.wait_until(lambda node=node: answers(node.ports["PLAINTEXT"]), seconds,
                                    f"Kafka node {node.number}")
        return self

    def stop(self, numbers=None):
        for node in self._running(numbers):
            node.process.signal(15)
        for node in self._running(numbers):
            node.process.stop()

    def kill(self, numbers=None):
        for node in self._running(numbers):
            node.process.kill()

    def end(self):
        """Kills all nodes, and ends their proxies."""
        self.kill()
        for node in self.nodes:
            if node.proxy:
                node.proxy.stop()

    def _running(self, numbers):
        return [node for node in self.nodes
                if node.process and (numbers is None or node.number in numbers)]

    def logs(self):
        return [node.process.log for node in self._running(None)]

    def _options(self):
        options = [*install.JVM, "-Xms128m", "-Xmx256m", f"-Djava.io.tmpdir={self.folder}",
                   f"-Dlog4j2.configurationFile={self.home}/log4j2.properties"]
        archive = self.home / "kafka.jsa"
        if archive.exists():
            options += [f"-XX:SharedArchiveFile={archive}", "-Xshare:auto"]
        return options + ["-cp", f"{self.home}/libs/*"]

    def _launch(self, node):
        if node.process and node.process.alive():
            raise ServiceError(f"Kafka node {node.number} already runs")
        for name, port in node.ports.items():
            if answers(port):  # or we would take somebody else's broker for ours
                raise ServiceError(f"port {port} ({name}) is taken by another process")
        properties = self.folder / f"node{node.number}.properties"
        data = self.folder / f"node{node.number}"
        self.folder.mkdir(parents=True, exist_ok=True)
        properties.write_text(self._properties(node, data))
        if not (data / "meta.properties").exists():
            self._format(node, properties, data)
        node.process = Process(["java", *self.jvm, *self._options(), "kafka.Kafka", properties],
                               self.folder / f"node{node.number}.log", stays=self.stays)

    def _format(self, node, properties, data):
        """Copies a formatted folder, which says nothing of ports, or makes it: that is a JVM of its own."""
        template = self.home / "templates" / f"{len(self.nodes)}-{node.number}"
        with install.locked(self.home / "templates" / ".lock"):
            if not template.exists():
                users = [f"{mechanism}=[name={name},password={password}]"
                         for name, password in install.USERS.items() for mechanism in SCRAM]
                command = ["java", *self._options(), "kafka.tools.StorageTool", "format", "-t",
                           install.CLUSTER_ID, "-c", str(properties)]
                for user in users:
                    command += ["--add-scram", user]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    raise ServiceError(f"format failed:\n{done.stdout}{done.stderr}")
                unfinished = template.with_suffix(".new")
                shutil.rmtree(unfinished, ignore_errors=True)
                shutil.copytree(data, unfinished)
                unfinished.rename(template)
                return
        shutil.copytree(template, data, dirs_exist_ok=True)

    def _properties(self, node, data):
        nodes = len(self.nodes)
        listeners = ",".join(f"{name}://127.0.0.1:{node.ports[name]}" for name in self.listeners)
        protocols = {"CONTROLLER": "PLAINTEXT", **self.listeners}
        in_sync = 2 if nodes >= 3 else 1
        settings = {
            "process.roles": "broker,controller",
            "node.id": node.number,
            "controller.quorum.voters": ",".join(f"{n.number}@127.0.0.1:{n.ports['CONTROLLER']}"
                                                 for n in self.nodes),
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{node.ports['CONTROLLER']}",
            "advertised.listeners": ",".join(f"{name}://127.0.0.1:{self._advertised(node, name)}"
                                             for name in self.listeners),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, p in protocols.items()),
            "log.dirs": data,
            "default.replication.factor": nodes,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": nodes,
            "transaction.state.log.replication.factor": nodes,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": nodes,
            "share.coordinator.state.topic.min.isr": in_sync,
            **(self._secure_settings() if self.secure else {}),
            **self.config,
        }
        return "".join(f"{key}={value}\n" for key, value in settings.items())

    def _secure_settings(self):
        settings = {
            "sasl.enabled.mechanisms": ",".join(("PLAIN", *SCRAM)),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.certificates / "server.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.certificates / "ca.pem",
            "listener.name.mtls.ssl.client.auth": "required",
        }
        users = " ".join(f'user_{name}="{password}"' for name, password in install.USERS.items())
        package = "org.apache.kafka.common.security"
        for listener in ("sasl_plaintext", "sasl_ssl"):
            prefix = f"listener.name.{listener}"
            settings[f"{prefix}.plain.sasl.jaas.config"] = (
                f"{package}.plain.PlainLoginModule required {users};")
            for mechanism in SCRAM:
                settings[f"{prefix}.{mechanism.lower()}.sasl.jaas.config"] = (
                    f"{package}.scram.ScramLoginModule required;")
        return settings


class ZooKeeper:
    """One ZooKeeper server on loopback."""

    def __init__(self, folder, port=None, stays=False):
        self.folder = pathlib.Path(folder)
        self.port = port or free_port()
        self.stays = stays
        self.process = None

    def start(self, seconds=60):
        if answers(self.port):
            raise ServiceError(f"port {self.port} is taken by another process")
        home = install.zookeeper()
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        properties = self.folder / "zookeeper.properties"
        properties.write_text(f"dataDir={data}\nclientPort={self.port}\nclientPortAddress=127.0.0.1\n"
                              "admin.enableServer=false\nmaxClientCnxns=0\n")
        self.process = Process(
            ["java", *install.JVM, "-Xmx128m", f"-Djava.io.tmpdir={self.folder}",
             f"-Dlog4j.configuration=file:{home}/log4j.properties", "-cp", f"{home}/libs/*",
             "org.apache.zookeeper.server.quorum.QuorumPeerMain", properties],
            self.folder / "zookeeper.log", stays=self.stays)
        self.process.wait_until(lambda: answers(self.port), seconds, "ZooKeeper")
        return self
