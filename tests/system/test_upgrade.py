"""Upgrades: a connection that becomes a tunnel, or goes on with HTTP when the service does not switch."""
import threading

import pytest
from support import Origin, ports, refusal, render, serve, until
from support.origin import half_close, read_head, read_request, reset, send

pytestmark = pytest.mark.threads

SWITCH = render(101, b"", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: x")
ASK = ("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: y", "Sec-WebSocket-Version: 13")
OK = render(200, b"ok")
SIZE = 8 << 20


def echo(c):
    """Sends back what comes until the other end ends its sending."""
    c.sock.settimeout(60)
    c.sock.sendall(c.input.take(len(c.input.unread)))
    while got := c.sock.recv(65536):
        c.sock.sendall(got)


def switch(c, *lines, method="GET", target="/a/x"):
    c.request(method, target, *(lines or ASK))
    head = c.read_head()
    assert head.status == 101, head
    return head


def test_a_tunnel_goes_both_ways(make_site):
    site = make_site([read_request, send(SWITCH), echo])
    with site.client() as c:
        head = switch(c)
        assert head.get("Upgrade") == "websocket" and head.get("Connection").lower() == "upgrade"
        assert head.get("Sec-WebSocket-Accept") == "x"
        assert not head.has("Transfer-Encoding") and not head.has("Content-Length")
        for piece in (b"\x81\x05hello", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256))):
            c.send(piece)
            assert c.input.exactly(len(piece), "the echo") == piece
        c.half_close()
        c.expect_close()
    request = site.service.request()
    assert request.get("Upgrade") == "websocket" and request.get("Connection").lower() == "upgrade"
    assert request.get("Sec-WebSocket-Key") == "y" and not request.has("Transfer-Encoding")
    line = site.logged()[0]
    assert (line["status"], line["legs"][0]["status"], "error" in line) == (101, 101, False)
    assert line["bytes_in"] == line["bytes_out"] == 7 + 18 + 256


def test_spdy_by_post(make_site):
    """As kubectl does exec and port-forward: POST, no body, SPDY/3.1."""
    site = make_site([read_request, send(render(101, b"", "Connection: Upgrade", "Upgrade: SPDY/3.1")), echo])
    with site.client() as c:
        head = switch(c, "Connection: Upgrade", "Upgrade: SPDY/3.1", "Content-Length: 0", "X-Stream-Protocol-Version: v4",
                      method="POST", target="/a/things/1/exec?command=sh")
        assert head.get("Upgrade") == "SPDY/3.1"
        c.send(b"\x80\x03\x00\x01")
        assert c.input.exactly(4, "a frame") == b"\x80\x03\x00\x01"
    assert site.service.request().get("Content-Length") == "0"


def test_what_the_service_sends_with_its_101_is_not_lost(make_site):
    site = make_site([read_request, send(SWITCH + b"at once"), echo])
    with site.client() as c:
        switch(c)
        assert c.input.exactly(7, "the first bytes") == b"at once"


@pytest.mark.parametrize("scope", [(), ("Scope: {a: Paris}",)])
def test_much_data_both_ways_at_once(make_sites, scope):
    """With back-pressure: neither end reads before it has written."""
    nantes, paris = make_sites("Nantes", "Paris",
                               services=lambda _: {"a": Origin([read_request, send(SWITCH), swap])})
    with nantes.client() as c:
        c.request("GET", "/a/things/1", *ASK, *scope)
        assert c.read_head().status == 101
        sender = threading.Thread(target=lambda: (c.sock.sendall(b"c" * SIZE), c.half_close()), daemon=True)
        c.sock.settimeout(60)
        sender.start()
        assert c.read_until_close() == b"s" * SIZE + b"%d" % SIZE
        sender.join(20)
    assert (paris if scope else nantes).service.connection().ended.wait(20)


def swap(c):
    """Sends SIZE bytes, and at the end how many came."""
    sender = threading.Thread(target=lambda: c.sock.sendall(b"s" * SIZE), daemon=True)
    c.sock.settimeout(60)
    sender.start()
    got = c.input.until_close(60)
    sender.join(60)
    assert got == b"c" * SIZE
    c.send(b"%d" % len(got))


def test_a_tunnel_to_another_site(make_sites):
    nantes, paris = make_sites("Nantes", "Paris", services=lambda _: {"a": Origin([read_request, send(SWITCH), echo])})
    with nantes.client() as c:
        head = switch(c, *ASK, "Scope: {a: Paris}", target="/a/things/1")
        assert head.get("Cheops-Site") == "Paris"
        c.send(b"to Paris")
        assert c.input.exactly(8, "the echo") == b"to Paris"
        c.half_close()
        c.expect_close()
    assert not nantes.service.connections
    assert [line["status"] for line in (nantes.logged()[0], paris.logged()[0])] == [101, 101]


# -- half-closed

def test_the_client_ends_its_sending_first(make_site):
    """The service learns it, and what it sends then still arrives."""
    site = make_site([read_request, send(SWITCH), lambda c: c.send(b"got " + c.read_until_close())])
    with site.client() as c:
        switch(c)
        c.send(b"all")
        c.half_close()
        assert c.read_until_close() == b"got all"
    assert "error" not in site.logged()[0]


def test_the_service_ends_its_sending_first(make_site):
    site = make_site([read_request, send(SWITCH + b"bye"), half_close, lambda c: c.read_until_close()])
    with site.client() as c:
        switch(c)
        assert c.read_until_close() == b"bye"
        c.send(b"still here")
        until(lambda: site.service.connection().raw.endswith(b"still here"), "the rest to arrive")
        assert site.transactions()[0]["state"] == "tunnel"
    assert site.service.connection().ended.wait(20) and site.service.connection().failure is None


# -- broken off

def test_a_client_that_breaks_off(make_site):
    site = make_site([read_request, send(SWITCH), lambda c: c.hang()])
    with site.client() as c:
        switch(c)
        c.send(b"x")
        until(lambda: site.service.connection().raw.endswith(b"x"), "the tunnel to be up")
        c.reset()
    assert site.service.connection().ended.wait(20)
    assert isinstance(site.service.connection().failure, ConnectionResetError)
    line = site.logged()[0]
    assert (line["status"], line["error"]) == (101, "client-gone")


def test_a_service_that_breaks_off(make_site):
    broken = threading.Event()
    site = make_site([read_request, send(SWITCH), lambda _: broken.wait(20), reset])
    with site.client() as c:
        switch(c)
        broken.set()
        with pytest.raises(ConnectionResetError):
            c.read_until_close()
    line = site.logged()[0]
    assert (line["status"], line["error"]) == (101, "service-broken")


# -- not switched

@pytest.mark.parametrize("status", [200, 400, 403, 426, 503])
def test_a_refused_upgrade_is_an_answer_like_any_other(make_site, status):
    site = make_site(serve(lambda r: render(status if r.has("Upgrade") else 200, b"no")))
    with site.client() as c:
        answer = c.ask("GET", "/a/x", *ASK)
        assert (answer.status, answer.body) == (status, b"no")
        assert c.ask().status == 200  # and the connection goes on
    assert "error" not in site.logged()[0]


def test_a_switch_that_nobody_asked_for(make_site):
    site = make_site([read_request, send(SWITCH)])
    with site.client() as c:
        refusal(c.ask(), 502, "service-broken", "switches protocols")


def test_a_switch_in_the_middle_of_the_request(make_site):
    """The rest of its body would be taken for the new protocol's."""
    site = make_site([read_head, send(SWITCH), lambda c: c.hang()])
    with site.client() as c:
        c.request("POST", "/a/x", *ASK, "Content-Length: 10")
        site.service.request()
        refusal(c.read_answer(), 502, "service-broken", "switches protocols")
    assert site.service.connection().ended.wait(20)


def test_an_upgrade_has_a_connection_of_its_own(make_site):
    site = make_site(serve(OK), [read_request, send(SWITCH), echo], serve(OK))
    with site.client() as c, site.client() as tunnel:
        assert c.ask().status == 200
        switch(tunnel)
        assert c.ask().status == 200
        tunnel.half_close()
        tunnel.expect_close()
        assert c.ask().status == 200
    assert [len(k.requests) for k in site.service.connections] == [3, 1]


# -- silence

def test_tcp_asks_whether_a_silent_end_is_there(make_site):
    """Keep-alive probes on both connections of a tunnel or a stream, a minute apart at most."""
    event = render(200, b"2\r\n{}\r\n", "Transfer-Encoding: chunked")
    site = make_site([read_request, send(SWITCH), lambda c: c.hang()], [read_request, send(event), lambda c: c.hang()])
    with site.client() as tunnel, site.client() as stream:
        switch(tunnel)
        stream.request("GET", "/a/things?watch=1")
        assert stream.read_head().status == 200 and stream.read_chunk() == b"{}"
        for number, client in enumerate((tunnel, stream)):
            service = site.service.connection(number).sock
            for ends in ((site.port, client.own_port), (service.getpeername()[1], site.service.port)):
                until(lambda ends=ends: 0 < (ports.probe_due_s(*ends) or 0) <= 60, f"probes between {ends}")
