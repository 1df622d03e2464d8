"""Reading HTTP/1.1 messages from a socket: strict, in small steps, every byte kept."""
import json
import re
import select
import socket
import time

from .wait import DEADLINE_S

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
REQUEST_LINE = re.compile(rb"(\S+) (\S+) HTTP/1\.([01])")
LINGER_RESETS = b"\1\0\0\0\0\0\0\0"  # SO_LINGER: a close is a reset
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)")


class Malformed(AssertionError):
    """What came is not HTTP/1.1 as its sender has to write it."""


class Ended(ConnectionError):
    """The connection ended within a message; `got` is what had come of the part that was read."""

    def __init__(self, what, got):
        super().__init__(f"the connection ended while {what} was read; there was {got[-200:]!r}")
        self.got = got


class Late(AssertionError):
    """Nothing came before the deadline."""


class Input:
    """The receiving side of a socket. `raw` is every byte that came; reading takes from `unread`."""

    def __init__(self, sock, deadline_s=DEADLINE_S):
        self.sock, self.deadline_s = sock, deadline_s
        self.raw, self.unread = bytearray(), bytearray()
        self.ended = False

    def _more(self, end, what):
        """Receives once; False at the end of the stream. `end` None waits for ever."""
        if self.ended:
            return False
        self.sock.settimeout(end and max(end - time.monotonic(), 0.001))
        try:
            got = self.sock.recv(65536)
        except TimeoutError:
            raise Late(f"{what} did not come within {self.deadline_s} s; "
                       f"there was {bytes(self.unread[-300:])!r}") from None
        self.raw += got
        self.unread += got
        self.ended = not got
        return not self.ended

    def take(self, n):
        got = bytes(self.unread[:n])
        del self.unread[:n]
        return got

    def until(self, mark, what):
        """Everything up to and including a mark."""
        end, looked = time.monotonic() + self.deadline_s, 0
        while (at := self.unread.find(mark, looked)) < 0:
            looked = max(len(self.unread) - len(mark) + 1, 0)
            if not self._more(end, what):
                raise Ended(what, bytes(self.unread))
        return self.take(at + len(mark))

    def exactly(self, n, what):
        end = time.monotonic() + self.deadline_s
        while len(self.unread) < n:
            if not self._more(end, what):
                raise Ended(what, bytes(self.unread))
        return self.take(n)

    def until_close(self, deadline_s=DEADLINE_S):
        """All that still comes, up to an orderly end; None waits for ever."""
        end = deadline_s and time.monotonic() + deadline_s
        while self._more(end, "the end of the connection"):
            pass
        return self.take(len(self.unread))

    def begins(self):
        """Waits for a byte; False when the stream ends instead."""
        return bool(self.unread) or self._more(time.monotonic() + self.deadline_s, "the first byte")

    def has_more(self):
        """Whether bytes (or the end) are there now; TLS may hold some that poll does not see."""
        pending = getattr(self.sock, "pending", lambda: 0)()
        return bool(self.unread) or pending > 0 or bool(select.select([self.sock], [], [], 0)[0])


class Message:
    """One request or answer: `start` line, `fields` as they came, `body`, `trailers`, and `raw_head`."""

    def __init__(self, raw_head):
        self.raw_head = raw_head
        lines = raw_head[:-4].split(b"\r\n")
        self.start, self.fields = lines[0], [parse_field(line) for line in lines[1:]]
        self.body, self.chunks, self.trailers, self.interim = b"", [], [], []
        self.framing = None  # "none", "length", "chunked" or "close", once the body was read

    def all(self, name):
        """The values of every field with this name, in order."""
        return [value for n, value in self.fields if n.lower() == name.lower()]

    def get(self, name, default=None):
        """The value of a field that stands at most once."""
        values = self.all(name)
        if len(values) > 1:
            raise Malformed(f"{name} stands {len(values)} times")
        return values[0] if values else default

    def has(self, name):
        return bool(self.all(name))


class Request(Message):
    def __init__(self, raw_head):
        super().__init__(raw_head)
        match = REQUEST_LINE.fullmatch(self.start)
        if not match:
            raise Malformed(f"{self.start!r} is no request line")
        self.method, self.target = match[1].decode(), match[2].decode()
        self.minor = int(match[3])

    def __repr__(self):
        return f"<{self.start.decode()}>"


class Answer(Message):
    def __init__(self, raw_head):
        super().__init__(raw_head)
        match = STATUS_LINE.fullmatch(self.start)
        if not match:
            raise Malformed(f"{self.start!r} is no status line")
        self.minor, self.status, self.reason = int(match[1]), int(match[2]), match[3].decode("latin-1")

    def __repr__(self):
        return f"<{self.start.decode('latin-1')}>"


def parse_field(line):
    name, colon, value = line.partition(b":")
    if not colon or not TOKEN.fullmatch(name) or not VALUE.fullmatch(value):
        raise Malformed(f"{line!r} is no field")
    return name.decode(), value.strip(b" \t").decode("latin-1")


def read_head(source, kind):
    """The next head, as a Request or an Answer."""
    raw = source.until(b"\r\n\r\n", "a head")
    if b"\n" in raw.replace(b"\r\n", b"") or b"\r" in raw.replace(b"\r\n", b""):
        raise Malformed(f"a bare CR or LF in {raw!r}")
    return kind(raw)


def read_chunk(source):
    """One chunk's payload; b"" for the last one, whose trailers follow. Also its extension."""
    line = source.until(b"\r\n", "a chunk's size")[:-2]
    size, _, extension = line.partition(b";")
    if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", size):
        raise Malformed(f"{line!r} is no chunk size")
    if int(size, 16) == 0:
        return b"", extension
    payload = source.exactly(int(size, 16), "a chunk")
    if source.exactly(2, "a chunk's end") != b"\r\n":
        raise Malformed("a chunk does not end in CRLF")
    return payload, extension


def read_trailers(source):
    trailers = []
    while (line := source.until(b"\r\n", "the trailers")) != b"\r\n":
        trailers.append(parse_field(line[:-2]))
    return trailers


def framing_of(head, has_body):
    """How the body ends; `has_body` says whether there can be one. Only one length field may be there."""
    coding, length = head.get("Transfer-Encoding"), head.get("Content-Length")
    if coding is not None and length is not None:
        raise Malformed(f"{head!r} has both length fields")
    if coding is not None and coding != "chunked":
        raise Malformed(f"{head!r} is coded {coding!r}")
    if length is not None and not re.fullmatch("[0-9]+", length):
        raise Malformed(f"{head!r} has the length {length!r}")
    if not has_body:
        return "none"
    if coding is not None:
        return "chunked"
    if length is not None:
        return "length"
    return "none" if isinstance(head, Request) else "close"


def read_body(source, head, has_body=True):
    """Reads the body into the head's message, and returns it."""
    head.framing = framing_of(head, has_body)
    if head.framing == "length":
        head.body = source.exactly(int(head.get("Content-Length")), "a body")
    elif head.framing == "chunked":
        while (chunk := read_chunk(source)[0]) != b"":
            head.chunks.append(chunk)
        head.body, head.trailers = b"".join(head.chunks), read_trailers(source)
    elif head.framing == "close":
        head.body = source.until_close()
    return head.body


def reset(sock):
    """Closes a connection so that its other end sees a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESETS)
    sock.close()


def refusal(answer, status, code, *words):
    """Checks an answer of Cheops: its status, its code, and what it names."""
    assert (answer.status, answer.get("Cheops-Error")) == (status, code)
    problem = json.loads(answer.body)
    assert problem["type"] == f"urn:cheops:error:{code}"
    for word in words:
        assert word in problem["detail"] + problem.get("hint", ""), problem
