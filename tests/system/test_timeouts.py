"""Every row of timeouts.def: what happens when the time is up, and who is told.

A test sets its time-out short and all others to a minute, so that nothing else can end the wait.
"""
import contextlib
import json
import socket
import threading
import time

import pytest
from support import Origin, refusal, render, serve, until
from support.origin import read_head, read_request, send
from support.tables import Covered, rows

pytestmark = pytest.mark.threads

bounds = Covered("timeouts.def")
SHORT_MS = 300
OK = render(200, b"ok")
SWITCH = render(101, b"", "Connection: upgrade", "Upgrade: test")


def only(key, ms=SHORT_MS):
    """A configuration in which one time-out is short."""
    return {"timeouts": {**{k: "60s" for k in rows("timeouts.def")}, key: f"{ms}ms"}}


class Stopwatch:
    def __init__(self):
        self.begun = time.monotonic()

    def check(self, ms=SHORT_MS):
        """What was waited for did not come before its time."""
        assert time.monotonic() - self.begun >= ms / 1000 * 0.9  # clocks of milliseconds are rounded


def test_every_row_has_a_test():
    bounds.check()


# -- clients

@bounds.by("client_idle")
def test_client_idle(make_site):
    site = make_site(serve(OK), config=only("client_idle"))
    with site.client() as c:
        assert c.ask().status == 200
        watch = Stopwatch()
        c.expect_close()
        watch.check()
    with site.client() as never_asked:
        never_asked.expect_close()


@bounds.by("client_head")
def test_client_head(make_site):
    site = make_site(serve(OK), config=only("client_head"))
    with site.client() as c:
        watch = Stopwatch()
        c.send(b"GET /a/x HTTP/1.1\r\nHost: h\r\n")
        refusal(c.read_answer(), 408, "request-timeout", "head", "timeouts.client_head")
        watch.check()
        c.expect_close()
    assert site.logged()[0]["error"] == "request-timeout"
    assert not site.service.requests


def test_client_head_is_for_the_whole_head(make_site):
    """A byte now and then does not prolong it."""
    site = make_site(serve(OK), config=only("client_head", 1000))
    with site.client() as c:
        c.send(b"GET /a/x HTTP/1.1\r\nHost: h\r\nX: ")
        end = time.monotonic() + 15
        while not c.input.has_more() and time.monotonic() < end:
            c.send_apart(b"y")
        assert c.read_answer().status == 408


@bounds.by("body_window")
def test_body_window(make_site):
    """Before it is over nobody asks how much has come; test_limits.py has the rest."""
    site = make_site(serve(OK), config={"workers": 1, "limits": {"body_rate": 1048576},
                                        "timeouts": {"body_window": "10m", "client_body": "300ms"}})
    with site.client() as c:
        c.request("PUT", "/a/things/1", "Content-Length: 10")
        c.send_apart(b"1234")
        refusal(c.read_answer(), 408, "request-timeout", "body", "timeouts.client_body")


@bounds.by("client_body")
@pytest.mark.parametrize("scope", [(), ("Scope: {a: Nantes}",), ("Scope: {a: Nantes ; Paris}",)])
def test_client_body(make_sites, scope):
    nantes, _ = make_sites("Nantes", "Paris", config=only("client_body"))
    with nantes.client() as c:
        c.request("POST", "/a/things", "Content-Length: 10", *scope)
        watch = Stopwatch()
        c.send(b"12345")
        refusal(c.read_answer(), 408, "request-timeout", "body", "timeouts.client_body")
        watch.check()
        c.expect_close()
    assert nantes.logged()[0]["error"] == "request-timeout"


def test_client_body_begins_anew_with_each_piece(make_site):
    site = make_site(serve(lambda r: render(200, r.body)), config=only("client_body", 1500))
    with site.client() as c:
        watch = Stopwatch()
        c.request("PUT", "/a/things/1", "Content-Length: 400")
        pause = threading.Event()
        for i in range(4):
            c.send(b"%d" % i * 100)
            pause.wait(0.6)
        assert len(c.read_answer().body) == 400
        watch.check(1500)


def fill_client(site):
    """Asks for more than the kernel holds, and reads nothing."""
    c = site.client()
    c.request("GET", "/a/x")
    assert c.read_head().status == 200
    return c


BIG = 64 * 1024 * 1024


def flood(c):
    """Answers with more than the kernel holds."""
    c.read_request()
    c.send(render(200, b"", f"Content-Length: {BIG}"))
    for _ in range(BIG // 65536):
        c.send(b"x" * 65536)


@bounds.by("client_write")
def test_client_write(make_site):
    site = make_site(flood, config=only("client_write"))
    with fill_client(site):
        line = site.logged()[0]
    assert (line["status"], line["error"]) == (200, "client-timeout")
    assert line["us"] >= SHORT_MS * 900 and 0 < line["bytes_out"] < BIG
    assert site.service.connection().ended.wait(20) and site.service.connection().failure


@bounds.by("tls_handshake")
def test_tls_handshake(make_tls_site):
    site = make_tls_site(serve(OK), config=only("tls_handshake"))
    with site.client() as c:
        watch = Stopwatch()
        c.send(b"\x16\x03\x01")
        c.expect_close()
        watch.check()
    line = site.logged()[0]
    assert line["error"] == "request-timeout" and "handshake" in line["why"]


@bounds.by("linger")
def test_linger(make_site):
    """Who goes on sending after its last answer is cut off."""
    site = make_site(serve(OK), config=only("linger"))
    with site.client() as c:
        c.send(b"GET /a x HTTP/1.1\r\n\r\n")
        assert c.read_answer().status == 400
        assert c.input.until_close() == b""
        watch = Stopwatch()
        with pytest.raises(ConnectionError):
            end = time.monotonic() + 20
            while time.monotonic() < end:
                c.send_apart(b"more")
        assert time.monotonic() - watch.begun < 10


# -- services

@contextlib.contextmanager
def full_backlog():
    """A port whose kernel takes no further connection, and refuses none."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            s = stack.enter_context(socket.socket())
            s.setblocking(False)
            s.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@bounds.by("connect")
def test_connect(make_site):
    with full_backlog() as port:
        site = make_site(serve(OK), config={**only("connect"),
                                            "services": {"a": {"url": f"http://127.0.0.1:{port}"}}})
        with site.client() as c:
            watch = Stopwatch()
            refusal(c.ask(), 502, "service-unreachable", f"127.0.0.1:{port}", "timeouts.connect")
            watch.check()
    assert site.logged()[0]["legs"][0]["error"] == "service-unreachable"


@bounds.by("service_head")
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_service_head(make_site, begun):
    site = make_site([read_request, send(begun), lambda c: c.hang()], config=only("service_head"))
    with site.client() as c:
        watch = Stopwatch()
        refusal(c.ask(), 504, "service-timeout", "service a at Nantes", "timeouts.service_head")
        watch.check()
        assert site.service.connection().ended.wait(20)  # the leg was cancelled
        assert c.ask().status == 504  # the client's connection goes on
    assert [leg["error"] for leg in site.logged()[0]["legs"]] == ["service-timeout"]


@bounds.by("service_body")
@pytest.mark.parametrize("framing", ["Content-Length: 20", "Transfer-Encoding: chunked"])
def test_service_body(make_site, framing):
    """Its head has been passed on: all that can be done is to cut the answer short."""
    site = make_site([read_request, send(render(200, b"5\r\n12345\r\n", framing)), lambda c: c.hang()],
                     config=only("service_body"))
    with site.client() as c:
        c.request()
        assert c.read_head().status == 200
        watch = Stopwatch()
        assert c.read_until_close().count(b"12345") == 1
        watch.check()
    line = site.logged()[0]
    assert (line["status"], line["error"]) == (200, "service-timeout")
    assert site.service.connection().ended.wait(20)


def test_service_body_is_for_requests_too(make_site):
    """A service that does not take a request's body."""
    site = make_site([read_head, lambda c: c.ended.wait(60)], config=only("service_body"))
    with site.client() as c:
        c.request("PUT", "/a/x", f"Content-Length: {BIG}")
        watch = Stopwatch()
        sender = threading.Thread(target=send_until_broken, args=(c,), daemon=True)
        sender.start()
        refusal(c.read_answer(), 504, "service-timeout", "service a at Nantes", "timeouts.service_body")
        watch.check()
    site.service.connection().ended.set()
    sender.join(20)
    assert site.logged()[0]["bytes_in"] < BIG


def send_until_broken(c):
    try:
        while True:
            c.sock.sendall(b"x" * 65536)
    except OSError:
        pass


@bounds.by("service_queue")
def test_service_queue(make_site):
    site = make_site(lambda c: c.hang(), config={"workers": 1, "limits": {"service_connections": 1},
                                                 "timeouts": {"service_queue": "300ms"}})
    with site.client() as first, site.client() as second:
        first.request()
        site.service.connection()
        refusal(second.ask(), 503, "overloaded", "all 1 connections", "for 300 ms", "limits.service_connections",
                "timeouts.service_queue")


@bounds.by("service_idle")
def test_service_idle(make_site):
    site = make_site(serve(OK), config=only("service_idle"))
    with site.client() as c:
        assert c.ask().status == 200
        watch = Stopwatch()
        assert site.service.connection().ended.wait(20)
        watch.check()
        assert site.service.connection().failure is None


# -- scopes

@bounds.by("otherwise")
def test_otherwise(make_sites):
    scripts = {"Nantes": lambda c: c.hang(), "Paris": serve(OK)}
    nantes, _ = make_sites("Nantes", "Paris", services=lambda n: {"a": Origin(scripts[n])},
                           config=only("otherwise"))
    with nantes.client() as c:
        watch = Stopwatch()
        answer = c.ask("GET", "/a/things/1", "Scope: {a: Nantes ; Paris}")
        watch.check()
    assert (answer.status, answer.get("Cheops-Tried")) == (200, "Nantes=timeout, Paris=200")
    legs = nantes.logged()[0]["legs"]
    assert [leg.get("error") or leg.get("status") for leg in legs] == ["service-timeout", 200]
    assert legs[0]["us"] >= SHORT_MS * 900


@bounds.by("scope")
def test_scope(make_sites):
    nantes, paris = make_sites("Nantes", "Paris", services=lambda _: {"a": Origin(lambda c: c.hang())},
                               config=only("scope", 700))
    with nantes.client() as c:
        watch = Stopwatch()
        answer = c.ask("GET", "/a/things/1", "Scope: {a: Nantes}")
        watch.check(700)
        refusal(answer, 504, "service-timeout", "Nantes", "timeouts.scope")
        watch = Stopwatch()
        answer = c.ask("GET", "/a/things/1", "Scope: {a: Nantes ; Paris}")
        watch.check(700)
        refusal(answer, 504, "site-timeout", "Nantes", "timeouts.scope")
    assert [leg["site"] for leg in nantes.logged(2)[1]["legs"]] == ["Nantes"]
    assert not paris.service.connections


def test_the_timeout_of_a_scope(make_sites):
    """It replaces the configured one, at every site."""
    nantes, paris = make_sites("Nantes", "Paris", services=lambda _: {"a": Origin(lambda c: c.hang())},
                               config=only("scope", 60000))
    with nantes.client() as c:
        watch = Stopwatch()
        answer = c.ask("GET", "/a/things/1", "Scope: {a: Paris, timeout: 700ms}")
        watch.check(600)  # what is left of it counts at Paris, and Paris may be the first to say so
        assert answer.status == 504 and answer.get("Cheops-Error") in ("site-timeout", "service-timeout")
        assert "Paris" in json.loads(answer.body)["detail"]
    assert paris.logged()[0]["error"] in ("service-timeout", "client-gone")


@bounds.by("offer")
def test_offer(make_sites):
    """A service that says nothing to an offered body gets it all the same."""
    nantes, _ = make_sites("Nantes", "Paris", services=lambda _: {"a": Origin(serve(lambda r: render(200, r.body)))},
                           config={**only("offer"), "limits": {"replay": 0}})
    with nantes.client() as c:
        watch = Stopwatch()
        answer = c.ask("PUT", "/a/things/1", "Scope: {a: Nantes ; Paris}", body=b"x" * 1000)
        watch.check()
    assert (answer.status, answer.body) == (200, b"x" * 1000)
    assert nantes.service.requests[0].get("Expect") == "100-continue"


# -- streams and tunnels

EVENT = b"8\r\n{\"e\": 1}\r\n"


@bounds.by("stream_idle")
def test_stream_idle(make_site):
    site = make_site([read_request, send(render(200, EVENT, "Transfer-Encoding: chunked")), lambda c: c.hang()],
                     config=only("stream_idle"))
    with site.client() as c:
        c.request("GET", "/a/things?watch=1")
        assert c.read_head().status == 200 and c.read_chunk() == b'{"e": 1}'
        watch = Stopwatch()
        assert c.read_until_close() == b""  # and no last chunk
        watch.check()
    assert site.logged()[0]["error"] == "stream-idle"


def test_stream_idle_replaces_the_other_time_outs(make_site):
    """A stream that says something now and then goes on, whatever the other time-outs are."""
    config = {"timeouts": {k: f"{SHORT_MS}ms" for k in ("service_body", "client_write", "service_head", "scope")}}
    go_on = threading.Event()

    def watch(c):
        c.read_request()
        c.send(render(200, EVENT, "Transfer-Encoding: chunked"))
        assert go_on.wait(20)
        c.send(EVENT + b"0\r\n\r\n")
    site = make_site(watch, config=config)
    with site.client() as c:
        c.request("GET", "/a/things?watch=1", "Scope: {a: Nantes}")
        assert c.read_head().status == 200 and c.read_chunk()
        until(lambda: site.transactions()[0]["age_ms"] > 4 * SHORT_MS, "the stream to be older than the others")
        assert site.transactions()[0]["deadline_ms"] > 3000000
        go_on.set()
        assert c.read_chunk() == b'{"e": 1}' and c.read_chunk() == b""


def test_a_silent_tunnel_ends(make_site):
    site = make_site([read_request, send(SWITCH), lambda c: c.hang()], config=only("stream_idle"))
    with site.client() as c:
        c.request("GET", "/a/x", "Connection: Upgrade", "Upgrade: test")
        assert c.read_head().status == 101
        watch = Stopwatch()
        with pytest.raises(ConnectionResetError):
            c.read_until_close()
        watch.check()
    line = site.logged()[0]
    assert (line["status"], line["error"]) == (101, "stream-idle")


# -- the end

@bounds.by("drain")
def test_drain(make_site):
    """What is still under way when the time is up is cut off."""
    site = make_site([read_request, lambda c: c.hang()], config=only("drain"))
    with site.client() as c:
        c.request()
        site.service.request()
        watch = Stopwatch()
        site.terminate()
        assert site.wait_for_end() == 0
        watch.check()
        c.expect_close()
    line = site.logged()[0]
    assert (line["status"], line["error"], line["legs"][0]["error"]) == (503, "draining", "draining")
