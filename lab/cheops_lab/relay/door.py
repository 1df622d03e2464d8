"""The address at which a site finds another one: it accepts, is silent, or refuses."""
import asyncio
import socket

BACKLOG = 512
KNOCK_S = 0.05  # a handshake on this machine takes less


class Door:
    """A listening socket that can also behave as an unreachable host does.

    silence(): a new connection gets no answer at all and hangs, as over a cut cable. The kernel
    drops what arrives while the queue of a listening socket is full, so the queue is made short and
    filled with connections of our own. Once open again, a retry of the kernel gets through.
    refuse(): a new connection is refused, as when the host is there and the daemon is not.
    """

    def __init__(self, address, port, on_connection):
        self.address, self.port, self.on_connection = address, port, on_connection
        self.listener, self.accepting = None, None
        self.fillers = []     # connections of our own that fill the queue
        self.leftover = set()  # addresses of those that were closed but not yet accepted

    def open(self):
        self._empty()
        if not self.listener:
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.setblocking(False)
            self.listener.bind((self.address, self.port))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(BACKLOG)
        if not self.accepting:
            self.accepting = asyncio.ensure_future(self._accept())

    async def silence(self):
        await self._stop_accepting()
        if self.fillers:
            return
        self.open()
        await self._stop_accepting()
        self.listener.listen(0)
        while await self._fill():
            pass

    async def refuse(self):
        await self._stop_accepting()
        self._empty()
        if self.listener:
            self.listener.close()
            self.listener = None
        self.leftover.clear()

    async def close(self):
        await self.refuse()

    async def _fill(self):
        """Puts one connection of our own into the queue; False: there was no room left."""
        filler = socket.socket()
        filler.setblocking(False)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(
                filler, (self.address, self.port)), KNOCK_S)
        except (asyncio.TimeoutError, OSError):
            filler.close()
            return False
        self.fillers.append(filler)
        return True

    def _empty(self):
        for filler in self.fillers:
            self.leftover.add(filler.getsockname())
            filler.close()
        self.fillers = []

    async def _stop_accepting(self):
        if self.accepting:
            self.accepting.cancel()
            await asyncio.wait([self.accepting])
            self.accepting = None

    async def _accept(self):
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, address = await loop.sock_accept(self.listener)
            except OSError:  # out of descriptors, or the client is gone already
                await asyncio.sleep(KNOCK_S)
                continue
            if address in self.leftover:
                self.leftover.remove(address)
                client.close()
                continue
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.on_connection(client)
