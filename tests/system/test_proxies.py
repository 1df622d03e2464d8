"""Proxies in front of a site: whom a request comes from, in what a service gets and in the log."""
import socket
import ssl
import struct

import pytest
from support import DEADLINE_S, Client, exchange, render, serve
from support.ports import reserve_port

pytestmark = pytest.mark.threads

OK = render(200, b"ok")
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
REQUEST = b"GET /a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
FORGED = ("X-Forwarded-For: 192.0.2.66", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example",
          "X-Forwarded-Prefix: /evil", "X-Forwarded-Port: 1", "Forwarded: for=192.0.2.66;proto=https")


def header(source="198.51.100.7", command=0x21, more=b""):
    """A header of the PROXY protocol, version 2."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    address = socket.inet_pton(family, source)
    body = address * 2 + struct.pack(">HH", 4711, 443) + more
    return SIGNATURE + bytes([command, 0x21 if ":" in source else 0x11]) + struct.pack(">H", len(body)) + body


@pytest.fixture
def make_door(make_site):
    """A site whose listener has these keys."""
    held = reserve_port()

    def make(timeouts=None, **keys):
        at = held.getsockname()[1]
        site = make_site(serve(OK), config={"workers": 1, "timeouts": timeouts or {},
                                            "listeners": [{"address": f"127.0.0.1:{at}", **keys}]})
        site.port = at
        return site
    yield make
    held.close()


def seen(site, *lines):
    """What the service gets of a request with these fields."""
    with site.client() as c:
        assert c.ask("GET", "/a/x", *lines).status == 200
    return site.service.requests[-1]


# -- forwarding fields

def test_nobody_is_believed_unless_the_configuration_says_so(make_door):
    site = make_door()
    got = seen(site, *FORGED)
    assert got.get("X-Forwarded-For") == "127.0.0.1" and got.get("X-Forwarded-Proto") == "http"
    assert got.get("X-Forwarded-Host") == "h" and got.get("Forwarded") == 'for=127.0.0.1;proto=http;host="h"'
    assert not got.has("X-Forwarded-Prefix") and not got.has("X-Forwarded-Port")
    assert site.logged()[0]["client"] == "127.0.0.1"


def test_who_is_no_trusted_proxy_is_not_believed(make_door):
    got = seen(make_door(trusted_proxies=["192.0.2.0/24", "::1", "unix:"]), *FORGED)
    assert got.get("X-Forwarded-For") == "127.0.0.1" and not got.has("X-Forwarded-Port")


def test_a_trusted_proxy_says_who_the_client_is(make_door):
    site = make_door(trusted_proxies=["127.0.0.0/8", "10.0.0.0/8"])
    got = seen(site, "X-Forwarded-For: 192.0.2.66, 198.51.100.7", "X-Forwarded-For: 10.1.1.1",
               "X-Forwarded-Proto: https", "X-Forwarded-Host: door.example", "X-Forwarded-Port: 443",
               "Forwarded: for=192.0.2.66")
    assert got.get("X-Forwarded-For") == "198.51.100.7, 10.1.1.1, 127.0.0.1"
    assert got.get("X-Forwarded-Proto") == "https" and got.get("X-Forwarded-Host") == "door.example"
    assert got.get("X-Forwarded-Port") == "443"
    assert got.get("Forwarded") == 'for=198.51.100.7;proto=https;host="door.example", for=10.1.1.1, for=127.0.0.1'
    assert site.logged()[0]["client"] == "198.51.100.7"


def test_the_field_that_proxies_write_may_be_forwarded(make_door):
    site = make_door(trusted_proxies=["127.0.0.1"], trusted_field="forwarded")
    got = seen(site, "X-Forwarded-For: 192.0.2.66", "X-Forwarded-Proto: http",
               'Forwarded: for=192.0.2.66, for="[2001:db8::7]:4711";proto=https;host=door')
    assert got.get("X-Forwarded-For") == "2001:db8::7, 127.0.0.1" and got.get("X-Forwarded-Proto") == "https"
    assert got.get("Forwarded") == 'for="[2001:db8::7]";proto=https;host="door", for=127.0.0.1'
    assert site.logged()[0]["client"] == "2001:db8::7"


def test_each_request_of_a_proxys_connection_has_its_own_client(make_door):
    site = make_door(trusted_proxies=["127.0.0.1"])
    with site.client() as c:
        for i in range(3):
            assert c.ask("GET", "/a/x", f"X-Forwarded-For: 198.51.100.{i}").status == 200
        assert c.ask("GET", "/a/x").status == 200
    clients = [line["client"] for line in site.logged(4)]
    assert clients == ["198.51.100.0", "198.51.100.1", "198.51.100.2", "127.0.0.1"]


def test_a_reload_changes_whom_a_connection_believes(make_door):
    site = make_door()
    with site.client() as c:
        assert c.ask("GET", "/a/x", "X-Forwarded-For: 198.51.100.7").status == 200
        site.config["listeners"][0]["trusted_proxies"] = ["127.0.0.1"]
        site.daemon.configure(site.configuration(()))
        assert site.admin("/v1/reload", "POST")[0] == 200
        assert c.ask("GET", "/a/x", "X-Forwarded-For: 198.51.100.7").status == 200
    assert [line["client"] for line in site.logged(2)] == ["127.0.0.1", "198.51.100.7"]


# -- PROXY protocol

def nothing_comes(c):
    """The connection is closed, or reset because not all was read, without an answer."""
    try:
        return c.read_until_close() == b""
    except ConnectionResetError:
        return not c.input.raw


@pytest.fixture
def proxied(make_door):
    return make_door(proxy_protocol=True, trusted_proxies=["127.0.0.1"], timeouts={"client_head": "2s"})


@pytest.mark.parametrize("source", ["198.51.100.7", "2001:db8::7"])
def test_a_header_names_the_client(proxied, source):
    assert b" 200 " in exchange(proxied.port, header(source, more=b"\x03\0\x04abcd") + REQUEST)
    got = proxied.service.requests[0]
    assert got.get("X-Forwarded-For") == source and proxied.logged()[0]["client"] == source


def test_a_header_may_come_in_pieces(proxied):
    with proxied.client() as c:
        whole = header() + REQUEST
        for at in range(0, len(whole), 7):
            c.send(whole[at:at + 7])
        assert c.read_answer().status == 200
    assert proxied.logged()[0]["client"] == "198.51.100.7"


def test_who_is_named_by_a_header_is_not_believed_about_others(proxied):
    assert b" 200 " in exchange(proxied.port, header() + REQUEST[:-2] + b"X-Forwarded-For: 192.0.2.66\r\n\r\n")
    assert proxied.service.requests[0].get("X-Forwarded-For") == "198.51.100.7"


def test_a_proxys_own_check_is_from_the_proxy(proxied):
    assert b" 200 " in exchange(proxied.port, header(command=0x20) + REQUEST)
    assert proxied.logged()[0]["client"] == "127.0.0.1"


@pytest.mark.parametrize("bytes_, words", [
    (b"PROXY TCP4 198.51.100.7 192.0.2.1 1 2\r\n" + REQUEST, "version 1"),
    (REQUEST, "no header"),
    (header(command=0x31) + REQUEST, "version or command"),
    (SIGNATURE + b"\x21\x11\xff\xff", "2048 bytes"),
    (SIGNATURE + b"\x21\x12\0\x0c" + bytes(12), "kind of address"),
])
def test_what_is_no_header_is_closed_and_logged(proxied, bytes_, words):
    with proxied.client() as c:
        c.send(bytes_)
        assert nothing_comes(c)
    line = proxied.logged()[0]
    assert line["error"] == "bad-request" and words in line["why"] and line["client"] == "127.0.0.1"
    assert not proxied.service.requests


def test_a_header_is_waited_for_no_longer_than_a_head(proxied):
    with proxied.client() as c:
        c.send(header()[:20])
        assert nothing_comes(c)
    line = proxied.logged()[0]
    assert line["error"] == "request-timeout" and "header of the PROXY protocol" in line["why"]


def test_only_trusted_proxies_may_connect(make_door):
    site = make_door(proxy_protocol=True, trusted_proxies=["192.0.2.1"])
    with Client(site.port) as c:
        c.send(header() + REQUEST)
        assert nothing_comes(c)
    line = site.logged()[0]
    assert line["error"] == "forbidden" and "trusted_proxies" in line["why"]
    assert not site.service.requests


def test_a_check_that_sends_nothing_is_not_logged(proxied):
    with proxied.client():
        pass
    assert b" 200 " in exchange(proxied.port, header() + REQUEST)
    assert [line["client"] for line in proxied.logged()] == ["198.51.100.7"]


class OverProxy:
    """A client's TLS whose first bytes leave in one piece with a header."""

    def __init__(self, site):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.plain = socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE_S)
        self.tls = site.authority.client_context().wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.before = header()

    def do(self, what, *arguments):
        """Does it, and sends and receives what it needs."""
        while True:
            try:
                done = what(*arguments)
            except ssl.SSLWantReadError:
                done = None
            self.plain.sendall(self.before + self.outgoing.read())
            self.before = b""
            if done is not None:
                return done
            self.incoming.write(self.plain.recv(65536))


def test_tls_begins_after_the_header(make_tls_site):
    site = make_tls_site(serve(OK))
    site.config["listeners"][0].update(proxy_protocol=True, trusted_proxies=["127.0.0.1"])
    site.daemon.configure(site.configuration(()))
    assert site.admin("/v1/reload", "POST")[0] == 200
    c = OverProxy(site)
    with c.plain:
        c.do(lambda: c.tls.do_handshake() or True)
        c.do(c.tls.write, REQUEST)
        assert b" 200 " in c.do(c.tls.read, 100)
    plain = socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE_S)
    plain.sendall(header("2001:db8::7"))
    with site.authority.client_context().wrap_socket(plain, server_hostname="localhost") as tls:
        tls.sendall(REQUEST)
        assert b" 200 " in tls.recv(100)
    assert [line["client"] for line in site.logged(2)] == ["198.51.100.7", "2001:db8::7"]
    assert site.service.requests[0].get("X-Forwarded-Proto") == "https"
