"""Scripted services on real sockets: what they do on each connection is the test's to say.

A script is a callable that is given the connection, or a list of steps, which are the functions at
the end of this file:

    origin = Origin([read_request, send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nab"), reset])
    origin = Origin([read_request, hang])                every connection hangs
    origin = Origin(first, second, then=serve(answer))   by number of the connection, then the others

A script runs in a thread of its own and its connection is closed at its end. Everything that came is
kept: `origin.requests` over all connections, `origin.connections[i].raw` byte for byte. What goes
wrong with a connection is kept in its `failure`; any other exception in a script fails the test.
"""
import socket
import threading

from . import message, ports
from .message import Ended, Request
from .wait import DEADLINE_S, until


class Connection:
    """One accepted connection, as its script sees it. Tests may read it at any time."""

    def __init__(self, origin, sock, number):
        self.origin, self.sock, self.number = origin, sock, number
        self.input = message.Input(sock)
        self.requests = []
        self.ended = threading.Event()  # the script is over
        self.failure = None             # how the connection broke under the script

    @property
    def raw(self):
        """Every byte that has come so far."""
        return bytes(self.input.raw)

    def read_head(self):
        """The next request's head; Ended when the other end closes instead."""
        request = message.read_head(self.input, Request)
        self.requests.append(request)
        self.origin.requests.append(request)
        return request

    def read_body(self, request=None):
        """The body of the request whose head was read last."""
        return message.read_body(self.input, request or self.requests[-1])

    def read_request(self):
        """The next request whole; None when the other end closes before its first byte."""
        if not self.input.begins():
            return None
        request = self.read_head()
        self.read_body(request)
        return request

    def read_chunk(self):
        return message.read_chunk(self.input)[0]

    def read_until_close(self):
        return self.input.until_close()

    def send(self, data):
        self.sock.settimeout(DEADLINE_S)
        self.sock.sendall(data)

    def answer(self, status=200, body=b"", *lines):
        self.send(render(status, body, *lines))

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        message.reset(self.sock)

    def close(self):
        self.sock.close()

    def hang(self):
        """Answers nothing until the other end closes or the test is over; what comes is in `raw`."""
        self.input.until_close(deadline_s=None)  # Origin.stop ends the wait


class Origin:
    """A service. Listens at once; `port` is where, `url` what a configuration says of it."""

    def __init__(self, *scripts, then=None, tls=None):
        self.scripts, self.then = scripts, then or (scripts[-1] if scripts else serve(render(200, b"")))
        self.tls = tls  # an ssl context of a server
        self.connections, self.requests, self.wrong = [], [], []
        self.listener = socket.create_server((ports.LOOPBACK, 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{ports.LOOPBACK}:{self.port}"
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:  # stop has closed it
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, sock, len(self.connections))
            self.connections.append(connection)
            self.threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self.threads[-1].start()

    def _serve(self, connection):
        script = self.scripts[connection.number] if connection.number < len(self.scripts) else self.then
        try:
            if self.tls:
                connection.sock = connection.input.sock = self.tls.wrap_socket(connection.sock, server_side=True)
            for step in [script] if callable(script) else script:
                step(connection)
        except OSError as why:  # Ended among them: the other end went away
            connection.failure = why
        except BaseException as why:  # noqa: B902 - a script's own failure is the test's
            self.wrong.append(why)
        finally:
            connection.sock.close()
            connection.ended.set()

    def connection(self, number=0):
        """The connection with this number, once it was accepted."""
        until(lambda: len(self.connections) > number, f"connection {number} to the service")
        return self.connections[number]

    def request(self, number=0):
        """The request with this number over all connections, once its head has come."""
        until(lambda: len(self.requests) > number, f"request {number} to the service")
        return self.requests[number]

    def stop_listening(self):
        """New connections are refused from now on."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        except OSError:
            pass  # it was stopped before
        self.listener.close()
        self.threads[0].join(DEADLINE_S)

    def stop(self):
        """Ends everything; raises what went wrong in a script."""
        self.stop_listening()
        for c in self.connections:
            try:
                c.sock.shutdown(socket.SHUT_RDWR)  # wakes a script that waits for bytes
            except OSError:
                pass  # it was closed before
        for thread in self.threads[1:]:
            thread.join(DEADLINE_S)
            assert not thread.is_alive(), "a script of a service does not end"
        if self.wrong:
            raise self.wrong[0]


def render(status=200, body=b"", *lines):
    """The bytes of an answer; a body gets its Content-Length unless a line says how it is framed."""
    framed = any(line.lower().startswith(("content-length:", "transfer-encoding:")) for line in lines)
    if not framed and status >= 200 and status not in (204, 304):
        lines = (*lines, f"Content-Length: {len(body)}")
    head = "".join(line + "\r\n" for line in (f"HTTP/1.1 {status} Reason", *lines))
    return head.encode("latin-1") + b"\r\n" + body


# -- scripts and steps

def serve(answer):
    """A script: answers every request until the other end closes. `answer` is bytes, or a callable that
    is given the request and gives them."""
    def script(c):
        while (request := c.read_request()) is not None:
            c.send(answer(request) if callable(answer) else answer)
    return script


def read_head(c):
    c.read_head()


def read_body(c):
    c.read_body()


def read_request(c):
    if c.read_request() is None:
        raise Ended("a request", b"")


def send(data):
    return lambda c: c.send(data)


def wait(event):
    """Waits until the test sets a threading.Event."""
    def step(_):
        assert event.wait(DEADLINE_S), "the test did not let the service go on"
    return step


def note(event):
    """Sets a threading.Event that the test waits for."""
    return lambda _: event.set()


def half_close(c):
    c.half_close()


def reset(c):
    c.reset()


def close(c):
    c.close()


def hang(c):
    c.hang()
