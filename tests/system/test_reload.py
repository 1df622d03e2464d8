"""A reload takes the configuration, descriptions and certificates as they are in the files now, or refuses
them whole; it drops nothing."""
import json
import shutil
import signal
import socket
import subprocess
import threading

import pytest
from support import BUILD, TOP, Authority, Client, Origin, render, serve, until
from support.origin import read_request, send, wait
from support.ports import reserve_port
from test_metrics import metrics

REQUEST = b"GET /a/things HTTP/1.1\r\nHost: door\r\n\r\n"


def configure(site, /, others=(), **changes):
    """Writes the site's configuration with changes laid over it."""
    site.config = {**site.config, **changes}
    site.daemon.configure(site.configuration(others))


def reload(site, status=200):
    got, body = site.admin("/v1/reload", "POST")
    assert got == status, body
    return body


def port():
    with reserve_port() as held:
        return held.getsockname()[1]


def connects(at):
    try:
        socket.create_connection(("127.0.0.1", at), timeout=20).close()
        return True
    except ConnectionResetError:  # it came while the listener was being closed
        return True
    except ConnectionRefusedError:
        return False


def test_a_limit_counts_from_the_next_request_on_of_an_open_connection(make_sites):
    site, = make_sites("Nantes")
    with site.client() as c:
        assert c.ask("POST", "/a/things", body=b"12345678").status == 200
        configure(site, limits={"body": 4})
        reload(site)
        assert c.ask("POST", "/a/things", body=b"12345678").status == 413


def test_listeners_come_and_go(make_sites):
    site, = make_sites("Nantes")
    first, second, path = site.port, port(), str(site.folder / "door")
    with Client(first) as c:
        c.ask(target="/a/things")
        configure(site, listeners=[{"address": f"127.0.0.1:{second}"}, {"address": f"unix:{path}"}])
        reload(site)
        with Client(second) as d:
            assert d.ask(target="/a/things").status == 200
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            s.sendall(b"GET /a/things HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            assert s.recv(65536).startswith(b"HTTP/1.1 200 ")
        until(lambda: not connects(first), "the old listener to be gone")
    configure(site, listeners=[{"address": f"127.0.0.1:{first}"}])
    reload(site)
    assert connects(first)
    until(lambda: not connects(second), "the second listener to be gone")


def test_a_service_moves_and_what_is_under_way_ends_where_it_began(make_site):
    release = threading.Event()
    site = make_site([read_request, wait(release), send(render(200, b"old"))])
    other = Origin(serve(render(200, b"new")))
    try:
        with site.client() as waiting, site.client() as c:
            waiting.send(REQUEST)
            site.service.request()
            configure(site, services={"a": {"url": other.url}})
            reload(site)
            assert c.ask(target="/a/things").body == b"new"
            release.set()
            assert waiting.read_answer().body == b"old"
            assert waiting.ask(target="/a/things").body == b"new"
    finally:
        other.stop()


BAD = [
    ({"limits": {"bodi": 4}}, "a mapping of limits has no key 'bodi'"),
    ({"site": "Paris"}, "site cannot change while cheopsd runs"),
    ({"workers": 7}, "workers cannot change while cheopsd runs"),
    ({"log": {"access": "/tmp/elsewhere"}}, "log.access cannot change while cheopsd runs"),
    ({"services": {"a": {"url": "https://127.0.0.1:1", "tls": {"ca": "/nowhere"}}}}, "/nowhere"),
]


@pytest.mark.parametrize("changes, why", BAD)
def test_what_is_bad_is_refused_whole(make_sites, changes, why):
    site, = make_sites("Nantes")
    second = port()
    configure(site, **changes, listeners=[{"address": f"127.0.0.1:{second}"}])
    body = reload(site, 409)
    assert why in json.dumps(body)
    assert site.ask()[0] == 200
    assert not connects(second)
    m = metrics(site)
    assert (m.of("cheops_reloads_total", result="refused"), m.of("cheops_reloads_total", result="done")) == (1, 0)


def test_an_address_that_is_taken_refuses_all(make_sites):
    site, = make_sites("Nantes")
    second = port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        configure(site, listeners=[{"address": f"127.0.0.1:{second}"},
                                   {"address": f"127.0.0.1:{taken.getsockname()[1]}"}])
        assert "cannot listen on" in json.dumps(reload(site, 409))
    assert site.ask()[0] == 200
    assert not connects(second)


def test_a_description_that_does_not_agree_with_itself_is_refused(make_sites, tmp_path):
    application = tmp_path / "example.yaml"
    shutil.copy(TOP / "apps/example.yaml", application)
    site, = make_sites("Nantes", application=str(application))
    application.write_text("application: example\nservices: {a: {prefiks: /a}}\n")
    assert "prefiks" in json.dumps(reload(site, 409))
    assert site.ask()[0] == 200
    application.write_text("application: example\nservices: {a: {prefix: /elsewhere}}\n")
    reload(site)
    assert site.ask()[0] == 404
    assert site.ask(path="/elsewhere/x")[0] == 200


def test_the_command_waits_and_reports(make_sites):
    site, = make_sites("Nantes")
    configure(site, limits={"body": 4})
    assert cheops("reload", "--admin", site.socket) == "reloaded\n"
    assert site.ask("POST", body=b"12345")[0] == 413
    configure(site, limits={"bodi": 4})
    done = subprocess.run([str(BUILD / "cheops"), "reload", "--admin", site.socket], capture_output=True, text=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Nantes.yaml:" in done.stderr and "has no key 'bodi'" in done.stderr
    assert "did you mean 'body'?" in done.stderr


def test_only_post_reloads(make_sites):
    site, = make_sites("Nantes")
    assert site.admin("/v1/reload")[0] == 405
    assert metrics(site).of("cheops_reloads_total", result="done") == 0


def test_sighup_does_the_same_and_says_so(make_sites):
    site, = make_sites("Nantes")
    configure(site, limits={"body": 4})
    site.process.send_signal(signal.SIGHUP)
    until(lambda: metrics(site).of("cheops_reloads_total", result="done") == 1, "the reload")
    assert site.ask("POST", body=b"12345")[0] == 413
    configure(site, limits={"body": "much"})
    site.process.send_signal(signal.SIGHUP)
    until(lambda: metrics(site).of("cheops_reloads_total", result="refused") == 1, "the refusal")
    text = open(site.process.log, encoding="utf-8").read()
    assert "the configuration is reloaded" in text
    assert "the configuration stays as it was" in text and "limits.body" in text or "body" in text
    assert site.ask("POST", body=b"123")[0] == 200


def test_a_listeners_certificate_is_renewed(make_sites, tmp_path):
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.issue("door")
    secure = port()
    site, = make_sites("Nantes", config={"listeners": [
        {"address": f"127.0.0.1:{secure}", "tls": {"certificate": str(certificate), "key": str(key)}}]})

    def serial():
        with socket.create_connection(("127.0.0.1", secure), timeout=20) as raw, \
                authority.client_context().wrap_socket(raw, server_hostname="localhost") as s:
            return s.getpeercert()["serialNumber"]

    before = serial()
    with Client(secure, tls=authority.client_context()) as c:
        c.ask(target="/a/things")
        authority.issue("door")
        reload(site)
        assert serial() != before
        assert c.ask(target="/a/things").status == 200
    certificate.write_text("no certificate")
    reload(site, 409)
    assert serial() != before


def test_sites_come_and_go(make_sites):
    nantes, paris = make_sites("Nantes", "Paris")
    lyon = make_sites("Lyon")[0]
    assert nantes.ask(Scope="{a: Lyon}")[0] == 400
    configure(nantes, others=[paris, lyon])
    configure(lyon, others=[nantes])
    reload(lyon)
    reload(nantes)
    assert nantes.sees(paris, "up"), "what is known of a site stays known"
    until(lambda: nantes.sees(lyon, "up"), "Nantes to see Lyon")
    assert nantes.ask(Scope="{a: Lyon}")[0] == 200
    configure(nantes, others=[paris])
    reload(nantes)
    assert nantes.ask(Scope="{a: Lyon}")[0] == 400
    assert nantes.ask(Scope="{a: Paris}")[0] == 200


def cheops(*arguments):
    done = subprocess.run([str(BUILD / "cheops"), *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class CheopsAuthority:
    """The certificates of `cheops ca`, with its list of what is revoked."""

    def __init__(self, folder):
        self.folder = folder
        cheops("ca", "init", "--dir", folder)

    def issue_site(self, name):
        if not (self.folder / f"{name}.crt").exists():
            cheops("ca", "issue", name, "--dir", self.folder)
        return {"certificate": str(self.folder / f"{name}.crt"), "key": str(self.folder / f"{name}.key"),
                "ca": str(self.folder / "ca.crt"), "crl": str(self.folder / "crl.pem")}


def test_a_site_that_is_revoked_gets_nothing_on_the_connections_it_has(make_sites, tmp_path):
    authority = CheopsAuthority(tmp_path / "authority")
    nantes, paris = make_sites("Nantes", "Paris", authority=authority)
    assert paris.ask(Scope="{a: Nantes}")[0] == 200
    before = len(nantes.service.requests)
    cheops("ca", "revoke", "Paris", "--dir", authority.folder)
    reload(nantes)
    status, _, body = paris.ask(Scope="{a: Nantes}")
    # On the connection that it has, or (it was closed, after a heartbeat) already at the handshake of a new one.
    assert (status, b"the certificate of Paris is no longer taken" in body) == (403, True) or \
        (status, b"certificate revoked" in body) == (502, True) or status == 503, body
    assert len(nantes.service.requests) == before
    until(lambda: paris.sees(nantes, "down"), "Paris to be refused")


@pytest.mark.threads
def test_many_reloads_drop_no_stream_and_no_tunnel(make_sites):
    reloads = 60
    go, ended = threading.Semaphore(0), threading.Event()

    def watch(c):
        c.read_request()
        c.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while go.acquire(timeout=60) and not ended.is_set():
            c.send(b"1\r\nx\r\n")
        c.send(b"0\r\n\r\n")

    def tunnel(c):
        c.read_head()
        c.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        while data := c.sock.recv(100):
            c.send(data)

    def script(c):
        first = c.sock.recv(4, socket.MSG_PEEK)
        while len(first) < 4:
            first = c.sock.recv(4, socket.MSG_PEEK)
        {b"GET ": watch, b"POST": tunnel}[first](c)

    site, = make_sites("Nantes", services=lambda _: {"a": Origin(script)})
    with site.client() as watching, site.client() as tunnelled:
        watching.send(b"GET /a/things?watch=1 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert watching.read_head().status == 200
        tunnelled.send(b"POST /a/things HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        assert tunnelled.read_head().status == 101
        for number in range(reloads):
            configure(site, limits={"body": number + 1})
            reload(site)
            go.release()
            assert watching.read_chunk() == b"x"
            tunnelled.send(b"%04d" % number)
            assert tunnelled.input.exactly(4, "an echo") == b"%04d" % number
        ended.set()
        go.release()
        assert watching.read_chunk() == b""
    assert metrics(site).of("cheops_reloads_total", result="done") == reloads
