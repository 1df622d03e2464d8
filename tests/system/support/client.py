"""A client that sends exact bytes, and reads answers in small steps."""
import socket

from . import message, ports
from .message import Answer
from .wait import DEADLINE_S, until


class Client:
    """One connection to a daemon. With a TLS context, over TLS to `server_name`.

        with Client(site.port) as c:
            c.send(b"GET /a HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
            answer = c.read_answer()
    """

    def __init__(self, port, tls=None, server_name="localhost", deadline_s=DEADLINE_S, address=ports.LOOPBACK,
                 source=None):
        self.port = port
        self.sock = socket.create_connection((address, port), timeout=deadline_s, source_address=source and (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.own_port = self.sock.getsockname()[1]
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname=server_name)
        self.deadline_s = deadline_s
        self.input = message.Input(self.sock, deadline_s)

    # -- sending

    def send(self, data):
        """Sends all of it in one write, if the kernel takes that."""
        self.sock.settimeout(self.deadline_s)
        self.sock.sendall(data)

    def send_apart(self, *pieces):
        """Sends each piece after the daemon has read the one before, so that it sees each on its own."""
        for piece in pieces:
            self.send(piece)
            self.wait_until_read()

    def wait_until_read(self):
        """Waits until the daemon has taken everything out of its receive queue (or has closed)."""
        until(lambda: not ports.unread_at(self.port, self.own_port), "the daemon to read what was sent",
              self.deadline_s)

    def request(self, method="GET", target="/a/x", *lines, body=b"", host="h"):
        """Sends a request; each line is a field without CRLF. A body without a length field gets one."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *lines]
        if body and not any(line.lower().startswith(("content-length:", "transfer-encoding:")) for line in lines):
            lines.append(f"Content-Length: {len(body)}")
        self.send("".join(line + "\r\n" for line in lines).encode("latin-1") + b"\r\n" + body)

    # -- receiving

    def read_head(self):
        """The next head, also of a 1xx answer."""
        return message.read_head(self.input, Answer)

    def read_body(self, head, method="GET"):
        return message.read_body(self.input, head, method != "HEAD" and head.status not in (204, 304))

    def read_chunk(self):
        """The payload of one chunk; b"" is the last one, after which read_trailers is due."""
        return message.read_chunk(self.input)[0]

    def read_trailers(self):
        return message.read_trailers(self.input)

    def read_answer(self, method="GET"):
        """The final answer to a request, whole; the 1xx answers before it are in `interim`."""
        interim = []
        while (head := self.read_head()).status < 200:
            assert head.status != 101, "the daemon switches protocols"
            assert not head.has("Content-Length") and not head.has("Transfer-Encoding"), head.raw_head
            interim.append(head)
        head.interim = interim
        self.read_body(head, method)
        return head

    def ask(self, method="GET", target="/a/x", *lines, body=b"", host="h"):
        """A request and its answer."""
        self.request(method, target, *lines, body=body, host=host)
        return self.read_answer(method)

    def read_until_close(self):
        """All bytes up to an orderly close; ConnectionResetError when it is none."""
        return self.input.until_close()

    def expect_close(self):
        """Nothing more comes, and the daemon closes in order."""
        rest = self.read_until_close()
        assert rest == b"", f"more came: {rest[:500]!r}"

    # -- ending

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        message.reset(self.sock)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def exchange(port, data, **options):
    """Sends exact bytes on a connection of its own; gives all that comes back until the daemon closes."""
    with Client(port, **options) as c:
        c.send(data)
        return c.read_until_close()
