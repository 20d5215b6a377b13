"""One Redis server on loopback; redis_cluster.py and redis_sentinel.py put several together."""
import pathlib
import shutil
import signal

from . import install
from .processes import Process, ServiceError, answers, free_port, wait_for
from .proxy import Proxy

# Of a server with users. The default one is off; `cache` is what a store should make do with, `reader` may not write,
# and `admin` is the tests' own.
USERS = {"admin": "admin-secret", "cache": "cache-secret", "reader": "reader-secret"}
RULES = {"admin": "~* &* +@all", "cache": "~pc:* &* +@all -@dangerous", "reader": "~pc:* +@read +@connection"}
# No files but what a test asks for, and replicas that are in step at once.
QUICK = {"save": '""', "repl-diskless-sync-delay": 0, "repl-ping-replica-period": 1, "shutdown-timeout": 0}


def tls_files(tls):
    """What a client needs for a server with that `tls`, under the names of a store's options."""
    if not tls:
        return {}
    folder = install.certificates()
    files = {"ca_file": str(folder / "ca.pem")}
    if tls == "mutual":
        files.update(certificate_file=str(folder / "client.crt"), key_file=str(folder / "client.key"))
    return files


def store_of(kind, addresses, tls, user=None, path=""):
    """The keys of a store's configuration that lead to a Redis. `kind`: what stands behind redis in the scheme."""
    login = f"{user}:{USERS[user]}@" if user else ""
    return {"type": "redis", "url": f"redis{'s' if tls else ''}{kind}://{login}{','.join(addresses)}{path}",
            **tls_files(tls)}


def fields_of(reply):
    """The lines name:value of INFO and its like, as a dict."""
    return dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)


class RedisServer:
    """A server with a folder, a port and a process of its own: never the one of the system.

    `aof`: what it acknowledged outlives kill(); without, everything is gone with the process. `users`: see USERS.
    `tls`: True, or "mutual" for clients that must show a certificate; there is then no port without. `config`: more
    settings, such as {"maxmemory": "3mb"}. `proxied`: `address` is then the `proxy` before it.
    """

    def __init__(self, folder, name="redis", config=None, aof=False, users=False, tls=False, proxied=False):
        self.folder = pathlib.Path(folder) / name
        if set("*?[") & set(str(self.folder)):  # Redis takes the path of its settings as a pattern, and finds none
            raise ValueError(f"no folder for a Redis server: {self.folder}")
        self.name = name
        self.port = free_port()
        self.config = dict(config or {})
        self.aof = aof
        self.user = "admin" if users else None
        self.tls = tls
        self.proxy = Proxy(self.port) if proxied else None
        self.log = self.folder / "redis.log"
        self.process = None
        self._client = None

    @property
    def address(self):
        """Of clients that are tested."""
        return f"127.0.0.1:{self.proxy.port if self.proxy else self.port}"

    def store(self, user="cache", database=0):
        """The keys of a store's configuration that lead to it; `user` counts for a server with users."""
        path = f"/{database}" if database else ""
        return store_of("", [self.address], self.tls, user if self.user else None, path)

    def start(self, seconds=60):
        """Starts it, again too: on the same port and folder. Returns once it answers with all its data."""
        if self.alive():
            raise ServiceError(f"{self.name} already runs")
        if answers(self.port):  # or we would take somebody else's server for ours
            raise ServiceError(f"port {self.port} is taken by another process")
        program = shutil.which("redis-server")
        if not program:
            raise ServiceError("there is no redis-server; scripts/setup installs it")
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "redis.conf"
        if not file.exists():  # sentinels rewrite it: it then says whose replica the server is
            file.write_text("".join(f"{line}\n" for line in self._lines()))
        if self.proxy:
            self.proxy.start()
        self.process = Process([program, file, *self._arguments()], self.log)
        self.process.wait_until(self.answers, seconds, self.name)
        return self

    def stop(self):
        if self.process:
            self.resume()
            self.process.stop()

    def kill(self):
        if self.process:
            self.process.kill()

    def restart(self):
        """kill() and start()."""
        self.kill()
        return self.start()

    def end(self):
        """Kills it, and ends its proxy."""
        self.kill()
        if self._client:
            self._client.close()
        if self.proxy:
            self.proxy.stop()

    def logs(self):
        return [self.log] if self.log.exists() else []

    def pause(self):
        """It answers nothing and accepts nothing, until resume(); its connections stay."""
        self.process.signal(signal.SIGSTOP)

    def resume(self):
        self.process.signal(signal.SIGCONT)

    def alive(self):
        return self.process is not None and self.process.alive()

    def answers(self):
        """Whether it answers: not while it is down, or loads its data."""
        try:
            return self.command("PING") == b"PONG"
        except OSError:
            return False

    def client(self, user=None, **options):
        """A client of the package `redis` that tries nothing twice. `options` are those of redis.Redis, such as
        port=server.proxy.port for the way through the proxy."""
        # Here, since the services by hand run without the test suites' packages.
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
        user = user or self.user
        files = tls_files(self.tls)
        return Redis(**{
            "host": "127.0.0.1", "port": self.port, "username": user, "password": USERS.get(user), "protocol": 2,
            "socket_timeout": 30, "retry": Retry(NoBackoff(), 0), "ssl": bool(self.tls),
            "ssl_ca_certs": files.get("ca_file"), "ssl_certfile": files.get("certificate_file"),
            "ssl_keyfile": files.get("key_file"), **options})

    def command(self, *words):
        """The reply as it came: bytes, a number, a list or None. Raises redis.ResponseError for an error, and OSError
        when none comes, or it loads its data still."""
        from redis import ConnectionError as NoConnection, TimeoutError as NoAnswer
        if not self._client:
            self._client = self.client()
            self._client.response_callbacks.clear()
        try:
            return self._client.execute_command(*words)
        except (NoConnection, NoAnswer) as error:
            raise OSError(f"{self.name}: {error}") from error

    def info(self, section):
        """A section of INFO, as a dict of texts."""
        return fields_of(self.command("INFO", section))

    def _arguments(self):
        return []

    def _lines(self):
        """The lines of its file of settings."""
        settings = {"bind": "127.0.0.1", "port": 0 if self.tls else self.port, "dir": f'"{self.folder}"',
                    "daemonize": "no", "enable-debug-command": "local", **QUICK,
                    "appendonly": "yes" if self.aof else "no", "appendfsync": "always"}
        if self.user:
            # A file: users among the settings could not be added to by a test.
            users = self.folder / "users.acl"
            users.write_text("user default off\n" + "".join(
                f"user {name} on >{password} {RULES[name]}\n" for name, password in USERS.items()))
            settings.update(aclfile=f'"{users}"', masteruser=self.user, masterauth=USERS[self.user])
        settings.update(self._tls_settings())
        return [f"{name} {value}" for name, value in {**settings, **self.config}.items()]

    def _tls_settings(self):
        if not self.tls:
            return {}
        folder = install.certificates()
        return {"tls-port": self.port, "tls-cert-file": f'"{folder}/server.crt"',
                "tls-key-file": f'"{folder}/server.key"', "tls-ca-cert-file": f'"{folder}/ca.pem"',
                "tls-auth-clients": "yes" if self.tls == "mutual" else "no", "tls-replication": "yes"}

    def wait_in_step(self, seconds=60):
        """Waits until it is a replica with all its master has."""
        wait_for(lambda: self.answers() and self.info("replication").get("master_link_status") == "up", seconds,
                 lambda: f"{self.name} in step with its master; {self.log}:\n{self.process.tail()}")
