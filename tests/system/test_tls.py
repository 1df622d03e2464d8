"""TLS towards clients and services: what is accepted, what is refused, and how it is told."""
import socket
import ssl

import pytest
from support import DEADLINE_S, Authority, Origin, refusal, render, serve
from support.origin import read_request, send

pytestmark = pytest.mark.threads

OK = render(200, b"ok")
MEGABYTES = b"x" * (8 << 20)


def versions(context, lowest, highest):
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # or the client itself refuses to speak the old ones
    context.minimum_version, context.maximum_version = lowest, highest
    return context


# -- clients

def test_clients_speak_tls(make_tls_site):
    site = make_tls_site(serve(lambda r: render(200, r.body)))
    with site.client(tls=site.authority.client_context()) as c:
        answer = c.ask("PUT", "/a/x", body=MEGABYTES)
        assert answer.body == MEGABYTES
        assert c.ask("GET", "/a/y").status == 200
    request = site.service.request()
    assert request.get("X-Forwarded-Proto") == "https" and "proto=https" in request.get("Forwarded")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(make_tls_site, version):
    site = make_tls_site(serve(OK))
    with site.client(tls=versions(site.authority.client_context(), version, version)) as c:
        assert c.sock.version() == version.name.replace("_", ".")
        assert c.ask().status == 200


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_refused(make_tls_site):
    site = make_tls_site(serve(OK))
    old = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="(?i)version"):
        site.client(tls=versions(site.authority.client_context(), old, old))
    line = site.logged()[0]
    assert line["error"] == "tls" and "speaks no version of TLS that is taken here" in line["why"] and line["client"] == "127.0.0.1"
    assert line["listener"] == f"127.0.0.1:{site.port}"


def test_plain_http_on_a_tls_port(make_tls_site):
    site = make_tls_site(serve(OK))
    with site.client() as c:
        c.request()
        try:
            assert not c.read_until_close().startswith(b"HTTP/")
        except ConnectionResetError:
            pass  # what it had sent was not read to the end
    line = site.logged()[0]
    assert line["error"] == "tls" and "speaks plain HTTP to a port for TLS" in line["why"] and "https://" in line["why"]
    assert not site.service.requests


def test_tls_on_a_plain_port(make_site):
    site = make_site(serve(OK))
    with pytest.raises(ssl.SSLError):
        site.client(tls=ssl.create_default_context())
    with site.client() as c:
        c.send(b"\x16\x03\x01\x02\x00\x01")
        refusal(c.read_answer(), 400, "bad-request", "TLS", "plain HTTP", "http://")
    assert not site.service.requests


def test_a_client_that_does_not_trust_the_certificate(make_tls_site, tmp_path):
    site = make_tls_site(serve(OK))
    with pytest.raises(ssl.SSLCertVerificationError):
        site.client(tls=Authority(tmp_path / "other").client_context())
    assert site.logged()[0]["error"] in ("tls", "closed")


def test_clients_with_a_certificate(make_tls_site):
    """A listener with a ca takes only clients that have a certificate of it."""
    site = make_tls_site(serve(OK), listener=lambda authority: {"ca": str(authority.ca)})
    context = site.authority.client_context()
    context.load_cert_chain(*site.authority.issue("client"))
    with site.client(tls=context) as c:
        assert c.ask().status == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with site.client(tls=site.authority.client_context()) as c:
            c.ask()
    line = site.logged(2)[1]
    assert line["error"] == "tls" and "the client shows no certificate" in line["why"] and "`ca`" in line["why"]
    assert len(site.service.requests) == 1


def test_an_answer_that_breaks_off_ends_the_connection(make_tls_site):
    """Before the length that was announced; no close_notify says that it is whole (unit test rt_tls_data)."""
    site = make_tls_site([read_request, send(render(200, b"12345", "Content-Length: 100"))])
    with site.client(tls=site.authority.client_context()) as c:
        c.request()
        head = c.read_head()
        with pytest.raises(ConnectionError):
            c.read_body(head)
    assert site.logged()[0]["error"] == "service-broken"


# -- services

@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "services")


@pytest.fixture
def make_site_of(make_sites):
    """A site whose service speaks TLS with a context, and what its configuration says of that."""
    def make(context, script=None, **settings):
        service = Origin(script or serve(lambda r: render(200, r.body)), tls=context)
        return make_sites("Nantes", services=lambda _: {"a": service},
                          config={"services": {"a": settings}})[0]
    return make


def test_services_speak_tls(make_site_of, authority):
    site = make_site_of(authority.server_context("service"), tls={"ca": str(authority.ca)})
    with site.client() as c:
        assert c.ask("PUT", "/a/x", body=MEGABYTES).body == MEGABYTES
        assert c.ask("GET", "/a/x").status == 200
        assert c.ask("GET", "/a/x").status == 200
    assert [len(k.requests) for k in site.service.connections] == [3]


def test_the_name_that_is_verified_can_be_given(make_site_of, authority):
    site = make_site_of(authority.server_context("service", "DNS:image.example"),
                        tls={"ca": str(authority.ca)}, server_name="image.example")
    with site.client() as c:
        assert c.ask().status == 200


def test_a_wrong_name(make_site_of, authority):
    site = make_site_of(authority.server_context("service", "DNS:other.example"), tls={"ca": str(authority.ca)})
    with site.client() as c:
        refusal(c.ask(), 502, "tls", f"127.0.0.1:{site.service.port}", "other.example", "does not bear the address 127.0.0.1",
                "server_name")
        refusal(c.ask(), 502, "tls", "does not bear the address 127.0.0.1")
    assert not site.service.requests
    line = site.logged()[0]
    assert (line["error"], line["legs"][0]["error"]) == ("tls", "tls")


def test_an_unknown_authority(make_site_of, authority, tmp_path):
    stranger = Authority(tmp_path / "stranger")
    site = make_site_of(stranger.server_context("service"), tls={"ca": str(authority.ca)})
    with site.client() as c:
        refusal(c.ask(), 502, "tls", f"127.0.0.1:{site.service.port}", "authority that is not trusted here", "`ca`")
    assert not site.service.requests


def test_a_certificate_that_has_ended(make_site_of, authority):
    site = make_site_of(authority.server_context("service", days=-1), tls={"ca": str(authority.ca)})
    with site.client() as c:
        refusal(c.ask(), 502, "tls", f"127.0.0.1:{site.service.port}", "has ended: it ended at 2", "renew it")
    assert not site.service.requests


def test_a_service_that_does_not_speak_tls(make_sites, authority):
    service = Origin(serve(OK))
    site = make_sites("Nantes", services=lambda _: {"a": service}, config={"services": {"a": {
        "url": f"https://127.0.0.1:{service.port}", "tls": {"ca": str(authority.ca)}}}})[0]
    service.scripts = [lambda c: c.input.begins() and c.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")]
    service.then = service.scripts[0]
    with site.client() as c:
        refusal(c.ask(), 502, "tls", f"127.0.0.1:{service.port}", "does not speak TLS", "http://")


def test_a_service_that_speaks_tls_and_is_asked_in_plain(make_sites, authority):
    """Some answer with an alert, some just close."""
    service = Origin([lambda c: c.input.begins() and c.send(b"\x15\x03\x03\x00\x02\x02\x46")])
    site = make_sites("Nantes", services=lambda _: {"a": service})[0]
    with site.client() as c:
        refusal(c.ask(), 502, "service-broken", "Nantes", "speaks TLS", "https://")


def test_a_certificate_for_the_service(make_site_of, authority):
    context = authority.server_context("service")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca)
    certificate, key = authority.issue("cheops")
    site = make_site_of(context, tls={"ca": str(authority.ca), "certificate": str(certificate), "key": str(key)})
    with site.client() as c:
        assert c.ask().status == 200


def test_a_service_that_wants_a_certificate(make_site_of, authority):
    """TLS 1.3 tells only after the request was sent."""
    context = authority.server_context("service")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca)
    site = make_site_of(context, tls={"ca": str(authority.ca)})
    with site.client() as c:
        refusal(c.ask(), 502, "tls", f"127.0.0.1:{site.service.port}", "wants a certificate, and is shown none",
                "`certificate` and `key`")
    assert not site.service.requests


def test_a_service_that_does_not_know_the_certificate(make_site_of, authority, tmp_path):
    context = authority.server_context("service")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.ca)
    certificate, key = Authority(tmp_path / "stranger").issue("cheops")
    site = make_site_of(context, tls={"ca": str(authority.ca), "certificate": str(certificate), "key": str(key)})
    with site.client() as c:
        refusal(c.ask(), 502, "tls", f"127.0.0.1:{site.service.port}", "does not know the authority")
    assert not site.service.requests


def test_a_service_whose_tls_breaks_off(make_site_of, authority):
    """Without its close_notify nobody knows whether the answer was whole."""
    site = make_site_of(authority.server_context("service"), [read_request, send(b"HTTP/1.1 200 OK\r\n\r\nhalf")],
                        tls={"ca": str(authority.ca)})
    with site.client() as c:
        c.request()
        assert c.read_head().status == 200
        assert not c.read_until_close().endswith(b"0\r\n\r\n")
    assert site.logged()[0]["error"] == "service-broken"


# -- several certificates of one listener

def shown(site, name):
    """The names in the certificate that a client sees which asks for this one."""
    context = site.authority.client_context()
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", site.port), timeout=DEADLINE_S) as raw, \
            context.wrap_socket(raw, server_hostname=name) as s:
        s.sendall(b"GET /a/things HTTP/1.1\r\nHost: door\r\nConnection: close\r\n\r\n")
        assert s.recv(12) == b"HTTP/1.1 200"
        return [value for _, value in s.getpeercert()["subjectAltName"]]


def test_the_certificate_is_chosen_by_name(make_sites, authority):
    def files(name, *names):
        return dict(zip(("certificate", "key"), map(str, authority.issue(name, *names))))

    def listener(site):
        return {"listeners": [{"address": f"127.0.0.1:{site.port}", "tls": files("first", "DNS:first.example"),
                               "certificates": [files("second", "DNS:second.example", "DNS:*.wide.example"),
                                                files("third", "DNS:third.example", "DNS:a.wide.example")]}]}
    site, = make_sites("Nantes", config=listener)
    site.authority = authority
    second, third = ["second.example", "*.wide.example"], ["third.example", "a.wide.example"]
    for name, names in (("first.example", ["first.example"]), ("second.example", second), ("third.example", third),
                        ("SECOND.example", second), ("b.wide.example", second), ("a.wide.example", second),
                        ("nobody.example", ["first.example"]), (None, ["first.example"])):
        assert shown(site, name) == names, name
    files("third", "DNS:third.example", "DNS:new.example")
    assert site.admin("/v1/reload", "POST")[0] == 200
    assert shown(site, "new.example") == ["third.example", "new.example"]
