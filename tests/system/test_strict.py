"""What smuggling is made of is refused, towards clients and towards services.

Where a lenient reader mends a message, another one reads it differently: that difference lets one
client put words into another's mouth. Each refused request is answered with the error's code, its
connection is closed, and no byte of it reaches a service.
"""
import json

import pytest
from support import Client, Origin, Site, render

HEAD = "GET /a/x HTTP/1.1\r\nHost: h\r\n"
POST = "POST /a/x HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"


END = b"<end>"  # of an answer after which the service closes


class Book:
    """What the service answers, by target; set by a test before it asks."""

    def __init__(self):
        self.answers = {}

    def script(self, c):
        while (request := c.read_request()) is not None:
            answer = self.answers.get(request.target, render(200, b"well"))
            c.send(answer.removesuffix(END))
            if answer.endswith(END):
                return


@pytest.fixture(scope="module")
def book():
    return Book()


@pytest.fixture(scope="module")
def site(tmp_path_factory, book):
    site = Site("Nantes", tmp_path_factory.mktemp("strict"), {"a": Origin(book.script)},
                {"workers": 1, "limits": {"head": 2048, "target": 512, "fields": 20, "trailers": 512}})
    site.start()
    yield site
    site.stop()


def refused(site, data, status, code):
    """Sends bytes, with a request behind them that must not be served either."""
    before = len(site.service.connections), len(site.service.requests)
    with Client(site.port) as c:
        c.send(data if isinstance(data, bytes) else data.encode("latin-1"))
        answer = c.read_answer()
        c.expect_close()
    assert (answer.status, answer.get("Cheops-Error")) == (status, code)
    assert answer.get("Connection") == "close"
    problem = json.loads(answer.body)
    assert (problem["type"], problem["status"]) == (f"urn:cheops:error:{code}", status)
    assert (len(site.service.connections), len(site.service.requests)) == before
    return problem["detail"]


BAD_HEADS = {
    # lines
    "bare LF": "GET /a/x HTTP/1.1\nHost: h\n\n",
    "bare LF after the request line": "GET /a/x HTTP/1.1\nHost: h\r\n\r\n",
    "bare LF after a field": HEAD + "X: 1\nY: 2\r\n\r\n",
    "bare LF for the empty line": HEAD + "\n",
    "bare CR in the request line": "GET /a/x\rHTTP/1.1\r\nHost: h\r\n\r\n",
    "bare CR in a value": HEAD + "X: 1\rY: 2\r\n\r\n",
    "CR before CRLF": HEAD + "X: 1\r\r\n\r\n",
    "obs-fold": HEAD + "X: 1\r\n 2\r\n\r\n",
    "obs-fold with a tab": HEAD + "X: 1\r\n\t2\r\n\r\n",
    "obs-fold of the first field": "GET /a/x HTTP/1.1\r\n Host: h\r\n\r\n",
    "an empty line and a blank": "\r\n " + HEAD + "\r\n",
    # fields
    "space before the colon": HEAD + "X : 1\r\n\r\n",
    "tab before the colon": HEAD + "X\t: 1\r\n\r\n",
    "no colon": HEAD + "X\r\n\r\n",
    "no name": HEAD + ": 1\r\n\r\n",
    "a blank in a name": HEAD + "X Y: 1\r\n\r\n",
    "a bracket in a name": HEAD + "X[]: 1\r\n\r\n",
    "a letter beyond ASCII in a name": HEAD + "X\xe9: 1\r\n\r\n",
    "NUL in a name": HEAD + "X\0: 1\r\n\r\n",
    "NUL in a value": HEAD + "X: a\0b\r\n\r\n",
    "BEL in a value": HEAD + "X: a\x07b\r\n\r\n",
    "DEL in a value": HEAD + "X: a\x7fb\r\n\r\n",
    "a control character behind 16 others": HEAD + "X: 0123456789abcdef0123456789\x01\r\n\r\n",
    # the request line
    "no target": "GET HTTP/1.1\r\nHost: h\r\n\r\n",
    "two blanks before the target": "GET  /a/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "two blanks before the version": "GET /a/x  HTTP/1.1\r\nHost: h\r\n\r\n",
    "a blank at the end": "GET /a/x HTTP/1.1 \r\nHost: h\r\n\r\n",
    "a tab for a blank": "GET\t/a/x\tHTTP/1.1\r\nHost: h\r\n\r\n",
    "a blank in the target": "GET /a/x y HTTP/1.1\r\nHost: h\r\n\r\n",
    "no version": "GET /a/x\r\nHost: h\r\n\r\n",
    "a small http": "GET /a/x http/1.1\r\nHost: h\r\n\r\n",
    "a version with two digits": "GET /a/x HTTP/1.10\r\nHost: h\r\n\r\n",
    "a version with a letter": "GET /a/x HTTP/1.x\r\nHost: h\r\n\r\n",
    "a method with a slash": "GE/T /a/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "a method with a control character": "G\x01T /a/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "a method in quotes": "\"GET\" /a/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "no method": " /a/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "a control character in the target": "GET /a/\x01 HTTP/1.1\r\nHost: h\r\n\r\n",
    "NUL in the target": "GET /a/\0 HTTP/1.1\r\nHost: h\r\n\r\n",
    "DEL in the target": "GET /a/\x7f HTTP/1.1\r\nHost: h\r\n\r\n",
    "a byte beyond ASCII in the target": "GET /a/\xe9 HTTP/1.1\r\nHost: h\r\n\r\n",
    "a fragment in the target": "GET /a/x#y HTTP/1.1\r\nHost: h\r\n\r\n",
    "a relative target": "GET a/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "an asterisk for GET": "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
    "another scheme": "GET ftp://h/a/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "an authority with user information": "GET http://u@h/a/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "an empty authority": "GET http:///a/x HTTP/1.1\r\nHost: h\r\n\r\n",
    # Host
    "no Host": "GET /a/x HTTP/1.1\r\n\r\n",
    "two Hosts": HEAD + "Host: i\r\n\r\n",
    "the same Host twice": HEAD + "Host: h\r\n\r\n",
    "an empty Host": "GET /a/x HTTP/1.1\r\nHost:\r\n\r\n",
    "a Host with a path": "GET /a/x HTTP/1.1\r\nHost: h/a\r\n\r\n",
    "a Host with a blank": "GET /a/x HTTP/1.1\r\nHost: h i\r\n\r\n",
    "a Host with user information": "GET /a/x HTTP/1.1\r\nHost: u@h\r\n\r\n",
    "a Host with a bad port": "GET /a/x HTTP/1.1\r\nHost: h:8x\r\n\r\n",
    "a Host with a port out of range": "GET /a/x HTTP/1.1\r\nHost: h:65536\r\n\r\n",
    "a Host with half an IPv6 address": "GET /a/x HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "a bad Host under an absolute target": "GET http://h/a/x HTTP/1.1\r\nHost: h@i\r\n\r\n",
    # lengths
    "both length fields": POST + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both, the other way round": POST + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "the same length twice": POST + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": POST + "Content-Length: 3, 3\r\n\r\nabc",
    "an empty length": POST + "Content-Length:\r\n\r\n",
    "a length with a plus": POST + "Content-Length: +3\r\n\r\nabc",
    "a negative length": POST + "Content-Length: -3\r\n\r\nabc",
    "a length with a fraction": POST + "Content-Length: 3.0\r\n\r\nabc",
    "a hexadecimal length": POST + "Content-Length: 0x3\r\n\r\nabc",
    "a length with a blank in it": POST + "Content-Length: 1 1\r\n\r\nabc",
    "a length with a letter": POST + "Content-Length: 3a\r\n\r\nabc",
    "a length in quotes": POST + "Content-Length: \"3\"\r\n\r\nabc",
    "a length past 63 bits": POST + "Content-Length: 9223372036854775808\r\n\r\nabc",
    "a length past 64 bits": POST + "Content-Length: 18446744073709551619\r\n\r\nabc",
    "chunked in HTTP/1.0": "POST /a/x HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}

UNSUPPORTED = {
    "chunked in a list": (POST + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501, "coding-unsupported"),
    "gzip, chunked": (POST + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "coding-unsupported"),
    "chunked, identity": (POST + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400, "bad-request"),
    "identity": (POST + "Transfer-Encoding: identity\r\n\r\n", 400, "bad-request"),
    "a tab behind chunked": (POST + "Transfer-Encoding: chunked\x0b\r\n\r\n0\r\n\r\n", 400, "bad-request"),
    "xchunked": (POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, "bad-request"),
    "chunked in quotes": (POST + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400, "bad-request"),
    "an empty coding": (POST + "Transfer-Encoding:\r\n\r\n", 400, "bad-request"),
    "HTTP/2.0": ("GET /a/x HTTP/2.0\r\nHost: h\r\n\r\n", 505, "http-version"),
    "HTTP/0.9": ("GET /a/x HTTP/0.9\r\nHost: h\r\n\r\n", 505, "http-version"),
    "the preface of HTTP/2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http-version"),
    "CONNECT": ("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", 501, "method-unsupported"),
    "another expectation": (POST + "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", 417, "expectation-failed"),
    "a long target": ("GET /a/" + "x" * 600 + " HTTP/1.1\r\nHost: h\r\n\r\n", 414, "uri-too-long"),
    "a target without an end": ("GET /a/" + "x" * 4000, 414, "uri-too-long"),
    "a large head": (HEAD + "X: " + "x" * 2048 + "\r\n\r\n", 431, "head-too-large"),
    "a head without an end": (HEAD + "X: " + "x" * 8000, 431, "head-too-large"),
    "too many fields": (HEAD + "X: 1\r\n" * 21 + "\r\n", 431, "head-too-large"),
    "too many options of Connection": (HEAD + "Connection: " + "a," * 40 + "b\r\n\r\n", 400, "bad-request"),
}

BEHIND = "GET /a/smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize("name", BAD_HEADS)
def test_a_bad_head_is_refused(site, name):
    refused(site, BAD_HEADS[name] + BEHIND, 400, "bad-request")


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_is_not_served_is_refused(site, name):
    data, status, code = UNSUPPORTED[name]
    refused(site, data, status, code)


@pytest.mark.parametrize("name", ["bare LF after a field", "obs-fold", "both length fields", "two Hosts"])
def test_a_bad_head_is_refused_byte_by_byte(site, name):
    data = BAD_HEADS[name].encode()
    with Client(site.port) as c:
        c.send_apart(*(data[i:i + 1] for i in range(len(data))))
        assert c.read_answer().status == 400
        c.expect_close()


def test_a_head_in_pieces_is_served(site):
    data = (POST + "Content-Length: 4\r\n\r\nabcd").encode()
    with Client(site.port) as c:
        c.send_apart(*(data[i:i + 1] for i in range(len(data))))
        assert c.read_answer().body == b"well"
    assert site.service.requests[-1].body == b"abcd"


def test_the_requests_before_a_bad_one_are_answered(site):
    with Client(site.port) as c:
        c.send((HEAD + "\r\n" + HEAD + "\r\n" + BAD_HEADS["both length fields"] + BEHIND).encode())
        assert [c.read_answer().status for _ in range(3)] == [200, 200, 400]
        c.expect_close()
    assert not any(r.target == "/a/smuggled" for r in site.service.requests)


def test_one_empty_line_before_a_request_is_forgiven(site):
    with Client(site.port) as c:
        c.send(("\r\n" + HEAD + "\r\n").encode())
        assert c.read_answer().status == 200
        c.send(("\r\n" + HEAD + "\r\n").encode())
        assert c.read_answer().status == 200


@pytest.mark.parametrize("field", [
    "X:", "X: ", "X:1", "X:\t1\t", "X: a \t b", "X: \xe9\xff", "!#$%&'*+-.^_`|~: 1", "X: \"\\\"",
])
def test_an_odd_field_that_is_valid_passes_as_it_came(site, field):
    with Client(site.port) as c:
        c.send((HEAD + field + "\r\n\r\n").encode("latin-1"))
        assert c.read_answer().status == 200
    assert (field + "\r\n").encode("latin-1") in site.service.requests[-1].raw_head


# ---- chunked bodies of clients

BAD_CHUNKS = {
    "no size": "\r\nabc\r\n0\r\n\r\n",
    "a blank before the size": " 3\r\nabc\r\n0\r\n\r\n",
    "a blank behind the size": "3 \r\nabc\r\n0\r\n\r\n",
    "a tab behind the size": "3\t\r\nabc\r\n0\r\n\r\n",
    "a blank before an extension": "3 ;a=b\r\nabc\r\n0\r\n\r\n",
    "0x": "0x3\r\nabc\r\n0\r\n\r\n",
    "a sign": "+3\r\nabc\r\n0\r\n\r\n",
    "a negative size": "-3\r\nabc\r\n0\r\n\r\n",
    "a letter that is no digit": "3g\r\nabc\r\n0\r\n\r\n",
    "an underscore": "1_0\r\n" + "a" * 16 + "\r\n0\r\n\r\n",
    "a size of 17 digits": "00000000000000003\r\nabc\r\n0\r\n\r\n",
    "a size past 63 bits": "8000000000000000\r\nabc\r\n0\r\n\r\n",
    "a size that wraps to 3": "10000000000000003\r\nabc\r\n0\r\n\r\n",
    "a bare LF behind the size": "3\nabc\r\n0\r\n\r\n",
    "a bare CR in an extension": "3;a\rb\r\nabc\r\n0\r\n\r\n",
    "a bare LF in an extension": "3;a\nb\r\nabc\r\n0\r\n\r\n",
    "NUL in an extension": "3;a\0b\r\nabc\r\n0\r\n\r\n",
    "an endless extension": "3;" + "a" * 5000,
    "a chunk that is too long": "3\r\nabcd\r\n0\r\n\r\n",
    "a chunk that is too short": "3\r\nab\r\n0\r\n\r\n",
    "a bare LF behind a chunk": "3\r\nabc\n0\r\n\r\n",
    "a bare LF for the last line": "3\r\nabc\r\n0\r\n\n",
    "a bare LF in the trailers": "3\r\nabc\r\n0\r\nX: 1\n\r\n",
    "a trailer without a colon": "3\r\nabc\r\n0\r\nX\r\n\r\n",
    "a trailer with a blank before its colon": "3\r\nabc\r\n0\r\nX : 1\r\n\r\n",
    "a folded trailer": "3\r\nabc\r\n0\r\nX: 1\r\n 2\r\n\r\n",
    "a control character in a trailer": "3\r\nabc\r\n0\r\nX: \x01\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_a_bad_chunk_ends_the_request(site, name):
    """The head may have gone to the service by then: what it gets is seen to be cut off."""
    before = len(site.service.connections)
    with Client(site.port) as c:
        c.send((CHUNKED + BAD_CHUNKS[name] + BEHIND).encode("latin-1"))
        answer = c.read_answer()
        c.expect_close()
    assert (answer.status, answer.get("Cheops-Error")) == (400, "bad-request")
    assert answer.get("Connection") == "close"
    for connection in site.service.connections[before:]:
        assert connection.ended.wait(20)
        assert connection.failure or not connection.raw, "the service took a refused body for a whole one"
        assert b"smuggled" not in connection.raw


def test_large_trailers_end_the_request(site):
    with Client(site.port) as c:
        c.send((CHUNKED + "0\r\nX: " + "x" * 600 + "\r\n\r\n").encode())
        answer = c.read_answer()
        c.expect_close()
    assert (answer.status, answer.get("Cheops-Error")) == (431, "head-too-large")


@pytest.mark.parametrize("name", ["a bare LF behind the size", "a chunk that is too long", "0x"])
def test_a_bad_chunk_that_comes_later_ends_the_request(site, name):
    with Client(site.port) as c:
        c.send_apart(CHUNKED.encode(), b"5\r\nhello\r\n", BAD_CHUNKS[name].encode())
        answer = c.read_answer()
        c.expect_close()
    assert (answer.status, answer.get("Connection")) == (400, "close")


# ---- answers of services

BAD_ANSWERS = {
    "no status line": b"hello\r\n\r\n",
    "nothing but an empty line": b"\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare LF after a field": b"HTTP/1.1 200 OK\r\nX: 1\nContent-Length: 0\r\n\r\n",
    "bare CR in the reason": b"HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n",
    "a control character in the reason": b"HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n",
    "obs-fold": b"HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "a status that is none": b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of 600": b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "ICY": b"ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
    "both length fields": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "the same length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "a length with a plus": b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
    "a coding that is not chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a large head": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2048 + b"\r\nContent-Length: 0\r\n\r\n",
    "a head without an end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 8000,
    "too many fields": b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 30 + b"Content-Length: 0\r\n\r\n",
    "another protocol, unasked": b"HTTP/1.1 101 Now\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "a bad 1xx": b"HTTP/1.1 103 Hints\r\nLink : x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "a 1xx with a body": b"HTTP/1.1 103 Hints\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "the end within a head": b"HTTP/1.1 200 OK\r\nX: <end>",
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_a_bad_answer_is_not_passed_on(site, book, name):
    target = "/a/" + name.replace(" ", "-").replace(",", "")
    book.answers[target] = BAD_ANSWERS[name]
    used = len(site.service.requests)
    with Client(site.port) as c:
        answer = c.ask("GET", target)
        assert (answer.status, answer.get("Cheops-Error")) == (502, "service-broken")
        assert json.loads(answer.body)["type"] == "urn:cheops:error:service-broken"
        connection = next(c for c in site.service.connections if any(r.target == target for r in c.requests))
        assert connection.ended.wait(20), "the connection of a bad answer is kept"
        assert c.ask("GET", "/a/next").body == b"well", "the client's connection goes on"
    assert [r.target for r in site.service.requests[used:]] == [target, "/a/next"], "asked again"
    assert connection.requests[-1].target == target


EXCESS = {
    "a second answer": render(200, b"first") + render(200, b"second"),
    "bytes behind the body": render(200, b"first") + b"junk",
    "bytes behind the last chunk":
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n" + render(200, b"second"),
}


@pytest.mark.parametrize("name", EXCESS)
def test_what_a_service_sends_too_much_reaches_nobody(site, book, name):
    target = "/a/excess-" + name.replace(" ", "-")
    book.answers[target] = EXCESS[name]
    with Client(site.port) as c:
        assert c.ask("GET", target).body == b"first"
        assert c.ask("GET", "/a/next").body == b"well"


@pytest.mark.parametrize("method, status, extra", [("HEAD", 200, b""), ("GET", 204, b"hello"), ("GET", 304, b"hello")])
def test_a_body_where_none_can_be_reaches_nobody(site, book, method, status, extra):
    target = f"/a/no-body-{method}-{status}"
    book.answers[target] = b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\nhello" % status
    with Client(site.port) as c:
        answer = c.ask(method, target)
        assert (answer.status, answer.body) == (status, b"")
        assert c.ask("GET", "/a/next").body == b"well"


BROKEN_BODIES = {
    "a length that is not reached": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n<end>",
    "no last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<end>",
    "half a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc<end>",
    "an end within the trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: <end>",
    "a bad chunk size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0x0\r\n\r\n",
    "a bad trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX : 1\r\n\r\n",
    "large trailers":
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: " + b"x" * 600 + b"\r\n\r\n",
}


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("name", BROKEN_BODIES)
def test_a_client_sees_that_an_answer_broke_off(site, book, name, version):
    """Chunks without the last one, a length that is not reached, or for an older client a reset."""
    target = "/a/broken-" + name.replace(" ", "-")
    book.answers[target] = BROKEN_BODIES[name]
    with Client(site.port) as c:
        c.send(f"GET {target} HTTP/{version}\r\nHost: h\r\nConnection: keep-alive\r\n\r\n".encode())
        head = c.read_head()
        assert head.status == 200
        with pytest.raises(ConnectionError):
            c.read_body(head)
    connection = next(c for c in site.service.connections if any(r.target == target for r in c.requests))
    assert connection.ended.wait(20), "the connection of a broken answer is kept"
    assert connection.requests[-1].target == target
