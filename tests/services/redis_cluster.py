"""A Redis Cluster on loopback."""
import dataclasses
import pathlib

from .processes import free_port, wait_for
from .redis import USERS, RedisServer, fields_of, store_of

SLOTS = 16384


@dataclasses.dataclass(frozen=True)
class View:
    """What one server knows of another."""
    id: str
    port: int
    flags: frozenset  # "master", "slave", "fail", "fail?", "handshake", ...
    master: str  # the id of the one it is a replica of, or "-"
    slots: frozenset

    @staticmethod
    def of_line(line):
        """A line of CLUSTER NODES."""
        number, address, flags, master, _, _, _, _, *ranges = line.split()
        slots = set()
        for part in ranges:
            if not part.startswith("["):  # those on their way
                first, _, last = part.partition("-")
                slots |= set(range(int(first), int(last or first) + 1))
        port = int(address.split("@")[0].rpartition(":")[2])
        return View(number, port, frozenset(flags.split(",")) - {"myself"}, master, frozenset(slots))


class RedisCluster:
    """`masters` with an equal part of the slots each, and so many `replicas` of each; `options` are RedisServer's.

    A master counts as failed after `node_timeout_ms`, and no key is answered while slots have no master.
    """

    def __init__(self, folder, masters=3, replicas=1, node_timeout_ms=2000, config=None, **options):
        self.folder = pathlib.Path(folder)
        self.tls = options.get("tls", False)
        self.count = masters
        self.bus_ports = [free_port() for _ in range(masters * (1 + replicas))]
        self.servers = [
            RedisServer(folder, f"node{number}", config={
                "cluster-enabled": "yes", "cluster-config-file": "nodes.conf", "cluster-port": bus_port,
                "cluster-node-timeout": node_timeout_ms, "tls-cluster": "yes" if self.tls else "no",
                # A replica takes over however long it has not heard of its master, and stays with that master.
                "cluster-replica-validity-factor": 0, "cluster-allow-replica-migration": "no", **(config or {})},
                **options)
            for number, bus_port in enumerate(self.bus_ports, 1)]

    def store(self, user="cache"):
        """The keys of a store's configuration that lead to it."""
        return store_of("+cluster", [server.address for server in self.servers], self.tls,
                        user if self.servers[0].user else None)

    def start(self):
        """Starts all servers that do not run; the first time also makes them a cluster. Returns once it is whole."""
        fresh = not (self.servers[0].folder / "nodes.conf").exists()
        for server in self.servers:
            if not server.alive():
                server.start()
        if fresh:
            self._form()
        self.wait_whole()
        return self

    def _form(self):
        """By hand: redis-cli's --cluster create sleeps for seconds."""
        masters, replicas = self.servers[:self.count], self.servers[self.count:]
        for number, server in enumerate(masters):
            server.command("CLUSTER", "ADDSLOTSRANGE", number * SLOTS // self.count,
                           (number + 1) * SLOTS // self.count - 1)
        for number, server in enumerate(self.servers, 1):
            server.command("CLUSTER", "SET-CONFIG-EPOCH", number)  # refused once it knows another
        for server in self.servers:
            for other, bus_port in zip(self.servers, self.bus_ports):
                if other is not server:
                    server.command("CLUSTER", "MEET", "127.0.0.1", other.port, bus_port)

        def acquainted(server):
            views = self.views(server)
            return len(views) == len(self.servers) and not any("handshake" in view.flags for view in views)
        for server in self.servers:
            wait_for(lambda server=server: acquainted(server), 60, f"{server.name} to know the others")
        for number, server in enumerate(replicas):
            server.command("CLUSTER", "REPLICATE", masters[number % self.count].command("CLUSTER", "MYID"))

    def end(self):
        for server in self.servers:
            server.end()

    def logs(self):
        return [server.log for server in self.servers if server.log.exists()]

    def living(self):
        return [server for server in self.servers if server.alive()]

    def views(self, server=None):
        """What a server, by default the first that runs, knows of all."""
        server = server or self.living()[0]
        return [View.of_line(line) for line in server.command("CLUSTER", "NODES").decode().splitlines()]

    def agreed(self):
        """The views when all that run have the same, answer keys, and take each other for running; else None."""
        living = self.living()
        all_views = [self.views(server) for server in living]
        if any(fields_of(server.command("CLUSTER", "INFO"))["cluster_state"] != "ok" for server in living):
            return None
        ports = {server.port for server in living}
        told = [{(view.id, view.master, view.slots, view.flags & {"master", "slave"}) for view in views}
                for views in all_views]
        well = not any(view.flags & {"fail", "fail?", "handshake", "noaddr"}
                       for views in all_views for view in views if view.port in ports)
        return all_views[0] if well and all(one == told[0] for one in told) else None

    def wait_whole(self, seconds=90):
        """Waits until all that run agree who has which slots, and replicas are in step."""
        def whole():
            views = self.agreed()
            living = [view for view in views or [] if self._server(view).alive()]
            # A server that came back as a master of nothing has not yet heard whose replica it is.
            return living and all("slave" in view.flags or view.slots for view in living)
        wait_for(whole, seconds, self._state)
        for server in self.living():
            if server.info("replication")["role"] == "slave":
                server.wait_in_step(seconds)

    def _state(self):
        return "the cluster to be whole:\n" + "\n".join(
            f"{server.name} (port {server.port}):\n{server.command('CLUSTER', 'NODES').decode()}"
            for server in self.living())

    def _server(self, view):
        return next(server for server in self.servers if server.port == view.port)

    def masters(self):
        """Those that run and have slots, in the order of these."""
        ports = {server.port for server in self.living()}
        views = [view for view in self.views() if "master" in view.flags and view.slots and view.port in ports]
        return [self._server(view) for view in sorted(views, key=lambda view: min(view.slots))]

    def replica_of(self, master):
        """One that runs."""
        views = self.views()
        number = next(view.id for view in views if view.port == master.port)
        return next(server for server in (self._server(view) for view in views if view.master == number)
                    if server.alive())

    def slot_of(self, key):
        return self.living()[0].command("CLUSTER", "KEYSLOT", key)

    def slots_of(self, master):
        """In order."""
        return sorted(next(view.slots for view in self.views(master) if view.port == master.port))

    def owner(self, slot):
        """The master that has the slot."""
        return self._server(next(view for view in self.views() if slot in view.slots))

    def key_of(self, master, before="key"):
        """A key that the master has."""
        slots = set(self.slots_of(master))
        return next(key for key in (f"{before}{number}" for number in range(100_000)) if self.slot_of(key) in slots)

    def failover(self, master=None, seconds=90):
        """Kills a master, by default the first, and waits for the new one, which is returned. What the replica was
        not sent yet is lost: use WAIT for what must not be."""
        master = master or self.masters()[0]
        slots = self.slots_of(master)
        master.kill()

        def promoted():
            views = self.agreed()
            new = views and next((view for view in views if slots[0] in view.slots), None)
            return new and new.port != master.port and self._server(new)
        new = wait_for(promoted, seconds, self._state)
        self.wait_whole(seconds)
        return new

    def reshard(self, source, target, slots):
        """Moves so many slots of the one master to the other, with their keys, while clients go on. Returns them."""
        moved = self.slots_of(source)[:slots]
        masters = self.masters()
        for slot in moved:
            Migration(masters, slot, source, target).finish()
        wait_for(lambda: (views := self.agreed()) and next(
            view for view in views if view.port == target.port).slots.issuperset(moved), 60, self._state)
        return moved

    def begin_migration(self, slot, target):
        """The slot is half-migrated, with no key moved yet: its owner answers ASK for keys it has not."""
        return Migration(self.masters(), slot, self.owner(slot), target)


class Migration:
    """A slot on its way from one master to another."""

    def __init__(self, masters, slot, source, target):
        self.slot, self.source, self.target = slot, source, target
        self.others = [server for server in masters if server not in (source, target)]
        self.target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source.command("CLUSTER", "MYID"))
        self.source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target.command("CLUSTER", "MYID"))

    def move(self, *keys):
        """Moves these keys: a command for several of the slot's keys is then answered by TRYAGAIN."""
        user = self.target.user
        login = ("AUTH2", user, USERS[user]) if user else ()
        self.source.command("MIGRATE", "127.0.0.1", self.target.port, "", 0, 30_000, *login, "KEYS", *keys)

    def finish(self):
        """Moves the keys that are left, and makes the target the owner, which all masters know when this returns."""
        while keys := self.source.command("CLUSTER", "GETKEYSINSLOT", self.slot, 100):
            self.move(*keys)
        number = self.target.command("CLUSTER", "MYID")
        # The target first: were the source to forget the slot before, nobody would have it.
        for server in (self.target, self.source, *self.others):
            server.command("CLUSTER", "SETSLOT", self.slot, "NODE", number)
