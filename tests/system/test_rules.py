"""Rules of RFC 9110 and RFC 9112 for an intermediary that no other test shows: docs/http.md lists them all."""
import gzip

import pytest
from support import render
from support.origin import hang, read_request, send, serve

WELL = render(200, b"well")


def seen_by_the_service(make_site, data):
    """The request that the service gets when a client sends these bytes."""
    site = make_site(serve(WELL))
    with site.client() as c:
        c.send(data)
        assert c.read_answer().body == b"well"
    return site.service.requests[0]


# ---- what passes as it came

@pytest.mark.parametrize("target", [
    "/a/x", "/a/", "/a//x///", "/a/./../x", "/a/%2e%2E/%2F", "/a/%zz", "/a/x?", "/a/x?a=b&&c=%41+d&e",
    "/a/x;v=1,2/'()*!$@:", "/a/{x}|\\^`\"<>", "/a/x?http://other/?y"])
def test_a_target_passes_as_it_came(make_site, target):
    got = seen_by_the_service(make_site, f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert got.target == target


@pytest.mark.parametrize("method", ["GET", "get", "BREW", "M-SEARCH", "PROPFIND", "A!#$%&'*+-.^_`|~1"])
def test_a_method_passes_as_it_came(make_site, method):
    got = seen_by_the_service(make_site, f"{method} /a/x HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert got.method == method


@pytest.mark.parametrize("host", ["h", "H.Example", "h:", "h:80", "127.0.0.1:1", "[::1]:80", "x_y.z"])
def test_host_passes_as_it_came(make_site, host):
    got = seen_by_the_service(make_site, f"GET /a/x HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert got.all("Host") == [host]


def test_a_get_may_have_a_body(make_site):
    got = seen_by_the_service(make_site, b"GET /a/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
    assert (got.method, got.get("Content-Length"), got.body) == ("GET", "3", b"abc")


REQUEST_FIELDS = [
    "User-Agent: x/1 (y)", "Accept: a/b;q=0.5, */*", "Accept-Encoding: gzip", "Accept-Language: fr", "Range: bytes=0-1",
    'If-Match: "a"', 'If-None-Match: W/"b", *', "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 'If-Range: "c"',
    "Cache-Control: no-transform", "Authorization: Basic eDp5", "Referer: http://r/", "From: a@b", "Cookie: a=b",
    "X-Unknown: 1"]


def test_request_fields_pass_as_they_came(make_site):
    lines = "\r\n".join(REQUEST_FIELDS)
    got = seen_by_the_service(make_site, f"GET /a/x HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n".encode())
    assert lines.encode() in got.raw_head


def test_fields_that_nobody_sent_are_not_made_up(make_site):
    got = seen_by_the_service(make_site, b"GET /a/x HTTP/1.1\r\nHost: h\r\n\r\n")
    for name in ("User-Agent", "Accept", "Accept-Encoding", "TE", "Trailer", "Range", "Cache-Control", "Connection",
                 "Content-Length", "Transfer-Encoding", "Content-Type", "Server"):
        assert not got.has(name), name


ANSWER_FIELDS = [
    "Server: s/1", "Content-Type: text/plain;charset=x", "Content-Encoding: gzip", "Content-Language: fr",
    'ETag: W/"a"', "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", "Accept-Ranges: bytes", "Vary: *", "Age: 3",
    "Cache-Control: no-transform, max-age=1", "Content-Location: /b", "Retry-After: 7", "Allow: GET, BREW",
    "WWW-Authenticate: Basic realm=\"r\"", "X-Unknown: 1"]


def test_content_and_its_fields_pass_as_they_came(make_site):
    body = gzip.compress(b"well" * 1000)
    site = make_site(serve(render(200, body, *ANSWER_FIELDS)))
    with site.client() as c:
        answer = c.ask("GET", "/a/x", "Accept-Encoding: identity")
    assert "\r\n".join(ANSWER_FIELDS).encode() in answer.raw_head
    assert answer.body == body


def test_a_server_field_is_not_made_up(make_site):
    with make_site(serve(WELL)).client() as c:
        assert not c.ask().has("Server")
        assert not c.ask(target="/elsewhere").has("Server")


@pytest.mark.parametrize("status", [200, 201, 203, 206, 226, 299, 300, 301, 303, 308, 399, 400, 401, 404, 405, 407, 426,
                                    451, 499, 500, 503, 511, 599])
def test_a_status_passes_as_it_came(make_site, status):
    site = make_site(serve(render(status, b"body", "Location: http://elsewhere/a", "Retry-After: 7")))
    with site.client() as c:
        answer = c.ask()
    assert (answer.status, answer.body, answer.get("Location")) == (status, b"body", "http://elsewhere/a")
    assert answer.get("Retry-After") == "7" and not answer.has("Cheops-Error")
    assert len(site.service.requests) == 1  # no redirect is followed, no refusal tried again


# ---- versions

def test_a_later_minor_version_is_read_as_ours(make_site):
    site = make_site(serve(lambda r: WELL.replace(b"HTTP/1.1", b"HTTP/1.7")))
    with site.client() as c:
        c.send(b"GET /a/x HTTP/1.9\r\nHost: h\r\n\r\n")
        answer = c.read_answer()
        assert answer.raw_head.startswith(b"HTTP/1.1 200 ") and answer.body == b"well"
        assert c.ask().body == b"well"
    assert site.service.requests[0].raw_head.startswith(b"GET /a/x HTTP/1.1\r\n")


def test_an_older_client_cannot_upgrade_or_expect(make_site):
    site = make_site(serve(WELL))
    with site.client() as c:
        c.send(b"POST /a/x HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\nExpect: 100-continue\r\n"
               b"Content-Length: 3\r\n\r\nabc")
        assert c.read_answer().body == b"well"
    got = site.service.requests[0]
    assert got.body == b"abc" and not got.has("Upgrade") and not got.has("Expect") and not got.has("Connection")


# ---- what Cheops answers itself

def test_an_error_for_head_has_no_body(make_site):
    with make_site(serve(WELL)).client() as c:
        answer = c.ask("HEAD", "/elsewhere")
        assert answer.status == 404 and int(answer.get("Content-Length")) > 0
        assert c.ask().body == b"well"  # which would come behind the body, if there were one


def test_options_that_ends_here_has_an_empty_body(make_site):
    with make_site(serve(WELL)).client() as c:
        answer = c.ask("OPTIONS", "/a/x", "Max-Forwards: 0")
        assert (answer.status, answer.get("Content-Length")) == (200, "0")


def test_an_absolute_target_needs_a_host_field_all_the_same(make_site):
    with make_site(serve(WELL)).client() as c:
        c.send(b"GET http://h/a/x HTTP/1.1\r\n\r\n")
        assert c.read_answer().status == 400
        c.expect_close()


def test_what_is_no_http_is_answered_and_closed(make_site):
    with make_site(serve(WELL)).client() as c:
        c.send(b"EHLO me\r\n\r\n")
        assert c.read_answer().status == 400
        c.expect_close()


def test_interim_answers_that_nobody_knows_pass(make_site):
    site = make_site([read_request, send(b"HTTP/1.1 103 H\r\nLink: a\r\n\r\nHTTP/1.1 199 ?\r\n\r\n" + WELL), hang])
    with site.client() as c:
        answer = c.ask()
    assert ([head.status for head in answer.interim], answer.status, answer.body) == ([103, 199], 200, b"well")
