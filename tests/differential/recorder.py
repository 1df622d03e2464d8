"""The service behind the proxies: reads strictly, notes what it saw, answers.

A stream that is not HTTP/1.1 to the letter is noted as such: whoever passed it on let through what
another server may read differently.
"""
import asyncio
import dataclasses
import re

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
LINE = re.compile(rb"(%s) ([\x21\x24-\x7e!\"#]+) HTTP/1\.([01])\Z" % TOKEN)
FIELD = re.compile(rb"(%s):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[ \t\x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*\Z" % TOKEN)
SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?)\Z")
NAMES_CASE = re.compile(rb"/(\d+)-")
MOST = 1 << 20
NOT_IN_TRAILERS = (b"content-length", b"transfer-encoding", b"host", b"connection", b"scope")


class Malformed(Exception):
    """What came is not HTTP/1.1."""


@dataclasses.dataclass
class Seen:
    """One request, or (with `wrong`) what could not be read as one."""
    method: bytes = b""
    target: bytes = b""
    fields: list = dataclasses.field(default_factory=list)
    body: bytes = b""
    trailers: list = dataclasses.field(default_factory=list)
    is_complete: bool = False
    wrong: str = ""

    def values(self, name):
        return [v for n, v in self.fields if n == name]


async def read_line(reader):
    line = await reader.readuntil(b"\n")
    if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
        raise Malformed(f"a line that CRLF does not end: {line[-40:]!r}")
    return line[:-2]


async def read_fields(reader):
    fields = []
    while line := await read_line(reader):
        match = FIELD.match(line)
        if not match:
            raise Malformed(f"a field {line[:60]!r}")
        fields.append((match.group(1).lower(), match.group(2)))
    return fields


async def read_chunks(reader, seen):
    while True:
        line = await read_line(reader)
        match = SIZE.match(line)
        if not match:
            raise Malformed(f"a chunk size {line[:60]!r}")
        size = int(match.group(1), 16)
        if size > MOST:
            raise Malformed(f"a chunk of {size} bytes")
        if size == 0:
            seen.trailers = await read_fields(reader)
            forbidden = [name for name, _ in seen.trailers if name in NOT_IN_TRAILERS]
            if forbidden:
                raise Malformed(f"trailers {forbidden}")
            return
        seen.body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise Malformed("no CRLF after a chunk")


def length_of(seen):
    """What is the length of the body; None: it is chunked."""
    lengths, codings = seen.values(b"content-length"), seen.values(b"transfer-encoding")
    if lengths and codings:
        raise Malformed("both length fields")
    if codings:
        if [c.lower() for c in codings] != [b"chunked"]:
            raise Malformed(f"transfer codings {codings}")
        return None
    if len(lengths) > 1 or (lengths and not re.fullmatch(rb"0*[0-9]{1,10}", lengths[0])):
        raise Malformed(f"lengths {lengths}")
    return int(lengths[0]) if lengths else 0


async def read_head(reader, seen):
    line = await read_line(reader)
    match = LINE.match(line)
    if not match:
        raise Malformed(f"a request line {line[:80]!r}")
    seen.method, seen.target = match.group(1), match.group(2)
    seen.fields = await read_fields(reader)
    if len(seen.values(b"host")) != 1 and match.group(3) == b"1":
        raise Malformed("not one Host")


async def read_body(reader, seen):
    length = length_of(seen)
    if length is None:
        await read_chunks(reader, seen)
    else:
        seen.body = await reader.readexactly(min(length, MOST))
    seen.is_complete = True


class Recorder:
    """Listens on a free port of the loopback; what it saw is in `cases`, by the case's number."""

    def __init__(self):
        self.cases, self.server, self.port, self.serving = {}, None, 0, set()

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=MOST, backlog=1024)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self):
        """After the proxies have ended, so that no connection is left."""
        self.server.close()
        await self.server.wait_closed()
        await asyncio.gather(*self.serving)

    def _note(self, number, seen):
        self.cases.setdefault(number, []).append(seen)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self.serving.add(task)
        task.add_done_callback(self.serving.discard)
        number = None
        try:
            while not reader.at_eof():
                seen = Seen()
                try:
                    await read_head(reader, seen)
                    match = NAMES_CASE.search(seen.target)
                    number = int(match.group(1)) if match else number
                    self._note(number, seen)
                    await self._answer(reader, writer, seen)
                except Malformed as why:
                    if not seen.method or seen not in self.cases.get(number, []):
                        self._note(number, seen)
                    seen.wrong = str(why)
                    return
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass  # the proxy went: what came is noted
        finally:
            writer.close()

    async def _answer(self, reader, writer, seen):
        if b"early" in seen.target:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
            await read_body(reader, seen)
            return
        if b"100-continue" in [v.lower() for v in seen.values(b"expect")]:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await read_body(reader, seen)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + (b"" if seen.method == b"HEAD" else b"yes"))
        await writer.drain()
