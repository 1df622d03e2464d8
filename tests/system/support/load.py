"""Load, made by one event loop: services that answer, dawdle, break and restart, and clients that judge every answer.

    service = LoadService()                         has a port; answers from `start` on
    load = Load(seed, {"a": wild, "b": steady})
    load.add(load.keep_alive, door, "b")            a client, again and again until `load.end`
    await load.end()                                every client has had its last answer
    assert not load.wrong

A request says in its query how it is to be answered (`do`, a key of ANSWERS) and in X-Nonce which one it is; the
answer bears the nonce, the digest of the request's body as the service got it, and a body that belongs to no other
nonce. Whatever paces a client or a service is part of the load: nothing here waits for a daemon to get ready.
"""
import asyncio
import collections
import contextlib
import hashlib
import os
import random
import re
import socket
import ssl
import time
import urllib.parse

from . import message, ports

LATE_S = 60  # an answer that takes longer hangs: every time-out of a daemon is over by then
LARGE = 2 << 20
PIECE = 64 << 10
NOISE = random.Random(7).randbytes(2 * LARGE)
LIMIT = 256 << 10  # of a reader
PATHS = {"a": "/a/things", "b": "/b/notes"}  # of items, in apps/example.yaml
COMMA = re.compile(r"\s*,\s*")


def body_of(nonce, size):
    """A body that no other nonce has."""
    start = f"{nonce}\n".encode()[:size]
    at = int(nonce[:8], 16) % LARGE
    return start + NOISE[at:at + size - len(start)]


class Cut(Exception):
    """The connection ended before the message did; `head`: within its body."""

    def __init__(self, head=None):
        super().__init__(head)
        self.head = head


class Head:
    def __init__(self, raw):
        lines = raw[:-4].decode("latin-1").split("\r\n")
        self.start, self.fields = lines[0].split(" ", 2), {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.fields[name.lower()] = value.strip()

    def get(self, name):
        return self.fields.get(name)

    def closes(self):
        return "close" in COMMA.split(self.fields.get("connection", "").lower())


async def read_head(reader):
    """None: the connection ended before its first byte."""
    try:
        return Head(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError as why:
        if why.partial:
            raise Cut from None
        return None
    except OSError:
        raise Cut from None


async def read_some(reader, n, head):
    data = await reader.read(min(n, PIECE))
    if not data:
        raise Cut(head)
    return data


async def read_exactly(reader, n, head, sink):
    while n > 0:
        data = await read_some(reader, n, head)
        n -= len(data)
        await sink(data)


async def read_chunked(reader, head, sink):
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        await read_exactly(reader, size, head, sink)
        end = await reader.readexactly(2)
        if end != b"\r\n":
            raise ValueError(f"a chunk ends in {end!r}")
        if size == 0:
            return


async def read_body(reader, head, ends, sink):
    """`ends`: without a length field the end of the connection ends it; else there is none."""
    try:
        if head.get("transfer-encoding"):
            await read_chunked(reader, head, sink)
        elif head.get("content-length"):
            await read_exactly(reader, int(head.get("content-length")), head, sink)
        elif ends:
            while data := await reader.read(PIECE):
                await sink(data)
    except (asyncio.IncompleteReadError, OSError):
        raise Cut(head) from None


class Digest:
    """Takes a body; with a pace, slowly."""

    def __init__(self, pace_s=0):
        self.sha, self.n, self.pace_s = hashlib.sha256(), 0, pace_s

    async def __call__(self, data):
        self.sha.update(data)
        self.n += len(data)
        if self.pace_s:
            await asyncio.sleep(self.pace_s)

    def text(self):
        return self.sha.hexdigest()


# -- services

def rendered(head, body, *lines, status=200, length=None):
    """An answer to a request whose head and body were read; length: another than the body's."""
    fields = [f"HTTP/1.1 {status} Reason", f"X-Nonce: {head.get('x-nonce')}", *lines]
    if not any(line.startswith("Transfer-Encoding") for line in lines):
        fields.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*fields, "", ""]).encode() + body


class Asked:
    """A request as the service has it."""

    def __init__(self, head, reader, writer):
        self.head, self.reader, self.writer, self.got = head, reader, writer, Digest()
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(head.start[1]).query))
        self.do, self.body = query["do"], body_of(head.get("x-nonce"), int(query["size"]))
        self.is_head = head.start[0] == "HEAD"

    async def read(self):
        await read_body(self.reader, self.head, False, self.got)

    def answer(self, *lines, **options):
        return rendered(self.head, self.body, f"X-Got: {self.got.text()}", *lines, **options)

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def send_slowly(self, data, pieces=5):
        step = len(data) // pieces + 1
        for at in range(0, len(data), step):
            await self.send(data[at:at + step])
            await asyncio.sleep(0.01)


# Each gives whether the connection goes on. The first ones are right, those from `close` on are not.

async def do_plain(r):
    await r.read()
    await r.send(r.answer())
    return True


async def do_chunked(r):
    await r.read()
    step = max(len(r.body) // 3, 1)
    chunks = [r.body[at:at + step] for at in range(0, len(r.body), step)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    r.body = b""
    await r.send(r.answer("Transfer-Encoding: chunked") + framed)
    return True


async def do_until_close(r):
    await r.read()
    await r.send(f"HTTP/1.1 200 Reason\r\nX-Nonce: {r.head.get('x-nonce')}\r\nX-Got: {r.got.text()}\r\n\r\n".encode()
                 + r.body)
    return False


async def do_slow(r):
    await r.read()
    await asyncio.sleep(0.05)
    await r.send_slowly(r.answer())
    return True


async def do_interim(r):
    await r.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    return await do_plain(r)


async def do_say_close(r):
    await r.read()
    await r.send(r.answer("Connection: close"))
    return False


async def do_hang_up(r):
    """And does not say so: the next request on this connection is lost on the way."""
    await do_plain(r)
    return False


async def do_close(r):
    await r.read()
    return False


async def do_close_early(r):
    return False


async def do_short(r):
    await r.read()
    await r.send(r.answer(length=len(r.body) + 100)[:-1])
    return False


async def do_reset(r):
    await r.read()
    await r.send(r.answer(length=len(r.body) + PIECE))
    r.writer.transport.abort()
    return False


async def do_garbage(r):
    await r.read()
    await r.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")
    return True


async def do_extra(r):
    """An answer, and one that nobody asked for."""
    await r.read()
    nobody = b"HTTP/1.1 200 OK\r\nX-Nonce: nobody\r\nContent-Length: 6\r\n\r\nnobody"
    await r.send(r.answer() + nobody)
    return True


async def do_early(r):
    """An answer before the body was read, which then is not."""
    await r.send(rendered(r.head, b"too much", "Connection: close", status=413))
    return False


async def do_hang(r):
    await r.read()
    await asyncio.sleep(3600)  # the restart ends it
    return False


RIGHT = ["plain", "chunked", "until_close", "slow", "interim", "say_close", "hang_up"]
WRONG = ["close", "close_early", "short", "reset", "garbage", "extra", "early", "hang"]
ANSWERS = {name: globals()[f"do_{name}"] for name in RIGHT + WRONG}


class LoadService:
    """A service of the event loop. Its port is its own while it restarts."""

    def __init__(self):
        self.reserved = ports.reserve_port()
        self.port = self.reserved.getsockname()[1]
        self.url = f"http://{ports.LOOPBACK}:{self.port}"
        self.server, self.tasks, self.wrong = None, set(), []

    async def start(self):
        self.server = await asyncio.start_server(self._serve, ports.LOOPBACK, self.port, reuse_port=True, limit=LIMIT,
                                                 backlog=1024)

    async def halt(self):
        """Refuses connections and breaks those that are open."""
        self.server.close()
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)

    def stop(self):
        """What a Site asks of its services at the end."""
        self.reserved.close()

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self.tasks.add(task)
        try:
            while (head := await read_head(reader)) is not None:
                asked = Asked(head, reader, writer)
                if not await ANSWERS[asked.do](asked):
                    break
        except (Cut, OSError):
            pass  # the daemon gave up, or its client did
        except asyncio.CancelledError:
            writer.transport.abort()
        except Exception as why:  # noqa: B902 - a fault of the daemon's, or of this file
            self.wrong.append(f"a service got what it cannot read: {why!r}")
        finally:
            self.tasks.discard(task)
            writer.close()


# -- clients

class Ask:
    """One request, and how it went."""

    def __init__(self, rng, service, do, method="GET", size=None, upload=0, chunked=False, scope=None):
        self.nonce = f"{rng.getrandbits(128):032x}"
        self.do, self.method, self.scope = do, method, scope
        self.size = rng.randint(40, 3000) if size is None else size
        self.upload = body_of(self.nonce, upload)
        self.service = service
        query = f"do={do}&size={self.size}"
        lines = [f"{method} {PATHS[service]}/{self.nonce}?{query} HTTP/1.1", "Host: door", f"X-Nonce: {self.nonce}"]
        if scope:
            lines.append(f"Scope: {scope}")
        if method == "PUT":
            lines.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(self.upload)}")
        self.head = "\r\n".join([*lines, "", ""]).encode()
        self.framed = self.upload
        if method == "PUT" and chunked:
            pieces = [self.upload[at:at + 5000] for at in range(0, len(self.upload), 5000)]
            self.framed = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
        self.sent_at = None  # when the last byte of it was with the kernel

    def __repr__(self):
        scope = f" Scope: {self.scope}" if self.scope else ""
        return f"{self.method} /{self.service} do={self.do} size={self.size} up={len(self.upload)}{scope} {self.nonce}"


class Answer:
    def __init__(self, head, body):
        self.head, self.status, self.body = head, int(head.start[1]), body
        self.error = head.get("cheops-error")


class Door:
    """Where clients connect: a port, over TLS or not. One that `comes_and_goes` may refuse them, or close a
    connection between two requests."""

    def __init__(self, port, tls=None, comes_and_goes=False):
        self.port, self.tls, self.comes_and_goes = port, tls, comes_and_goes

    async def connect(self):
        server = {"ssl": self.tls, "server_hostname": "localhost"} if self.tls else {}
        reader, writer = await asyncio.open_connection(ports.LOOPBACK, self.port, limit=LIMIT, **server)
        writer.transport.set_write_buffer_limits(high=0)  # drain: the kernel has it all
        return reader, writer


class Load:
    """`errors`: by service, the codes of Cheops that it may answer with for it. `far_errors`: those for a request
    that another site may run; such an answer may break off, too."""

    def __init__(self, seed, errors, far_errors=()):
        self.seed, self.errors, self.far_errors = seed, errors, far_errors
        self.wrong, self.counts = [], collections.Counter()
        self.is_over, self.told_to_stop_at = False, None
        self.clients = []

    # -- running

    def add(self, kind, *arguments):
        rng = random.Random(f"{self.seed} {len(self.clients)}")
        self.clients.append(asyncio.create_task(self._repeat(kind, rng, arguments)))

    async def _repeat(self, kind, rng, arguments):
        while not self.is_over and not self.wrong:
            try:
                await kind(rng, *arguments)
            except (ConnectionError, ssl.SSLError) as why:
                if not self._may_refuse(arguments[0]):
                    self.fault(f"{kind.__name__}: no connection: {why}")
                await asyncio.sleep(0.02)

    def _may_refuse(self, door):
        return door.comes_and_goes or self.told_to_stop_at is not None

    async def end(self):
        """No client begins anew; waits until all have ended."""
        self.is_over = True
        _, late = await asyncio.wait(self.clients, timeout=2 * LATE_S)
        for task in late:
            self.fault(f"a client does not end: {task.get_stack(limit=3)}")
            task.cancel()
        for task in self.clients:
            if task not in late and task.exception():
                raise task.exception()

    def fault(self, text):
        self.wrong.append(text)

    # -- one exchange

    async def _send(self, writer, asks, pace_s):
        for ask in asks:
            data = ask.head + ask.framed
            step = len(data) if not pace_s else max(len(data) // 7, 1)
            for at in range(0, len(data), step):
                writer.write(data[at:at + step])
                await writer.drain()
                if pace_s:
                    await asyncio.sleep(pace_s)
            ask.sent_at = time.monotonic()

    async def _receive(self, reader, ask, pace_s):
        """The final answer."""
        while True:
            head = await read_head(reader)
            if head is None:
                raise Cut
            if int(head.start[1]) >= 200:
                break
        digest = Digest(pace_s)
        if ask.method != "HEAD" and head.start[1] not in ("204", "304"):
            await read_body(reader, head, True, digest)
        return Answer(head, digest)

    async def exchange(self, door, connection, asks, pace_s=0):
        """Sends requests and judges their answers. Whether the connection goes on."""
        reader, writer = connection
        sending = asyncio.create_task(self._send(writer, asks, pace_s))
        try:
            for number, ask in enumerate(asks):
                try:
                    answer = await asyncio.wait_for(self._receive(reader, ask, pace_s), LATE_S)
                except Cut as cut:
                    self.judge_cut(door, ask, cut)
                    return False
                except (asyncio.TimeoutError, ValueError) as why:
                    self.fault(f"{ask!r}: {why!r} of its answer")
                    return False
                self.judge(ask, answer)
                if answer.head.closes():
                    return False
            await sending
            return not self.wrong
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending

    def judge(self, ask, answer):
        """An answer that came whole."""
        self.counts[f"{ask.do} {answer.error or answer.status}"] += 1
        if answer.error:
            if answer.error not in self._errors_of(ask) and not self._is_late_to(ask, answer):
                self.fault(f"{ask!r}: {answer.status} {answer.error}")
            return
        if answer.head.get("x-nonce") != ask.nonce:
            self.fault(f"{ask!r} has the answer to {answer.head.get('x-nonce')}: {answer.head.fields}")
        elif ask.do == "early":
            if answer.status != 413:
                self.fault(f"{ask!r}: {answer.status}")
        elif ask.do not in [*RIGHT, "extra"]:
            self.fault(f"{ask!r} has an answer that is whole")
        else:
            self._compare(ask, answer)

    def _compare(self, ask, answer):
        body = b"" if ask.method == "HEAD" else body_of(ask.nonce, ask.size)
        if answer.status != 200:
            self.fault(f"{ask!r}: {answer.status}")
        if answer.body.text() != hashlib.sha256(body).hexdigest():
            self.fault(f"{ask!r}: another body came, of {answer.body.n} bytes")
        if answer.head.get("x-got") != hashlib.sha256(ask.upload).hexdigest():
            self.fault(f"{ask!r}: the service got another body")

    def judge_cut(self, door, ask, cut):
        """The connection ended: before the answer's head, or within its body."""
        self.counts[f"{ask.do} {'cut' if cut.head else 'lost'}"] += 1
        if ask.scope and self.far_errors and cut.head:
            return
        if self.errors[ask.service] and not (cut.head is None and ask.do in ("garbage", "close", "extra")):
            return
        if self.told_to_stop_at is not None and not self._had_begun(ask):
            return
        if cut.head is None and door.comes_and_goes:
            return
        self.fault(f"{ask!r}: the connection ended {'within its answer' if cut.head else 'without an answer'}")

    def _errors_of(self, ask):
        if not ask.scope:
            return self.errors[ask.service]
        is_safe_with_two = ask.method != "PUT" and ";" in ask.scope
        return [] if is_safe_with_two else self.far_errors

    def _had_begun(self, ask):
        return ask.sent_at is not None and ask.sent_at < self.told_to_stop_at

    def _is_late_to(self, ask, answer):
        return answer.error == "draining" and self.told_to_stop_at is not None and not self._had_begun(ask)

    # -- kinds of clients: each is one connection of a door

    @contextlib.asynccontextmanager
    async def _connection(self, door):
        connection = await door.connect()
        try:
            yield connection
        finally:
            connection[1].close()
            with contextlib.suppress(OSError):
                await connection[1].wait_closed()

    def _choose(self, rng, service, dos, scope):
        do = rng.choice(dos)
        if rng.random() < 0.3:
            return Ask(rng, service, do, "PUT", upload=rng.randint(0, 9000), chunked=rng.random() < 0.5, scope=scope)
        return Ask(rng, service, do, "HEAD" if do == "plain" and rng.random() < 0.1 else "GET", scope=scope)

    async def keep_alive(self, rng, door, service, dos=tuple(RIGHT), scopes=(None,)):
        async with self._connection(door) as c:
            for _ in range(rng.randint(1, 40)):
                ask = self._choose(rng, service, dos, rng.choice(scopes))
                if not await self.exchange(door, c, [ask]) or self.is_over:
                    return
                if rng.random() < 0.1:
                    await asyncio.sleep(rng.random() / 10)

    async def pipelined(self, rng, door, service, dos=("plain", "chunked", "slow")):
        async with self._connection(door) as c:
            for _ in range(rng.randint(1, 10)):
                asks = [self._choose(rng, service, dos, None) for _ in range(rng.randint(2, 12))]
                if not await self.exchange(door, c, asks) or self.is_over:
                    return

    async def large(self, rng, door, service, scopes=(None,)):
        async with self._connection(door) as c:
            for _ in range(rng.randint(1, 5)):
                up = rng.choice([0, rng.randint(PIECE, LARGE)])
                size = rng.randint(PIECE, LARGE) if not up or rng.random() < 0.3 else 100
                ask = Ask(rng, service, rng.choice(["plain", "chunked", "until_close"]), "PUT" if up else "GET",
                          size=size, upload=up, chunked=rng.random() < 0.5, scope=rng.choice(scopes))
                if not await self.exchange(door, c, [ask]) or self.is_over:
                    return

    async def slow(self, rng, door, service):
        """Sends in pieces, and takes what comes in pieces."""
        async with self._connection(door) as c:
            for _ in range(rng.randint(1, 4)):
                ask = Ask(rng, service, rng.choice(RIGHT), "PUT", size=rng.randint(1000, 10 * PIECE),
                          upload=rng.randint(1000, 4 * PIECE))
                if not await self.exchange(door, c, [ask], pace_s=0.02) or self.is_over:
                    return

    async def aborted(self, rng, door, service, dos=tuple(RIGHT), scopes=(None,)):
        """Goes away in the middle of a request or of its answer, in order or not."""
        reader, writer = await door.connect()
        ask = Ask(rng, service, rng.choice(dos), rng.choice(["GET", "PUT"]), size=rng.choice([100, LARGE]),
                  upload=rng.choice([0, 100, LARGE]), scope=rng.choice(scopes))
        data = ask.head + ask.framed
        is_whole = rng.random() < 0.6
        try:
            writer.write(data if is_whole else data[:rng.randint(0, len(data) - 1)])
            if is_whole:
                await asyncio.wait_for(reader.read(rng.choice([1, 1000, PIECE])), LATE_S)
        except (OSError, asyncio.TimeoutError) as why:
            if isinstance(why, asyncio.TimeoutError):
                self.fault(f"{ask!r}: nothing came")
        if rng.random() < 0.5 and not writer.transport.is_closing():
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, message.LINGER_RESETS)
        writer.transport.abort()
        self.counts["aborted"] += 1
        await asyncio.sleep(0.01)


def seed_of_run():
    """CHEOPS_SEED, or one of this run's own."""
    return os.environ.get("CHEOPS_SEED") or str(random.SystemRandom().getrandbits(32))
