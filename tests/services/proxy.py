"""A TCP proxy on loopback that makes the network slow, or breaks it."""
import asyncio
import contextlib
import dataclasses
import socket
import struct
import threading

from .processes import free_port


@dataclasses.dataclass(frozen=True)
class Network:
    """How bytes pass. The defaults: at once and whole."""
    delay: float = 0  # seconds that each byte is later, in both directions
    rate: int = 0  # bytes a second and direction, in trickles; 0 = no limit
    cut_after: int = 0  # a connection is reset after so many bytes from the server; 0 = never
    refuse: bool = False  # new connections are reset
    black_hole: bool = False  # accepts, and passes nothing in either direction


class Proxy:
    """Passes connections to its port on to 127.0.0.1:`target`. `network` may be set at any time, by any thread, and
    is then true for open connections as well."""

    TRICKLE = 0.02  # seconds between two trickles

    def __init__(self, target):
        self.target = target
        self.port = free_port()
        self.network = Network()
        self.connections = 0  # ever accepted
        self._open = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server = None

    def start(self):
        if self._server is None:
            self._thread.start()
            self._server = self._call(asyncio.start_server(self._accept, "127.0.0.1", self.port))
        return self

    def stop(self):
        if self._server is None:
            return
        self.cut()
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._server = None

    def cut(self):
        """Resets every open connection."""
        async def reset_all():
            for writer in list(self._open):
                _reset(writer)
        self._call(reset_all())

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _accept(self, reader, writer):
        self.connections += 1
        if self.network.refuse:
            _reset(writer)
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        self._open |= {writer, there[1]}
        ways = [asyncio.ensure_future(self._pass(reader, there[1], False)),
                asyncio.ensure_future(self._pass(there[0], writer, True))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for one in (writer, there[1]):
                _reset(one)
                self._open.discard(one)

    async def _pass(self, reader, writer, from_server):
        """One direction, until its end. What is read waits in a queue for its time: a delay is no limit of speed."""
        queue = asyncio.Queue(64)
        sender = asyncio.ensure_future(self._send(queue, writer, from_server))
        try:
            while not sender.done():
                part = await reader.read(1 << 16)
                if not part:
                    break
                await queue.put((self._loop.time(), part))
            await queue.put((self._loop.time(), b""))
            await sender
        except OSError:
            pass
        finally:
            sender.cancel()

    async def _send(self, queue, writer, from_server):
        sent = 0
        while True:
            came, part = await queue.get()
            if not part:
                return
            while part:
                if self.network.black_hole:
                    await asyncio.sleep(self.TRICKLE)
                    continue
                if (left := came + self.network.delay - self._loop.time()) > 0:
                    await asyncio.sleep(left)
                    continue
                rate, cut_after = self.network.rate, self.network.cut_after
                size = len(part) if rate == 0 else max(1, int(rate * self.TRICKLE))
                if cut_after and from_server and sent + size >= cut_after:
                    return
                writer.write(part[:size])
                await writer.drain()
                sent, part = sent + len(part[:size]), part[size:]
                if rate:
                    await asyncio.sleep(self.TRICKLE)


def _reset(writer):
    """Ends a connection by RST, as a broken network does."""
    with contextlib.suppress(OSError, AttributeError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
