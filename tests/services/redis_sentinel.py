"""A Redis master with replicas, watched by sentinels, on loopback."""
import pathlib

from .processes import wait_for
from .redis import USERS, RedisServer, store_of


class Sentinel(RedisServer):
    """One sentinel; it keeps what it knows in its own file."""

    def __init__(self, folder, name, watched, **options):
        super().__init__(folder, name, **options)
        self.watched = watched

    def _arguments(self):
        return ["--sentinel"]

    def _lines(self):
        return ["bind 127.0.0.1", f"port {0 if self.tls else self.port}", f'dir "{self.folder}"', "daemonize no",
                *(f"{name} {value}" for name, value in self._tls_settings().items()), *self.watched]


class RedisSentinel:
    """One master, so many `replicas` of it, and `sentinels` of which most must agree that it is down; `options` are
    RedisServer's, and with users only sentinels are without. It is down for a sentinel that has not heard of it for
    `down_after_ms`."""

    def __init__(self, folder, replicas=2, sentinels=3, master_name="mymaster", down_after_ms=2000, config=None,
                 **options):
        self.folder = pathlib.Path(folder)
        self.master_name = master_name
        self.tls = options.get("tls", False)
        master = RedisServer(folder, "server1", config=config, **options)
        self.servers = [master, *(
            RedisServer(folder, f"server{number}", config={"replicaof": f"127.0.0.1 {master.port}", **(config or {})},
                        **options)
            for number in range(2, 2 + replicas))]
        watched = [f"sentinel monitor {master_name} 127.0.0.1 {master.port} {sentinels // 2 + 1}",
                   f"sentinel down-after-milliseconds {master_name} {down_after_ms}",
                   f"sentinel failover-timeout {master_name} 5000"]
        if user := master.user:
            watched += [f"sentinel auth-user {master_name} {user}", f"sentinel auth-pass {master_name} {USERS[user]}"]
        self.sentinels = [Sentinel(folder, f"sentinel{number}", watched, tls=self.tls)
                          for number in range(1, sentinels + 1)]

    def store(self, user="cache", database=0):
        """The keys of a store's configuration that lead to it."""
        path = f"/{self.master_name}" + (f"/{database}" if database else "")
        return store_of("+sentinel", [sentinel.address for sentinel in self.sentinels], self.tls,
                        user if self.servers[0].user else None, path)

    def start(self, seconds=90):
        """Starts what does not run. Returns once every sentinel knows the others, the master and all replicas: for a
        master that was killed that takes 10 s, since it comes back as one first."""
        first = self.sentinels[0].process is None
        for server in self.servers:
            if not server.alive():
                server.start()
        if first:  # else a sentinel would learn of the replicas 10 s later, and a failover would lose what they lack
            for server in self.servers[1:]:
                server.wait_in_step(seconds)
        for sentinel in self.sentinels:
            if not sentinel.alive():
                sentinel.start()
        wait_for(self._whole, seconds, self._state)
        return self

    def end(self):
        for server in [*self.sentinels, *self.servers]:
            server.end()

    def logs(self):
        return [server.log for server in [*self.servers, *self.sentinels] if server.log.exists()]

    def _watching(self):
        return [sentinel for sentinel in self.sentinels if sentinel.alive()]

    def known(self, sentinel):
        """What a sentinel knows of the master, as a dict of texts."""
        words = [word.decode() for word in sentinel.command("SENTINEL", "MASTER", self.master_name)]
        return dict(zip(words[::2], words[1::2]))

    def current_master(self):
        """The one that all sentinels that run name, if they agree and it says so itself; else None."""
        ports = {int(sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.master_name)[1])
                 for sentinel in self._watching()}
        found = next((server for server in self.servers if ports == {server.port}), None)
        return found if found and found.alive() and found.info("replication")["role"] == "master" else None

    def replicas(self):
        """Those that run and are not the master."""
        master = self.current_master()
        return [server for server in self.servers if server.alive() and server is not master]

    def _whole(self):
        master = self.current_master()
        for sentinel in self._watching():
            known = self.known(sentinel)
            if (known["flags"], int(known["num-other-sentinels"]), int(known["num-slaves"])) != (
                    "master", len(self.sentinels) - 1, len(self.servers) - 1):
                return False
        links = [server.info("replication") for server in self.servers if server.alive() and server is not master]
        return master and all(link.get("master_link_status") == "up" and int(link["master_port"]) == master.port
                              for link in links)

    def _state(self):
        return "all sentinels to agree:\n" + "\n".join(f"{one.name}: {self.known(one)}" for one in self._watching())

    def failover(self, seconds=90):
        """Kills the master and waits for the sentinels to name another, which is returned once the replicas that are
        left follow it. What these were not sent yet is lost: use WAIT for what must not be."""
        old = wait_for(self.current_master, seconds, self._state)
        old.kill()
        new = wait_for(self.current_master, seconds, self._state)
        wait_for(self._whole, seconds, self._state)
        return new
