"""A reload frees the configuration before it, whatever is open: watches, WebSockets and downloads go on with what they
keep of it, and lose nothing."""
import contextlib
import hashlib
import queue
import ssl
import threading

import pytest
from support import Authority, Client, Origin, until
from support.origin import hang, read_request, send, wait
from support.peer import state_of
from test_metrics import metrics
from test_reload import CheopsAuthority, cheops, configure, port, reload
from test_stream import is_sanitized

pytestmark = pytest.mark.threads

EVENTS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
TO_PARIS = "Scope: {a: Paris}"
#: By so much a daemon may grow in any number of reloads: what malloc and OpenSSL hold on to.
SPARE_KB = 8 << 10
SETTLED = 20  # reloads, after which its memory is measured


class Service(Origin):
    """Sends the lines that `tell` is told to every watch, echoes in tunnels, and answers all else."""

    def __init__(self):
        super().__init__(self._serve_one)
        self.watches = []

    def _serve_one(self, c):
        request = c.read_request()
        if request is None:
            return
        if request.has("Upgrade"):
            c.send(SWITCH)
            echo(c)
        elif "watch" in request.target:
            lines = queue.SimpleQueue()
            self.watches.append(lines)
            c.send(EVENTS)
            while line := lines.get():
                c.send(b"%x\r\n%s\r\n" % (len(line), line))
            c.send(b"0\r\n\r\n")
        else:
            c.answer(200, b"ok", "Connection: close")

    def tell(self, line):
        """b"" ends the watches."""
        for lines in self.watches:
            lines.put(line)

    def stop(self):
        self.tell(b"")
        super().stop()


def echo(c):
    c.sock.settimeout(None)  # Origin.stop ends it
    while data := c.sock.recv(1000):
        c.send(data)


def watch(c, *lines):
    c.request("GET", "/a/things?watch=1", *lines)
    assert c.read_head().status == 200
    return c


def tunnel(c, *lines):
    c.request("GET", "/a/things/1", "Connection: Upgrade", "Upgrade: echo", *lines)
    assert c.read_head().status == 101
    return c


def expect_echo(c, data):
    c.send(data)
    assert c.input.exactly(len(data), "an echo") == data


def end(c):
    """Ends a tunnel in order, with what TLS says at its end."""
    if isinstance(c.sock, ssl.SSLSocket):
        c.sock.unwrap()
    else:
        c.half_close()
        c.expect_close()


def expect_only_the_newest(site):
    """No earlier configuration is in memory."""
    def count():
        return metrics(site).of("cheops_configurations")
    until(lambda: count() == 1, lambda: f"the configurations in memory to become 1; there are {count():.0f}")


def streams(site, n=1):
    """What the access log has of streams and tunnels, once it is n."""
    def look():
        lines = [line for line in site.log() if line.get("kind") == "stream" or line.get("status") == 101]
        return lines if len(lines) >= n else None
    return until(look, f"{n} streams in the log")


def resident_kb(site):
    with open(f"/proc/{site.process.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * 4


def fingerprint(certificate):
    return hashlib.sha256(certificate).hexdigest()


class Door:
    """A TLS listener whose certificate is renewed; `certificate` is what is in the file."""

    def __init__(self, folder):
        self.authority, self.port = Authority(folder), port()
        self.renew()
        self.listener = {"address": f"127.0.0.1:{self.port}",
                         "tls": {"certificate": str(folder / "door.crt"), "key": str(folder / "door.key")}}

    def renew(self):
        certificate, _ = self.authority.issue("door")
        self.certificate = fingerprint(ssl.PEM_cert_to_DER_cert(certificate.read_text()))

    def client(self):
        return Client(self.port, tls=self.authority.client_context())

    def shows(self):
        """What a new connection is shown; and it is served."""
        with self.client() as c:
            assert c.ask(target="/a/things").status == 200
            return fingerprint(c.sock.getpeercert(binary_form=True))


@pytest.mark.parametrize("reloads", [100, pytest.param(1000, marks=pytest.mark.long)])
def test_many_reloads_drop_nothing_and_leave_nothing(make_sites, tmp_path, reloads):
    nantes, paris = make_sites("Nantes", "Paris", services=lambda _: {"a": Service()},
                               authority=Authority(tmp_path / "sites"))
    door, sites = Door(tmp_path / "door"), {nantes: paris, paris: nantes}

    def reload_both(number):
        configure(nantes, [paris], limits={"body": number + 1},
                  listeners=[{"address": f"127.0.0.1:{nantes.port}"}, door.listener])
        configure(paris, [nantes], limits={"body": number + 1})
        for site in sites:
            reload(site)

    if is_sanitized():
        reloads = min(reloads, SETTLED + 10)
    reload_both(0)
    with contextlib.ExitStack() as stack:
        def clients():
            return [stack.enter_context(c) for c in (nantes.client(), door.client())]
        watches = [watch(c, *scope) for scope in ((), (TO_PARIS,)) for c in clients()]
        tunnels = [tunnel(c, *scope) for scope in ((), (TO_PARIS,)) for c in clients()]
        for number in range(1, reloads):
            if number % 10 == 0:
                door.renew()
            reload_both(number)
            for site in sites:
                site.service.tell(b"line %d" % number)
            for c in watches:
                assert c.read_chunk() == b"line %d" % number
            for c in tunnels:
                expect_echo(c, b"echo %d" % number)
            assert door.shows() == door.certificate
            for site in sites:
                expect_only_the_newest(site)
            if number == SETTLED:
                before = {site: resident_kb(site) for site in sites}
        grown = {site.name: resident_kb(site) - before[site] for site in sites}
        print(f"KiB more after {reloads - SETTLED - 1} reloads: {grown}")
        assert is_sanitized() or max(grown.values()) < SPARE_KB, grown
        for site in sites:
            site.service.tell(b"")
        for c in watches:
            assert c.read_chunk() == b""
        for c in tunnels:
            end(c)
    until(lambda: not nantes.transactions() and not paris.transactions(), "the streams to end")
    assert metrics(nantes).of("cheops_reloads_total", result="done") == reloads
    assert len(streams(nantes, 8)) == 8 and not [line for line in streams(nantes) if "error" in line]


# -- what a stream keeps

def test_what_is_counted_and_logged_of_a_stream_that_goes_on(make_sites):
    nantes, paris = make_sites("Nantes", "Paris", services=lambda _: {"a": Service()})
    with nantes.client() as c:
        watch(c, TO_PARIS)
        for site, others in ((nantes, []), (paris, [])):  # each forgets the other
            configure(site, others)
            reload(site)
            expect_only_the_newest(site)
        live = nantes.transactions()[0]
        assert (live["state"], live["service"], live["site"]) == ("answer", "a", "Paris")
        paris.service.tell(b"still")
        assert c.read_chunk() == b"still"
        paris.service.tell(b"")
        assert c.read_chunk() == b""
    line, = streams(nantes)
    assert (line["service"], line["type"], line["kind"], line["status"]) == ("a", "thing", "stream", 200)
    assert [leg["site"] for leg in line["legs"]] == ["Paris"] and "error" not in line
    assert streams(paris)[0]["from"] == "Nantes"
    m = metrics(nantes)
    assert m.of("cheops_requests_total", service="a", plan="one", site="Paris", status="2xx") == 1
    assert m.of("cheops_pool_connections", kind="site", name="Paris", state="busy") == 0


def test_a_leg_that_goes_on_keeps_its_place(make_sites):
    nantes, paris = make_sites("Nantes", "Paris", services=lambda _: {"a": Service()})
    with nantes.client() as c:
        tunnel(c, TO_PARIS)
        configure(paris, [nantes], limits={"site_legs": 1})
        reload(paris)
        expect_only_the_newest(paris)
        assert state_of(paris, "Nantes")["legs"] == 1
        assert nantes.ask(Scope="{a: Paris}")[0] == 503
        end(c)
    until(lambda: state_of(paris, "Nantes")["legs"] == 0, "the leg's place to be free")
    assert nantes.ask(Scope="{a: Paris}")[0] == 200


@pytest.mark.parametrize("begin, script", [
    (watch, [read_request, send(EVENTS), hang]), (tunnel, [read_request, send(SWITCH), hang])])
def test_the_time_outs_are_those_that_it_began_with(make_site, begin, script):
    site = make_site(script, config={"timeouts": {"stream_idle": "2s"}})
    with site.client() as c:
        begin(c)
        configure(site, timeouts={"stream_idle": "1h"})
        reload(site)
        expect_only_the_newest(site)
        with contextlib.suppress(ConnectionResetError):
            c.read_until_close()
    assert site.logged()[0]["error"] == "stream-idle"


def test_an_answer_that_begins_after_the_reload_lets_go_too(make_site):
    """And so does one that is no stream: nobody knows how long it takes."""
    go_on, rest = threading.Event(), threading.Event()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"
    site = make_site([read_request, wait(go_on), send(head + b"half"), wait(rest), send(b"rest")])
    with site.client() as c:
        c.request()
        site.service.request()
        configure(site, limits={"body": 7})
        reload(site)
        assert metrics(site).of("cheops_configurations") == 2
        go_on.set()
        answer = c.read_head()
        expect_only_the_newest(site)
        rest.set()
        assert c.read_body(answer) == b"halfrest"
        assert c.ask().status == 200


def test_a_body_that_still_flows_keeps_its_limit(make_site):
    """An answer that began before all of the request was here."""
    site = make_site([lambda c: c.read_head(), send(EVENTS + b"1\r\nx\r\n"), lambda c: c.read_body(),
                      send(b"0\r\n\r\n")])
    with site.client() as c:
        c.request("POST", "/a/things", "Content-Length: 100000")
        assert c.read_head().status == 200 and c.read_chunk() == b"x"
        configure(site, limits={"body": 7})
        reload(site)
        c.send(bytes(100000))
        assert c.read_chunk() == b""
    until(lambda: not site.transactions(), "the request to end")
    expect_only_the_newest(site)


def test_a_place_in_the_pool_is_free_when_its_stream_goes_on(make_site):
    site = make_site([read_request, send(EVENTS), hang], config={"limits": {"service_connections": 1}, "workers": 1})
    with site.client() as first, site.client() as second, site.client() as third:
        watch(first)
        reload(site)
        watch(second)
        m = metrics(site)
        assert m.of("cheops_pool_connections", kind="service", name="a", state="busy") == 2
        third.request()
        until(lambda: metrics(site).of("cheops_pool_waiting_requests", kind="service", name="a") == 1, "the queue")
        second.reset()
        until(lambda: len(site.service.requests) == 3, "the third request")


def test_a_listener_that_is_gone_keeps_no_configuration(make_site):
    """Its streams go on."""
    site = make_site([read_request, send(SWITCH), echo])
    with site.client() as c, site.client() as d:
        tunnel(c)
        configure(site, listeners=[{"address": f"127.0.0.1:{port()}"}])
        reload(site)
        expect_only_the_newest(site)
        expect_echo(c, b"goes on")
        d.expect_close()
        end(c)


def test_the_link_of_a_stream_that_goes_on_is_cut_when_its_site_is_revoked(make_sites, tmp_path):
    authority = CheopsAuthority(tmp_path / "authority")
    nantes, paris = make_sites("Nantes", "Paris", services=lambda _: {"a": Service()}, authority=authority)
    with nantes.client() as c:
        tunnel(c, TO_PARIS)
        reload(nantes)
        expect_only_the_newest(nantes)
        expect_echo(c, b"before")
        cheops("ca", "revoke", "Paris", "--dir", authority.folder)
        reload(nantes)
        with pytest.raises(ConnectionResetError):
            c.read_until_close()
    assert streams(nantes)[0]["error"] == "service-broken"
