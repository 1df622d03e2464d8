"""HTTP/1.1 through one site."""
import re

import pytest

pytestmark = pytest.mark.threads


@pytest.fixture
def site(make_sites):
    return make_sites("Nantes")[0]


def test_large_answers_arrive_whole(site):
    status, fields, body = site.ask(path="/a/x?bytes=20000000")
    assert (status, fields["content-length"], body) == (200, "20000000", b"x" * 20000000)


def test_large_requests_arrive_whole(site):
    assert site.ask("PUT", "/a/x", b"y" * 5000000)[0] == 200
    assert site.service.requests[-1].body == b"y" * 5000000


def test_chunks_and_trailers_pass(site):
    got = site.raw(b"GET /a/x?chunked=1&bytes=5000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert b"Transfer-Encoding: chunked\r\n" in got and got.endswith(b"0\r\nX-Sum: 7\r\n\r\n")
    assert got.count(b"x") >= 5000


def test_pipelined_requests_are_answered_in_order(site):
    one = b"GET /a/x?status=%d HTTP/1.1\r\nHost: h\r\n%s\r\n"
    got = site.raw(one % (201, b"") + one % (202, b"") + one % (203, b"Connection: close\r\n"))
    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"201", b"202", b"203"]


@pytest.mark.parametrize("request_text", [
    b"GET /a HTTP/1.1\nHost: h\n\n",
    b"GET /a HTTP/1.1\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost : h\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc",
    b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    b"GET /a\x01 HTTP/1.1\r\nHost: h\r\n\r\n",
])
def test_what_smuggling_is_made_of_is_refused(site, request_text):
    got = site.raw(request_text)
    assert got.startswith(b"HTTP/1.1 400 ") and b"Connection: close\r\n" in got


def test_absolute_form_replaces_host(site):
    site.raw(b"GET http://other/a/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert site.service.requests[-1].get("Host") == "other"


def test_hop_by_hop_fields_stay(site):
    site.ask(path="/a/x", Connection="X-Mine", X_Mine="1", X_Forwarded_For="10.0.0.1", Cheops_Leg="x")
    got = site.service.requests[-1]
    assert not got.has("X-Mine") and not got.has("Cheops-Leg") and got.get("X-Forwarded-For") == "127.0.0.1"


def test_head_has_no_body(site):
    status, fields, body = site.ask("HEAD", "/a/x?bytes=77")
    assert (status, fields["content-length"], body) == (200, "77", b"")


def test_a_request_that_goes_in_circles_ends(site):
    status, fields, _ = site.ask(path="/a/x", Via=", ".join(["1.1 cheops-Nantes"] * 4))
    assert (status, fields["cheops-error"]) == (508, "loop")


def test_no_service(site):
    assert site.ask(path="/elsewhere")[1]["cheops-error"] == "unknown-service"
    site.service.stop()
    status, fields, _ = site.ask(path="/a/x")
    assert (status, fields["cheops-error"]) == (502, "service-unreachable")
